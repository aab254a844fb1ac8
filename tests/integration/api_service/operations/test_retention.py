"""What is deleted when its time is over, and what stays."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx2
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from api_service.dead_letters.stale_letters import dead_letters_locked, drop_stale_letters
from api_service.operations.retention import purge
from api_service.settings import ApiSettings
from shared.amqp.publisher import Publisher
from shared.amqp.queue_depths import read_depth
from shared.amqp.topology import DEAD_LETTERS_EXCHANGE, DEAD_LETTERS_QUEUE, ROW_KEY
from shared.database import advisory_locks
from shared.database.engine import create_engine, with_driver
from shared.store_identity import IDENTITY_KEY, StoreIdentity
from shared.upload_store import UploadStore
from tests.support.api import running_api
from tests.support.dead_letters import until_acquainted
from tests.support.own_roles import own_roles
from tests.support.uploads import count_locks, insert_rejects, insert_upload, send, stored_files
from tests.support.waiting import eventually

NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=31)
LATELY = NOW - timedelta(days=29)


@pytest.fixture
async def engine(settings: ApiSettings) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(settings, "test", pool_size=5, pool_timeout_seconds=2)
    yield engine
    await engine.dispose()


@pytest.fixture
async def store(engine: AsyncEngine, upload_store_url: str) -> UploadStore:
    """The system's own, as from its first start on."""
    store = UploadStore(upload_store_url)
    await StoreIdentity(engine, store, may_be_first=True).require()
    return store


async def stored_upload(
    database: asyncpg.Connection, store: UploadStore, status: str, finished_at: datetime | None
) -> str:
    upload_id = await insert_upload(database, status=status, finished_at=finished_at)
    await database.execute("UPDATE uploads SET object_key = id::text WHERE id = $1", upload_id)
    async with store.writing(str(upload_id)) as writer:
        await writer.write(b"x")
    await insert_rejects(database, upload_id, [(1, ["a"]), (2, ["b"])])
    return str(upload_id)


async def test_files_and_rejects_of_uploads_finished_long_ago_are_purged(
    engine: AsyncEngine, store: UploadStore, settings: ApiSettings, database: asyncpg.Connection, upload_store_url: str
) -> None:
    old = await stored_upload(database, store, "partially_succeeded", LONG_AGO)
    kept = [
        await stored_upload(database, store, "partially_succeeded", LATELY),
        await stored_upload(database, store, "running", None),
    ]
    assert await purge(engine, store, settings) == (1, 2, 0, 0)
    assert sorted(path.name for path in stored_files(upload_store_url)) == sorted(kept)
    assert await database.fetchval("SELECT count(*) FROM rejected_rows WHERE upload_id = $1", old) == 0
    assert await database.fetchval("SELECT count(*) FROM rejected_rows") == 4
    assert await database.fetchval("SELECT file_deleted_at IS NOT NULL FROM uploads WHERE id = $1", old)
    assert await purge(engine, store, settings) == (0, 0, 0, 0)


async def test_what_was_sent_goes_with_the_text_that_was_made_of_it(
    engine: AsyncEngine, store: UploadStore, settings: ApiSettings, database: asyncpg.Connection, upload_store_url: str
) -> None:
    upload_id = await stored_upload(database, store, "succeeded", LONG_AGO)
    async with store.writing(f"{upload_id}.csv") as writer:
        await writer.write(b"x")
    await database.execute("UPDATE uploads SET original_key = object_key, object_key = object_key || '.csv'")

    assert await purge(engine, store, settings) == (1, 2, 0, 0)
    assert stored_files(upload_store_url) == []


@pytest.mark.fault(26)
async def test_nothing_is_purged_from_a_store_that_is_not_the_systems(
    engine: AsyncEngine, store: UploadStore, settings: ApiSettings, database: asyncpg.Connection, upload_store_url: str
) -> None:
    """Otherwise the files of the right one would count as deleted, and be kept for ever."""
    old = await stored_upload(database, store, "partially_succeeded", LONG_AGO)
    await store.delete(IDENTITY_KEY)

    assert await purge(engine, store, settings) == (0, 2, 0, 0)

    assert [path.name for path in stored_files(upload_store_url)] == [old]
    assert await database.fetchval("SELECT file_deleted_at FROM uploads") is None


