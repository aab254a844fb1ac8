"""A preview comes to one end, under the newest lease, when its ledger is whole; a file that is gone ends its upload."""

from __future__ import annotations

import json
import uuid
from typing import Any

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from producer_service.previews import ended_previews, preview_state
from producer_service.uploads import leases
from producer_service.uploads.leases import Lease, LeaseLost
from producer_service.uploads.upload_state import LedgerIncomplete, Progress
from shared.errors import FileCode, FileProblem
from shared.messages import ChunkCounts
from tests.integration.producer_service.conftest import AddUpload
from tests.support import effects
from tests.support.employees import Person, insert_employees

UNCLOSED = FileProblem(FileCode.UNCLOSED_QUOTE, "A quote opens on line 17 and is never closed.")


@pytest.fixture
async def lease(engine: AsyncEngine, database: asyncpg.Connection, add_upload: AddUpload) -> Lease:
    """On a preview of two chunks of two rows, of which one is bad."""
    preview_id = await database.fetchval("INSERT INTO upload_previews DEFAULT VALUES RETURNING id")
    upload_id = await add_upload(status="previewing", preview_id=preview_id)
    await database.execute(
        "INSERT INTO upload_leases (upload_id, owner, fence, expires_at, runs_out_at)"
        " VALUES ($1, '', 1, 'infinity', now() - interval '1 second')",
        upload_id,
    )
    await add_chunk(database, preview_id, 1, rejected=0)
    await add_chunk(database, preview_id, 3, rejected=1)
    return await acquired(engine, upload_id)


async def add_chunk(database: asyncpg.Connection, preview_id: int, first_row: int, *, rejected: int) -> None:
    by = json.dumps({"invalid_email": rejected} if rejected else {})
    chunk = "INSERT INTO preview_chunks VALUES ($1, $2, 2, 10, $3, 0, 0, $4, $5)"
    await database.execute(chunk, preview_id, first_row, 2 - rejected, rejected, by)
    note = "INSERT INTO preview_notes VALUES ($1, $2, $3, $4)"
    for row_number in range(first_row, first_row + 2 - rejected):
        await database.execute(note, preview_id, first_row, row_number, f"p{row_number}@example.com")


async def acquired(engine: AsyncEngine, upload_id: uuid.UUID) -> Lease:
    async with engine.begin() as connection:
        lease = await leases.acquire(connection, upload_id, owner="one", seconds=60)
    assert lease is not None
    return lease


async def finish(
    engine: AsyncEngine, lease: Lease, *, rows_read: int | None = 4, problem: FileProblem | None = None
) -> str:
    async with engine.begin() as connection:
        return await preview_state.finish(
            connection, lease, rows_read=rows_read, blank_rows=1, byte_count=20, problem=problem
        )


async def test_preview_is_settled_and_its_lease_is_free_for_whoever_comes_next(
    engine: AsyncEngine, database: asyncpg.Connection, lease: Lease
) -> None:
    assert await finish(engine, lease) == "previewed"
    upload = await effects.upload(database, lease.upload_id)
    preview = json.loads(upload["preview"])
    assert (preview["inserted"], preview["rejected"], preview["unprocessed"]) == (3, 1, 0)
    assert (preview["outcome"], upload["finished_at"], upload["rows_read"]) == ("partially_succeeded", None, 0)
    with pytest.raises(LeaseLost):
        await finish(engine, lease)


@pytest.mark.parametrize("code", ["file_missing", "file_changed", "no_progress", "ledger_mismatch"])
async def test_file_of_which_nothing_can_be_seen_ends_the_upload(
    engine: AsyncEngine, database: asyncpg.Connection, lease: Lease, code: str
) -> None:
    problem = FileProblem(FileCode(code), "It cannot be read.")
    assert await finish(engine, lease, rows_read=None, problem=problem) == "failed"
    upload = await effects.upload(database, lease.upload_id)
    assert (upload["status"], json.loads(upload["problem"])["code"]) == ("failed", code)
    assert upload["preview_id"] is None
    assert await database.fetchval("SELECT count(*) FROM upload_leases") == 0


