"""The final state: set once, from the ledger, by whoever holds the newest lease, and always accounted for (P1)."""

from __future__ import annotations

import asyncio
import json
import uuid

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from producer_service.uploads import leases, upload_state
from producer_service.uploads.leases import Lease, LeaseLost
from producer_service.uploads.upload_state import LedgerIncomplete, Progress
from shared.database.ledger import LedgerEntry, insert_entry
from shared.errors import FileCode, FileProblem
from shared.messages import ChunkCounts
from shared.rows.layout import Layout
from tests.integration.producer_service.conftest import AddUpload
from tests.support import effects
from tests.support.waiting import eventually, somebody_waits_for_a_lock

GOOD = ChunkCounts(inserted=1, updated=1, duplicates=2)
MIXED = ChunkCounts(inserted=1, duplicates=1, rejected=2, rejected_by={"invalid_email": 2})
UNCLOSED = FileProblem(FileCode.UNCLOSED_QUOTE, "The quote on line 9 is never closed.", ({"field": "x"},))


@pytest.mark.parametrize(
    ("status", "chunks", "rows_read", "problem", "expected", "unprocessed"),
    [
        ("running", [], 0, None, "succeeded", 0),
        ("running", [GOOD, GOOD], 8, None, "succeeded", 0),
        ("running", [GOOD, MIXED], 8, None, "partially_succeeded", 0),
        ("running", [GOOD, MIXED], 8, UNCLOSED, "failed", 0),
        ("running", [GOOD], 10, UNCLOSED, "failed", 6),
        ("cancelling", [GOOD], 20, None, "cancelled", 16),
        ("cancelling", [], 20, None, "cancelled", 20),
        ("cancelling", [GOOD], 20, UNCLOSED, "failed", 16),
        # Nobody could count them: a producer that gives up, and one whose file was gone when it came.
        ("running", [GOOD, MIXED], None, UNCLOSED, "failed", 0),
        ("running", [GOOD, MIXED], 0, UNCLOSED, "failed", 0),
    ],
)
async def test_every_end_is_accounted_for(
    status: str,
    chunks: list[ChunkCounts],
    rows_read: int | None,
    problem: FileProblem | None,
    expected: str,
    unprocessed: int,
    engine: AsyncEngine,
    add_upload: AddUpload,
    database: asyncpg.Connection,
) -> None:
    lease = await _leased(engine, await add_upload(status=status))
    await _write_ledger(engine, lease.upload_id, chunks)
    before = await effects.upload(database, lease.upload_id)

    final = await _finish(engine, lease, rows_read=rows_read, problem=problem)

    upload = await effects.upload(database, lease.upload_id)
    assert (final, upload["status"], upload["unprocessed"]) == (expected, expected, unprocessed)
    done = upload["inserted"] + upload["updated"] + upload["duplicates"] + upload["rejected"]
    assert upload["rows_read"] == done + upload["unprocessed"]
    assert done == upload["rows_done"] == 4 * len(chunks)
    assert upload["finished_at"] is not None
    assert upload["revision"] > before["revision"]
    assert json.loads(upload["rejected_by"]) == ({"invalid_email": 2} if MIXED in chunks else {})
    assert await database.fetchval("SELECT count(*) FROM upload_leases") == 0


@pytest.mark.parametrize(
    ("status", "max_rejects", "problem", "expected"),
    [
        ("running", 4, None, None),
        ("running", 3, None, "too_many_rejects"),
        # The same end, whichever of the two a reading met first, and whoever gave up on it.
        ("running", 3, UNCLOSED, "too_many_rejects"),
        ("running", 4, UNCLOSED, "unclosed_quote"),
        ("running", None, None, None),
        ("cancelling", 3, None, None),
        ("cancelling", 3, upload_state.too_many_rejects(3), None),
        ("cancelling", 3, UNCLOSED, "unclosed_quote"),
    ],
)
async def test_ledger_decides_whether_there_are_too_many_rejects(
    status: str,
    max_rejects: int | None,
    problem: FileProblem | None,
    expected: str | None,
    engine: AsyncEngine,
    add_upload: AddUpload,
    database: asyncpg.Connection,
) -> None:
    lease = await _leased(engine, await add_upload(status=status, max_rejects=max_rejects))
    await _write_ledger(engine, lease.upload_id, [MIXED, MIXED])

    await _finish(engine, lease, rows_read=8, problem=problem)

    told = (await effects.upload(database, lease.upload_id))["problem"]
    assert (None if told is None else json.loads(told)["code"]) == expected


