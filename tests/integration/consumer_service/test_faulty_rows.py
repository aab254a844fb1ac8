"""P5: an error that one row causes is that row's alone; one that hits most rows is ours, and writes nothing."""

from __future__ import annotations

import json

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError

from consumer_service.row_writer import RowErrorsEverywhere
from tests.integration.consumer_service.conftest import AddUpload, MakeHandler
from tests.support import effects
from tests.support.chunks import chunk, row, rows
from tests.support.effects import Counts

CURSED = "person3@example.com"
RAISES = json.dumps({"consumer.row": {"action": "raise", "text": CURSED}})

# A row can violate these in the database: a constraint (23514), a value out of range (22003), a division (22012).
ROW_FAULTS = {
    "23514": f"ALTER TABLE employees ADD CONSTRAINT cursed CHECK (email <> '{CURSED}')",
    "22003": f"CREATE INDEX cursed ON employees ((CASE email WHEN '{CURSED}' THEN 40000::int ELSE 1 END::smallint))",
    "22012": f"CREATE INDEX cursed ON employees ((1 / CASE email WHEN '{CURSED}' THEN 0 ELSE 1 END))",
}


async def test_row_that_makes_the_handler_raise_is_rejected_alone(
    make_handler: MakeHandler, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    request = chunk(await add_upload(), rows(5))

    handled = await make_handler(RAISES).handle(request, careful=False)

    assert handled.reply.counts.rejected_by == {"internal_error": 1}
    assert [(letter.row_number, letter.code) for letter in effects.letters(handled.letters)] == [(3, "internal_error")]
    assert await effects.ledger_counts(database, request.upload_id) == Counts(5, 4, 0, 0, 1)
    assert CURSED not in await effects.employees(database)


@pytest.mark.parametrize("ddl", ROW_FAULTS.values(), ids=ROW_FAULTS.keys())
async def test_row_that_the_database_refuses_is_rejected_alone(
    ddl: str, make_handler: MakeHandler, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    await database.execute(ddl)
    request = chunk(await add_upload(), rows(5))

    handled = await make_handler().handle(request, careful=False)

    assert handled.reply.counts.rejected_by == {"internal_error": 1}
    assert await effects.codes(database, request.upload_id) == {3: "internal_error"}
    assert await effects.ledger_counts(database, request.upload_id) == Counts(5, 4, 0, 0, 1)
    assert await effects.counted_employees(database) == (4, 4)


@pytest.mark.parametrize("mode", ["skip", "update", "reject"])
async def test_chunk_taken_row_by_row_counts_its_duplicates_as_at_once(
    mode: str, make_handler: MakeHandler, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    twice = [row("person1@example.com", name="Later"), row("PERSON1@example.com", name="Last")]
    request = chunk(await add_upload(on_duplicate=mode), [*rows(5), *twice])

    handled = await make_handler(RAISES).handle(request, careful=False)

    counts = handled.reply.counts
    assert counts.inserted == 4
    refused = 2 if mode == "reject" else 0
    assert (counts.duplicates, counts.rejected) == (2 - refused, 1 + refused)
    name = "Last" if mode == "update" else "Asha Rao"
    assert (await effects.employees(database))["person1@example.com"][0] == name


async def test_only_row_of_its_chunk_can_be_the_faulty_one(
    make_handler: MakeHandler, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    request = chunk(await add_upload(), [row(CURSED)])

    handled = await make_handler(RAISES).handle(request, careful=False)

    assert handled.reply.counts.rejected_by == {"internal_error": 1}
    assert await effects.ledger_counts(database, request.upload_id) == Counts(1, 0, 0, 0, 1)


async def test_error_in_more_than_half_of_the_rows_blames_none_of_them_and_writes_nothing(
    make_handler: MakeHandler, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    await database.execute("ALTER TABLE employees ADD CONSTRAINT ours CHECK (mobile_no <> '9876543210')")
    healthy = [row(f"other{number}@example.com", mobile="1234567890") for number in range(4)]
    request = chunk(await add_upload(), [*rows(5), *healthy])

    with pytest.raises(RowErrorsEverywhere):
        await make_handler().handle(request, careful=False)

    assert await effects.employees(database) == {}
    assert await effects.rejects(database, request.upload_id) == []
    assert (await effects.ledger_counts(database, request.upload_id)).rows == 0
    assert await effects.counted_employees(database) == (0, 0)


async def test_error_in_half_of_the_rows_is_theirs(
    make_handler: MakeHandler, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    await database.execute("ALTER TABLE employees ADD CONSTRAINT theirs CHECK (mobile_no <> '9876543210')")
    healthy = [row(f"other{number}@example.com", mobile="1234567890") for number in range(5)]
    request = chunk(await add_upload(), [*rows(5), *healthy])

    handled = await make_handler().handle(request, careful=False)

    assert (handled.reply.counts.inserted, handled.reply.counts.rejected) == (5, 5)


@pytest.mark.parametrize(
    "ddl",
    [
        "ALTER TABLE employees RENAME TO employees_away",
        "ALTER TABLE employees RENAME COLUMN mobile_no TO mobile",
        "ALTER TABLE rejected_rows RENAME TO rejected_rows_away",
    ],
)
async def test_schema_that_does_not_fit_raises_and_blames_no_row(
    ddl: str, make_handler: MakeHandler, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    request = chunk(await add_upload(), [*rows(2), row("nobody")])
    await database.execute(ddl)

    with pytest.raises(DBAPIError):
        await make_handler().handle(request, careful=False)

    assert (await effects.ledger_counts(database, request.upload_id)).rows == 0