async def test_malformed_messages_go_with_the_rejects(
    engine: AsyncEngine, store: UploadStore, settings: ApiSettings, database: asyncpg.Connection
) -> None:
    for dead_at in (LONG_AGO, LATELY):
        await database.execute(
            "INSERT INTO malformed_messages (id, reason, body, dead_at) VALUES (gen_random_uuid(), 'r', 'b', $1)",
            dead_at,
        )
    assert await purge(engine, store, settings) == (0, 1, 0, 0)
    assert await database.fetchval("SELECT count(*) FROM malformed_messages") == 1


async def test_a_purged_file_is_gone_and_its_upload_stays(
    settings: ApiSettings, database: asyncpg.Connection, upload_store_url: str
) -> None:
    often = settings.model_copy(update={"retention_interval_seconds": 0.05})
    async with running_api(often) as api:
        upload = (await send(api)).json()
        await database.execute("UPDATE uploads SET status = 'succeeded', finished_at = $1", LONG_AGO)
        await eventually(lambda: stored_files(upload_store_url) == [])
        await eventually(lambda: _is_gone(api, upload["id"]))
        assert (await api.get(f"/v1/uploads/{upload['id']}")).json()["status"] == "succeeded"


async def test_entries_of_the_audit_go_after_a_year_by_the_apis_own_role(
    settings: ApiSettings, database: asyncpg.Connection, database_url: str, store: UploadStore
) -> None:
    await database.execute(
        "INSERT INTO audit_entries (at, action, object, status, outcome)"
        " SELECT now() - make_interval(days => age), 'upload', age::text, 202, 'done'"
        " FROM unnest(ARRAY[400, 366, 364, 31, 0]) AS age"
    )
    async with own_roles(database_url) as urls:
        api_role = create_async_engine(with_driver(urls["api"]))
        counts = await purge(api_role, store, settings)
        assert counts is not None
        assert counts.audit == 2
        small = settings.model_copy(update={"audit_retention_days": 30})
        counts = await purge(api_role, store, small)
        assert counts is not None
        assert counts.audit == 2
        # Whatever it asks for, it deletes nothing that is younger.
        async with api_role.connect() as connection:
            with pytest.raises(DBAPIError, match="kept for at least 30 days"):
                await connection.execute(text("SELECT purge_audit('1 hour'::interval - '2 hours'::interval, 10)"))
        await api_role.dispose()
    assert await database.fetchval("SELECT array_agg(object) FROM audit_entries") == ["0"]


async def _is_gone(api: httpx2.AsyncClient, upload_id: str) -> bool:
    answer = await api.get(f"/v1/uploads/{upload_id}/file")
    return answer.status_code == 410 and answer.json()["code"] == "file_gone"


async def test_dead_letters_of_deleted_uploads_leave_the_queue_and_others_stay(
    settings: ApiSettings, database: asyncpg.Connection, engine: AsyncEngine
) -> None:
    deleted = await insert_upload(database, status="failed", finished_at=LATELY)
    kept = await insert_upload(database, status="failed", finished_at=LATELY)
    publisher = Publisher(settings, "test")
    for upload_id in (deleted, kept):
        await insert_rejects(database, upload_id, [(1, ["a"]), (2, ["b"])])
        for row in (1, 2):
            identity = f"{upload_id}:{row}:1"
            await publisher.publish(DEAD_LETTERS_EXCHANGE, ROW_KEY, b"{}", message_id=identity, correlation_id=identity)
    assert not await drop_stale_letters(engine, publisher, settings)
    async with running_api(settings.model_copy(update={"retention_interval_seconds": 0.1})) as api:
        await until_acquainted(settings, database)
        assert (await api.delete(f"/v1/uploads/{deleted}")).status_code == 204
        await eventually(lambda: _is_turned_to(settings, database, 2))
    assert not await drop_stale_letters(engine, publisher, settings)
    await publisher.close()