async def test_problem_is_told_with_its_code_text_and_culprits(
    engine: AsyncEngine, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    lease = await _leased(engine, await add_upload(status="running"))

    await _finish(engine, lease, rows_read=0, problem=UNCLOSED)

    problem = json.loads((await effects.upload(database, lease.upload_id))["problem"])
    assert problem == {"code": "unclosed_quote", "detail": UNCLOSED.detail, "errors": [{"field": "x"}]}


async def test_blank_rows_are_written_with_progress_and_at_the_end_and_never_forgotten(
    engine: AsyncEngine, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    lease = await _leased(engine, await add_upload(status="running"))
    async with engine.begin() as connection:
        await upload_state.write_progress(connection, lease, Progress(0, 0, ChunkCounts(), blank_rows=3))
    assert (await effects.upload(database, lease.upload_id))["blank_rows"] == 3

    # Nobody could count this time.
    await _finish(engine, lease, rows_read=None, problem=UNCLOSED)

    assert (await effects.upload(database, lease.upload_id))["blank_rows"] == 3


async def test_ledger_that_lacks_rows_is_no_end(
    engine: AsyncEngine, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    lease = await _leased(engine, await add_upload(status="running"))
    await _write_ledger(engine, lease.upload_id, [GOOD])

    with pytest.raises(LedgerIncomplete):
        await _finish(engine, lease, rows_read=8)

    assert await effects.status(database, lease.upload_id) == "running"


async def test_holder_of_an_old_lease_finishes_and_writes_nothing(
    engine: AsyncEngine, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    old = await _leased(engine, await add_upload(status="running"))
    await database.execute("UPDATE upload_leases SET fence = fence + 1, owner = 'another'")

    with pytest.raises(LeaseLost):
        await _finish(engine, old, rows_read=0)
    with pytest.raises(LeaseLost):
        await _start(engine, old)
    async with engine.begin() as connection:
        await upload_state.write_progress(connection, old, Progress(9, 9, ChunkCounts(inserted=9)))

    upload = await effects.upload(database, old.upload_id)
    assert (upload["status"], upload["rows_read"], upload["inserted"]) == ("running", 0, 0)


async def test_upload_that_is_finished_is_neither_finished_nor_started_again(
    engine: AsyncEngine, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    lease = await _leased(engine, await add_upload(status="running"))
    await _finish(engine, lease, rows_read=0)
    # However it came about.
    await database.execute(
        "INSERT INTO upload_leases (upload_id, owner, fence, expires_at) VALUES ($1, 'one', 1, now())", lease.upload_id
    )

    with pytest.raises(LeaseLost):
        await _finish(engine, lease, rows_read=5, problem=UNCLOSED)
    with pytest.raises(LeaseLost):
        await _start(engine, lease)

    assert await effects.status(database, lease.upload_id) == "succeeded"


@pytest.mark.parametrize(("status", "expected"), [("queued", "running"), ("running", "running"), ("cancelling",) * 2])
async def test_start_runs_what_is_queued_and_leaves_a_cancel_alone(
    status: str, expected: str, engine: AsyncEngine, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    lease = await _leased(engine, await add_upload(status=status))

    assert await _start(engine, lease) == expected
    first = await effects.upload(database, lease.upload_id)
    assert (first["status"], first["started_at"] is None) == (expected, False)
    await _start(engine, lease)

    assert (await effects.upload(database, lease.upload_id))["started_at"] == first["started_at"]


async def test_progress_is_written_with_a_new_revision(
    engine: AsyncEngine, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    lease = await _leased(engine, await add_upload(status="running"))
    before = await effects.upload(database, lease.upload_id)

    async with engine.begin() as connection:
        await upload_state.write_progress(connection, lease, Progress(8, 70, MIXED))

    upload = await effects.upload(database, lease.upload_id)
    assert (upload["rows_read"], upload["rows_done"], upload["bytes_done"], upload["rejected"]) == (8, 4, 70, 2)
    assert upload["revision"] == before["revision"] + 1


async def test_end_waits_for_the_chunk_in_flight_and_counts_it(
    engine: AsyncEngine, add_upload: AddUpload, database: asyncpg.Connection, database_url: str
) -> None:
    lease = await _leased(engine, await add_upload(status="cancelling"))
    consumer = await asyncpg.connect(database_url)
    chunk = consumer.transaction()
    await chunk.start()
    await consumer.execute("SELECT 1 FROM uploads WHERE id = $1 FOR KEY SHARE", lease.upload_id)
    await consumer.execute(
        "INSERT INTO upload_chunks (upload_id, first_row, row_count, byte_count, inserted, updated, duplicates,"
        " rejected) VALUES ($1, 1, 3, 10, 3, 0, 0, 0)",
        lease.upload_id,
    )

    finishing = asyncio.create_task(_finish(engine, lease, rows_read=5))
    await eventually(lambda: somebody_waits_for_a_lock(database))
    await chunk.commit()
    await consumer.close()

    assert await finishing == "cancelled"
    upload = await effects.upload(database, lease.upload_id)
    assert (upload["inserted"], upload["unprocessed"]) == (3, 2)


_NAMED = {"employee_name": [0, 1], "company_name": [2], "mobile_no": [3], "email": [4]}


@pytest.mark.parametrize("field_columns", [_NAMED, list(_NAMED.values())], ids=["named", "as stored before 0.2.0"])
async def test_upload_is_loaded_as_the_api_judged_it(
    engine: AsyncEngine, add_upload: AddUpload, field_columns: object
) -> None:
    upload_id = await add_upload(
        delimiter=";",
        encoding="cp1252",
        encoding_guessed=True,
        has_header=False,
        columns=["First", "Last", "Firm", "Phone", "Mail"],
        field_columns=json.dumps(field_columns),
        chunk_rows=7,
        reader_version=1,
        backslash_escapes=True,
    )

    async with engine.connect() as connection:
        upload = await upload_state.load(connection, upload_id)

    csv_format = upload.csv_format
    assert (upload.id, upload.chunk_rows, upload.status) == (upload_id, 7, "queued")
    assert (csv_format.delimiter, csv_format.encoding, csv_format.has_header) == (";", "cp1252", False)
    assert (csv_format.reader_version, csv_format.backslash_escapes) == (1, True)
    assert csv_format.layout == Layout(5, {name: tuple(indices) for name, indices in _NAMED.items()})


async def _leased(engine: AsyncEngine, upload_id: uuid.UUID) -> Lease:
    async with engine.begin() as connection:
        lease = await leases.acquire(connection, upload_id, owner="one", seconds=60)
    assert lease is not None
    return lease


async def _start(engine: AsyncEngine, lease: Lease) -> str:
    async with engine.begin() as connection:
        return await upload_state.start(connection, lease)


async def _finish(
    engine: AsyncEngine, lease: Lease, *, rows_read: int | None, problem: FileProblem | None = None
) -> str:
    async with engine.begin() as connection:
        return await upload_state.finish(connection, lease, rows_read=rows_read, byte_count=80, problem=problem)


async def _write_ledger(engine: AsyncEngine, upload_id: uuid.UUID, chunks: list[ChunkCounts]) -> None:
    async with engine.begin() as connection:
        for number, counts in enumerate(chunks):
            await insert_entry(connection, upload_id, LedgerEntry(1 + 4 * number, 4, 40, counts), slot=0)
