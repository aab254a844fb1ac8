"""Which ranges of an undo are left, whatever was done before, and when it is at its end."""

from __future__ import annotations

import uuid

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from producer_service.sent_ranges import SentRange
from producer_service.settings import ProducerSettings
from producer_service.undos import undo_dispatcher, undo_runner, undo_state
from producer_service.undos.undo_state import UndoIncomplete
from producer_service.uploads.leases import LeaseLost
from shared.amqp.topology import BULK_REQUESTS_QUEUE, DEAD_CHUNKS_QUEUE
from shared.messages import UndoRequest, encode
from tests.integration.producer_service.conftest import AddUpload
from tests.support import effects
from tests.support.broker import Broker
from tests.support.pipeline import running_producer
from tests.support.waiting import eventually


@pytest.fixture
async def undoing(add_upload: AddUpload, database: asyncpg.Connection) -> uuid.UUID:
    """Of five chunks with ten rows each, of which the third had no effect, since the upload was cancelled."""
    upload_id = await add_upload(status="undoing", inserted=25, updated=15)
    await database.execute("UPDATE uploads SET finished_at = now(), undo_requested_at = now()")
    await database.executemany(
        "INSERT INTO upload_chunks VALUES ($1, $2, 10, 100, 10, 0, 0, 0)",
        [(upload_id, first_row) for first_row in (1, 11, 31, 41)],
    )
    return upload_id


MANY_EMPLOYEES = """
    INSERT INTO employees (employee_name, company_name, mobile_no, email, upload_sequence, row_number, by_update)
    SELECT 'Asha', 'Initech', '+919876543210', 'p' || at || '@example.com', 1, at, false
    FROM generate_series(1, 5000) AS at
"""


async def done(database: asyncpg.Connection, upload_id: uuid.UUID, first_row: int, last_row: int) -> None:
    await database.execute("INSERT INTO upload_undos VALUES ($1, $2, $3, 7, 2, 1)", upload_id, first_row, last_row)


@pytest.mark.fault(49)
async def test_ranges_are_of_whole_chunks_and_pass_over_what_was_taken_back_by_any_borders(
    engine: AsyncEngine, database: asyncpg.Connection, undoing: uuid.UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def left(range_rows: int) -> list[SentRange]:
        return [each async for each in undo_state.ranges_left(engine, undoing, range_rows=range_rows)]

    monkeypatch.setattr(undo_state, "PAGE_CHUNKS", 2)
    assert await left(1) == [(1, 10), (11, 20), (31, 40), (41, 50)]
    assert await left(15) == [(1, 20), (31, 50)]
    assert await left(25) == [(1, 40), (41, 50)]
    assert await left(1_000) == [(1, 50)]
    await done(database, undoing, 11, 40)
    assert await left(1_000) == [(1, 50)]
    await done(database, undoing, 1, 10)
    assert await left(15) == [(41, 50)]
    await done(database, undoing, 31, 50)
    assert await left(15) == []


async def test_upload_is_undone_once_each_of_its_chunks_is_in_a_range_that_was_taken_back(
    engine: AsyncEngine, database: asyncpg.Connection, undoing: uuid.UUID
) -> None:
    async with engine.begin() as connection:
        assert await undo_state.due_undos(connection, limit=9) == [undoing]
        lease = await undo_state.acquire(connection, undoing, owner="one", seconds=60)
        assert lease is not None
        assert await undo_state.due_undos(connection, limit=9) == []
        assert await undo_state.acquire(connection, undoing, owner="two", seconds=60) is None
    for first_row, last_row in ((1, 20), (11, 40), (11 + 1, 13)):
        await done(database, undoing, first_row, last_row)
        with pytest.raises(UndoIncomplete):
            async with engine.begin() as connection:
                await undo_state.finish(connection, lease)
    await done(database, undoing, 41, 50)

    with pytest.raises(LeaseLost):
        async with engine.begin() as connection:
            await undo_state.finish(connection, lease._replace(fence=lease.fence + 1))
    async with engine.begin() as connection:
        await undo_state.finish(connection, lease)

    upload = await effects.upload(database, undoing)
    assert (upload["status"], upload["deleted"], upload["restored"], upload["kept"]) == ("undone", 28, 8, 4)
    assert await database.fetchval("SELECT count(*) FROM upload_leases") == 0
    with pytest.raises(LeaseLost):
        async with engine.begin() as connection:
            await undo_state.finish(connection, lease)


async def test_employees_that_are_put_back_are_in_the_index_by_upload_while_the_undo_goes_on(
    engine: AsyncEngine,
    settings: ProducerSettings,
    broker: Broker,
    database: asyncpg.Connection,
    undoing: uuid.UUID,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(undo_runner, "SUMMARIZED_ROWS", 10)
    monkeypatch.setattr(undo_dispatcher, "WINDOW_RANGES", 1)
    async with running_producer(engine, settings.model_copy(update={"undo_range_rows": 1})):
        await broker.take(BULK_REQUESTS_QUEUE, 1)
        # It has looked at the index when it began. These fill several of its ranges, as what is put back does.
        await database.execute(MANY_EMPLOYEES)
        for first_row in (1, 11, 31, 41):
            await done(database, undoing, first_row, first_row + 9)

        async def is_undone() -> bool:
            return await effects.status(database, undoing) == "undone"

        await eventually(is_undone)
    assert await database.fetchval("SELECT brin_summarize_new_values('employees_upload_idx')") == 0


async def test_range_at_its_delivery_limit_comes_back_while_it_is_left_and_those_unanswered_are_sent_again(
    engine: AsyncEngine, settings: ProducerSettings, broker: Broker, database: asyncpg.Connection, undoing: uuid.UUID
) -> None:
    """Nobody takes ranges back here but the test."""
    await done(database, undoing, 1, 10)
    await broker.publish(DEAD_CHUNKS_QUEUE, encode(UndoRequest(upload_id=undoing, first_row=1, last_row=10)))
    await broker.publish(DEAD_CHUNKS_QUEUE, encode(UndoRequest(upload_id=undoing, first_row=12, last_row=13)))
    changed = settings.model_copy(update={"republish_seconds": 0.3, "undo_range_rows": 1})
    wanted = encode(UndoRequest(upload_id=undoing, first_row=12, last_row=13))
    ranges = ((11, 20), (31, 40), (41, 50))
    requests = [encode(UndoRequest(upload_id=undoing, first_row=first, last_row=last)) for first, last in ranges]
    taken: list[bytes] = []

    async def all_came_and_the_unanswered_twice() -> bool:
        taken.extend(message.body for message in await broker.take_all(BULK_REQUESTS_QUEUE))
        return wanted in taken and all(taken.count(request) >= 2 for request in requests)

    async with running_producer(engine, changed):
        await eventually(all_came_and_the_unanswered_twice)
        for first_row, last_row in ranges:
            await done(database, undoing, first_row, last_row)

        async def is_undone() -> bool:
            return await effects.status(database, undoing) == "undone"

        await eventually(is_undone)

    # Of those that came as dead one was wanted, and comes once; nobody takes back a range that was taken back.
    assert taken.count(wanted) == 1
    assert set(taken) == {wanted, *requests}
    assert await broker.take_all(DEAD_CHUNKS_QUEUE) == []