async def test_letters_that_wait_for_room_hide_none_that_are_stale(
    settings: ApiSettings, database: asyncpg.Connection, engine: AsyncEngine
) -> None:
    waiting = await insert_upload(database, status="failed", finished_at=LATELY)
    await insert_rejects(database, waiting, [(number, ["a"]) for number in range(1, 6)])
    await database.execute(
        "INSERT INTO unpublished_letters (upload_id, first_row, last_row, dead_at)"
        " SELECT upload_id, 1, 5, min(dead_at) FROM rejected_rows GROUP BY upload_id, dead_at"
    )
    publisher = Publisher(settings, "test")
    for row in (1, 2):
        identity = f"{uuid.uuid4()}:{row}:1"
        await publisher.publish(DEAD_LETTERS_EXCHANGE, ROW_KEY, b"{}", message_id=identity, correlation_id=identity)

    assert await drop_stale_letters(engine, publisher, settings)
    assert await _depth_is(settings, 0)
    assert not await drop_stale_letters(engine, publisher, settings)
    await publisher.close()


async def _is_turned_to(settings: ApiSettings, database: asyncpg.Connection, depth: int) -> bool:
    """So many letters are left, and nobody turns the queue any more: a turn that is broken off leaves them twice."""
    lock = f"locktype = 'advisory' AND objid = {advisory_locks.DEAD_LETTERS & 0xFFFF_FFFF}"
    return await _depth_is(settings, depth) and not await count_locks(database, lock)


async def _depth_is(settings: ApiSettings, expected: int) -> bool:
    return await read_depth(settings, DEAD_LETTERS_QUEUE) == expected


async def test_one_replica_at_a_time_purges(
    engine: AsyncEngine, store: UploadStore, settings: ApiSettings, database: asyncpg.Connection
) -> None:
    await stored_upload(database, store, "failed", LONG_AGO)
    await database.execute("SELECT pg_advisory_lock($1)", advisory_locks.RETENTION)
    assert await purge(engine, store, settings) is None
    await database.execute("SELECT pg_advisory_unlock($1)", advisory_locks.RETENTION)
    assert await purge(engine, store, settings) == (1, 2, 0, 0)


async def test_a_turn_longer_than_an_idle_transaction_may_be_keeps_its_lock(
    engine: AsyncEngine, settings: ApiSettings, store: UploadStore, database: asyncpg.Connection
) -> None:
    await stored_upload(database, store, "failed", LONG_AGO)
    async with database.transaction():
        await database.execute("LOCK rejected_rows")
        turn = asyncio.create_task(purge(engine, store, settings))
        await eventually(lambda: _somebody_waits(database))
        # However long it takes: who has the lock is in no transaction, whose time could be over.
        holders = await database.fetch(
            "SELECT state FROM pg_stat_activity WHERE pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory'"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
        )
        assert [holder["state"] for holder in holders] == ["idle"]
    assert await turn == (1, 2, 0, 0)


async def test_turns_of_retention_and_of_the_dead_letters_get_on_with_the_smallest_pool(
    settings: ApiSettings, store: UploadStore, database: asyncpg.Connection
) -> None:
    await stored_upload(database, store, "failed", LONG_AGO)
    (smallest,) = (each.ge for each in ApiSettings.model_fields["database_pool_size"].metadata)
    small = create_engine(settings, "test", pool_size=smallest, pool_timeout_seconds=2)
    try:
        async with dead_letters_locked(small) as connection:
            assert connection is not None
            assert await purge(small, store, settings) == (1, 2, 0, 0)
    finally:
        await small.dispose()


async def _somebody_waits(database: asyncpg.Connection) -> bool:
    return await count_locks(database, "NOT granted") > 0


