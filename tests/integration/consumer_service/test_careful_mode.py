"""Careful mode: a row at which three consumers died is rejected as `poison_row`, and the rest of its chunk is in."""

from __future__ import annotations

import uuid

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from consumer_service.row_markers import forget_own_markers, open_markers
from shared.messages import ChunkRequest
from tests.integration.consumer_service.conftest import AddUpload, MakeHandler
from tests.support import effects
from tests.support.chunks import BAD_EMAIL, chunk, rows
from tests.support.effects import Counts


async def test_chunk_in_careful_mode_ends_as_any_other_and_leaves_no_marker(
    make_handler: MakeHandler, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    request = chunk(await add_upload(), [*rows(4), BAD_EMAIL])

    handled = await make_handler().handle(request, careful=True)

    assert handled.reply.counts.inserted == 4
    assert await effects.ledger_counts(database, request.upload_id) == Counts(5, 4, 0, 0, 1)
    assert await _markers(database) == {}


async def test_marker_is_there_for_others_to_see_while_its_row_is_worked_on(
    make_handler: MakeHandler, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    # A consumer that loses its database in the third row leaves what one leaves that dies there.
    request, consumer = chunk(await add_upload(), rows(5)), uuid.uuid4()
    await _lose_connection_at(database, "person3@example.com")

    with pytest.raises(Exception, match="connection"):
        await make_handler(consumer=consumer).handle(request, careful=True)

    assert await _markers(database) == {3: [consumer]}
    assert await effects.employees(database) == {}


@pytest.mark.parametrize(("dead", "code"), [(2, None), (3, "poison_row")])
async def test_row_is_poison_once_three_consumers_died_at_it(
    dead: int, code: str | None, make_handler: MakeHandler, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    request = chunk(await add_upload(), rows(5))
    await _die_at(database, request, row_number=3, consumers=[uuid.uuid4() for _ in range(dead)])

    handled = await make_handler().handle(request, careful=True)

    poisoned = {} if code is None else {3: code}
    assert await effects.codes(database, request.upload_id) == poisoned
    assert handled.reply.counts.inserted == 5 - len(poisoned)
    assert [letter.row_number for letter in effects.letters(handled.letters)] == list(poisoned)
    assert await _markers(database) == {}


async def test_own_markers_are_no_deaths(
    engine: AsyncEngine, make_handler: MakeHandler, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    request, consumer = chunk(await add_upload(), rows(3)), uuid.uuid4()
    await _die_at(database, request, row_number=2, consumers=[uuid.uuid4(), consumer, uuid.uuid4()])

    await make_handler(consumer=consumer).handle(request, careful=True)

    assert await effects.codes(database, request.upload_id) == {}


async def test_one_consumer_that_fails_at_a_row_again_and_again_counts_once(
    engine: AsyncEngine, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    upload_id, consumer = await add_upload(), uuid.uuid4()
    for _ in range(4):
        async with open_markers(engine, upload_id, consumer, row_seconds=60) as markers:
            await markers.mark(7)

    assert await _markers(database) == {7: [consumer]}


async def test_consumer_forgets_its_own_markers_and_leaves_those_of_others(
    engine: AsyncEngine, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    request = chunk(await add_upload(), rows(3))
    consumer, other = uuid.uuid4(), uuid.uuid4()
    await _die_at(database, request, row_number=1, consumers=[consumer])
    await _die_at(database, request, row_number=2, consumers=[other, consumer])
    await _die_at(database, request, row_number=3, consumers=[other])

    await forget_own_markers(engine, consumer)

    assert await _markers(database) == {2: [other], 3: [other]}


async def test_markers_of_one_chunk_say_nothing_about_another_upload(
    make_handler: MakeHandler, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    poisoned = chunk(await add_upload(), rows(3))
    await _die_at(database, poisoned, row_number=2, consumers=[uuid.uuid4() for _ in range(3)])
    healthy = chunk(await add_upload(), rows(3, start=10))

    await make_handler().handle(healthy, careful=True)

    assert await effects.codes(database, healthy.upload_id) == {}


async def _die_at(
    database: asyncpg.Connection, request: ChunkRequest, *, row_number: int, consumers: list[uuid.UUID]
) -> None:
    """The markers that consumers leave which die at this row."""
    await database.execute(
        "INSERT INTO row_markers (upload_id, row_number, consumers) VALUES ($1, $2, $3)",
        request.upload_id,
        row_number,
        consumers,
    )


async def _lose_connection_at(database: asyncpg.Connection, email: str) -> None:
    await database.execute(f"""
        CREATE FUNCTION lose_connection() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;
        CREATE TRIGGER lose_connection BEFORE INSERT ON employees
        FOR EACH ROW WHEN (NEW.email = '{email}') EXECUTE FUNCTION lose_connection()
    """)


async def _markers(database: asyncpg.Connection) -> dict[int, list[uuid.UUID]]:
    found = await database.fetch("SELECT row_number, consumers FROM row_markers ORDER BY row_number")
    return {each["row_number"]: each["consumers"] for each in found}