async def test_file_that_breaks_off_is_previewed_as_the_failure_that_it_would_be(
    engine: AsyncEngine, database: asyncpg.Connection, lease: Lease
) -> None:
    assert await finish(engine, lease, rows_read=6, problem=UNCLOSED) == "previewed"
    preview = json.loads((await effects.upload(database, lease.upload_id))["preview"])
    assert (preview["outcome"], preview["problem"]["code"], preview["unprocessed"]) == ("failed", "unclosed_quote", 2)


@pytest.mark.fault(49)
async def test_preview_in_which_an_earlier_release_had_a_part_says_nothing_of_who_leaves_instead_of_everybody(
    engine: AsyncEngine, database: asyncpg.Connection, lease: Lease
) -> None:
    await database.execute("UPDATE uploads SET absent_scope = 'all', absent_at_most = '100%'")
    await insert_employees(database, [Person("Ada", "ada@example.com"), Person("Bo", "P1@example.com")])
    preview_id = await database.fetchval("SELECT id FROM upload_previews")
    names = "INSERT INTO preview_names VALUES ($1, $2, $3, 0)"
    # The other chunk was noted by a consumer that knows no names.
    await database.execute(names, preview_id, 1, ["p1@example.com", "p2@example.com"])
    assert await finish(engine, lease) == "previewed"
    preview = json.loads((await effects.upload(database, lease.upload_id))["preview"])
    assert (preview["inserted"], preview["updated"] + preview["duplicates"]) == (2, 1)
    assert (preview["deactivated"], preview["absence"], preview["problem"]) == (None, None, None)

    # Previewed again by this release alone.
    await database.execute("UPDATE uploads SET status = 'previewing'")
    await database.execute("UPDATE upload_leases SET runs_out_at = now() - interval '1 second'")
    await database.execute(names, preview_id, 3, ["p3@example.com"])
    await finish(engine, await acquired(engine, lease.upload_id))
    preview = json.loads((await effects.upload(database, lease.upload_id))["preview"])
    assert preview["absence"] == {"inScope": 2, "absent": 1, "atMost": 2, "unreadableRows": 0}
    assert preview["deactivated"] == 1


async def test_preview_that_lacks_chunks_is_not_finished(engine: AsyncEngine, lease: Lease) -> None:
    with pytest.raises(LedgerIncomplete):
        await finish(engine, lease, rows_read=6)


async def test_chunk_that_comes_during_the_join_is_not_left_out(
    engine: AsyncEngine, database: asyncpg.Connection, lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = preview_state._lock

    async def after_a_chunk_came(*given: Any) -> None:
        preview_id = await database.fetchval("SELECT preview_id FROM uploads")
        await add_chunk(database, preview_id, 5, rejected=0)
        await lock(*given)

    with monkeypatch.context() as patched:
        patched.setattr(preview_state, "_lock", after_a_chunk_came)
        with pytest.raises(LedgerIncomplete):
            await finish(engine, lease, problem=UNCLOSED)
    assert await finish(engine, lease, rows_read=6) == "previewed"


@pytest.mark.fault(45)
async def test_holder_of_an_old_lease_writes_nothing(
    engine: AsyncEngine, database: asyncpg.Connection, lease: Lease
) -> None:
    await database.execute("UPDATE upload_leases SET runs_out_at = now() - interval '1 second'")
    newer = await acquired(engine, lease.upload_id)
    before = await effects.upload(database, lease.upload_id)
    async with engine.begin() as connection:
        await preview_state.write_progress(connection, lease, Progress(4, 20, ChunkCounts(inserted=4)))
    with pytest.raises(LeaseLost):
        await finish(engine, lease)
    assert await effects.upload(database, lease.upload_id) == before
    assert await finish(engine, newer) == "previewed"


async def test_what_is_of_no_uploads_preview_is_forgotten_in_batches(
    engine: AsyncEngine, database: asyncpg.Connection, lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ended_previews, "NOTES_A_BATCH", 2)
    await ended_previews.forget_ended_previews(engine)
    assert await effects.count(database, "preview_notes") == 3
    await database.execute("UPDATE uploads SET preview_id = NULL")
    for left in (1, 0):
        assert await effects.count(database, "upload_previews") == 1
        await ended_previews.forget_ended_previews(engine)
        assert await effects.count(database, "preview_notes") == left
    assert await effects.count(database, "upload_previews") == 0
    assert await effects.count(database, "preview_chunks") == 0