@pytest.mark.fault(42)
async def test_what_an_upload_replaced_goes_with_its_file_but_who_replaced_whom_while_that_is_of_use(
    engine: AsyncEngine, store: UploadStore, settings: ApiSettings, database: asyncpg.Connection
) -> None:
    """Each replaced one employee: of an upload as old, of one that can still be undone, and of no upload."""
    finished = (LONG_AGO, LATELY, LONG_AGO, LATELY)
    old, late, old_by, late_by = [
        await database.fetchval("SELECT sequence FROM uploads WHERE id = $1", uuid.UUID(await _undoable(database, at)))
        for at in finished
    ]
    undoing = await _undoable(database, LONG_AGO, status="undoing")
    undoing_by = await database.fetchval("SELECT sequence FROM uploads WHERE id = $1", uuid.UUID(undoing))
    for at, (by, replaced) in enumerate(
        [(old_by, old), (old_by, late), (old_by, 0), (late_by, old), (late_by, late), (undoing_by, old)]
    ):
        await database.execute("INSERT INTO replaced_employees VALUES ($1, $2, $3, 1, '{}')", by, at, replaced)

    await purge(engine, store, settings)

    left = await database.fetch(
        "SELECT employee_id, employee IS NULL AS is_forgotten FROM replaced_employees ORDER BY employee_id"
    )
    assert [tuple(each) for each in left] == [(1, True), (3, False), (4, False), (5, False)]
    expired = await database.fetch("SELECT sequence FROM uploads WHERE undo_expired_at IS NOT NULL ORDER BY sequence")
    assert [each["sequence"] for each in expired] == [old, old_by]

    await database.execute("UPDATE uploads SET finished_at = $1 WHERE status <> 'undoing'", LONG_AGO)
    await purge(engine, store, settings)
    assert await database.fetchval("SELECT array_agg(employee_id) FROM replaced_employees") == [5]


async def _undoable(database: asyncpg.Connection, finished_at: datetime, *, status: str = "succeeded") -> str:
    return str(await insert_upload(database, status=status, finished_at=finished_at))


async def test_dead_letters_and_undo_have_times_of_their_own_and_what_is_due_is_shown(
    engine: AsyncEngine, store: UploadStore, settings: ApiSettings, database: asyncpg.Connection
) -> None:
    settings = settings.model_copy(update={"dead_letter_retention_days": 3, "undo_retention_days": 5})
    for days in (1, 4, 6, 29, 31):
        await stored_upload(database, store, "partially_succeeded", NOW - timedelta(days=days))
    await stored_upload(database, store, "draft", None)
    await database.execute("INSERT INTO malformed_messages (id, reason, body) VALUES (gen_random_uuid(), 'x', 'y')")

    async with running_api(settings.model_copy(update={"retention_interval_seconds": 3600})) as api:
        # The first turn has passed, whose last step is the files, and which another replica could have done.
        await eventually(lambda: _is_shown(api, "files", (4, 0, 1)))
        shown = (await api.get("/v1/retention")).json()

    kept = {each["what"]: each for each in shown["kept"]}
    assert {what: (each["held"], each["due"], each["dueSoon"]) for what, each in kept.items()} == {
        "files": (4, 0, 1),
        "drafts": (1, 0, 1),
        "undo": (2, 0, 2),
        "rejects": (8, 0, 2),
        "deadLetters": (2, 0, 2),
        "malformedMessages": (1, 0, 1),
        "corrections": (0, 0, 0),
        "audit": (0, 0, 0),
    }
    assert kept["undo"]["setting"] == "ROLLCALL_API_UNDO_RETENTION_DAYS"
    assert kept["files"]["keptSeconds"] == timedelta(days=30).total_seconds()
    assert await database.fetchval("SELECT count(*) FROM rejected_rows WHERE discarded_at IS NULL") == 4
    assert await database.fetchval("SELECT count(*) FROM uploads WHERE undo_expired_at IS NULL") == 3


async def _is_shown(api: httpx2.AsyncClient, what: str, counts: tuple[int, int, int]) -> bool:
    kept = (await api.get("/v1/retention")).raise_for_status().json()["kept"]
    (found,) = (each for each in kept if each["what"] == what)
    return (found["held"], found["due"], found["dueSoon"]) == counts
