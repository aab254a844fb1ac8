"""P3: a chunk has its effect once, and every delivery of it gets the same answer from the ledger."""

from __future__ import annotations

import asyncio
import uuid

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.integration.consumer_service.conftest import AddUpload, MakeHandler
from tests.support import effects
from tests.support.chunks import BAD_EMAIL, CHUNK_BYTES, chunk, row, rows
from tests.support.effects import Counts
from tests.support.patience import patience
from tests.support.waiting import eventually, somebody_waits_for_a_lock


async def test_chunk_delivered_twice_has_one_effect_and_the_same_reply(
    make_handler: MakeHandler, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    request = chunk(await add_upload(), [*rows(3), BAD_EMAIL, row("person1@example.com")])

    first = await make_handler().handle(request, careful=False)
    second = await make_handler().handle(request, careful=False)

    assert second.reply == first.reply
    assert (first.reply.outcome, first.reply.row_count, first.reply.byte_count) == ("done", 5, CHUNK_BYTES)
    assert first.reply.counts.rejected_by == {"invalid_email": 1}
    assert await effects.ledger_counts(database, request.upload_id) == Counts(5, 3, 0, 1, 1)
    assert await effects.counted_employees(database) == (3, 3)


@pytest.mark.parametrize("careful", [False, True], ids=["at once", "carefully"])
@pytest.mark.parametrize("cells", [rows(4), [*rows(3), BAD_EMAIL], [BAD_EMAIL]], ids=["good", "mixed", "bad"])
async def test_chunk_delivered_to_four_consumers_at_once_has_one_effect_and_the_same_reply(
    cells: list[list[str]],
    careful: bool,
    make_handler: MakeHandler,
    add_upload: AddUpload,
    database: asyncpg.Connection,
) -> None:
    request = chunk(await add_upload(), cells)
    # In careful mode the other three may be at one row when the fourth looks, and none of them has died there.
    handlers = [make_handler(poison_after_consumers=5) for _ in range(4)]

    handled = await asyncio.gather(*(handler.handle(request, careful=careful) for handler in handlers))

    assert len({repr(each.reply) for each in handled}) == 1
    assert handled[0].reply.outcome == "done"
    bad = cells.count(BAD_EMAIL)
    assert await effects.ledger_counts(database, request.upload_id) == Counts(len(cells), len(cells) - bad, 0, 0, bad)
    assert len(await effects.rejects(database, request.upload_id)) == bad


@pytest.mark.parametrize("status", ["queued", "cancelling", "succeeded", "partially_succeeded", "failed", "cancelled"])
async def test_chunk_of_an_upload_that_does_not_run_is_closed_and_changes_nothing(
    status: str, make_handler: MakeHandler, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    request = chunk(await add_upload(status=status), [*rows(2), BAD_EMAIL])

    handled = await make_handler().handle(request, careful=False)

    assert handled.reply.outcome == "closed"
    assert handled.letters == []
    assert await effects.employees(database) == {}
    assert await effects.ledger_counts(database, request.upload_id) == Counts(0, 0, 0, 0, 0)


async def test_chunk_of_an_unknown_upload_is_closed(make_handler: MakeHandler) -> None:
    handled = await make_handler().handle(chunk(uuid.uuid4(), rows(1)), careful=False)

    assert handled.reply.outcome == "closed"


@pytest.mark.parametrize("status", ["cancelling", "succeeded", "cancelled", "failed"])
async def test_what_the_ledger_has_is_answered_from_it_when_the_upload_takes_no_more(
    status: str, make_handler: MakeHandler, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    request = chunk(await add_upload(), [*rows(2), BAD_EMAIL])
    first = await make_handler().handle(request, careful=False)
    await database.execute("UPDATE uploads SET status = $1", status)

    again = await make_handler().handle(request, careful=False)

    assert again.reply == first.reply
    assert await effects.ledger_counts(database, request.upload_id) == Counts(3, 2, 0, 0, 1)


async def test_late_chunk_waits_for_the_final_state_change_and_then_stays_out(
    make_handler: MakeHandler, add_upload: AddUpload, database: asyncpg.Connection, database_url: str
) -> None:
    request = chunk(await add_upload(), rows(2))
    finisher = await asyncpg.connect(database_url)
    transaction = finisher.transaction()
    await transaction.start()
    await finisher.execute("SELECT 1 FROM uploads FOR UPDATE")
    await finisher.execute("UPDATE uploads SET status = 'succeeded'")

    late = asyncio.create_task(make_handler().handle(request, careful=False))
    await eventually(lambda: somebody_waits_for_a_lock(database))
    await transaction.commit()
    await finisher.close()

    assert (await late).reply.outcome == "closed"
    assert await effects.employees(database) == {}


async def test_progress_updates_and_chunks_do_not_wait_for_each_other(
    engine: AsyncEngine, make_handler: MakeHandler, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    request = chunk(await add_upload(), rows(2))
    async with database.transaction():
        await database.execute("UPDATE uploads SET rows_read = 2, revision = revision + 1")

        handled = await asyncio.wait_for(make_handler().handle(request, careful=False), 5 * patience())

    assert handled.reply.outcome == "done"


async def test_employee_totals_equal_the_table_after_chunks_of_every_outcome(
    make_handler: MakeHandler, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    for mode in ("skip", "update", "reject"):
        upload_id = await add_upload(on_duplicate=mode)
        for first_row in (1, 6):
            request = chunk(upload_id, [*rows(4, start=first_row), BAD_EMAIL], first_row=first_row)
            await asyncio.gather(*(make_handler().handle(request, careful=False) for _ in range(2)))

    assert await effects.counted_employees(database) == (8, 8)
