"""What an upload replaces is kept whole, once an employee, and nothing is kept of what it only inserts."""

from __future__ import annotations

import json
import uuid
from typing import NamedTuple

import asyncpg
import pytest

from tests.integration.consumer_service.conftest import AddUpload, MakeHandler
from tests.support.chunks import chunk, row


class Replaced(NamedTuple):
    by: uuid.UUID
    email: str
    name: str


async def _replaced(database: asyncpg.Connection) -> list[Replaced]:
    found = await database.fetch(
        "SELECT u.id, r.employee FROM replaced_employees AS r JOIN uploads AS u ON u.sequence = r.upload_sequence"
        " ORDER BY r.upload_sequence, r.employee ->> 'email'"
    )
    employees = [json.loads(each["employee"]) for each in found]
    return [
        Replaced(each["id"], old["email"], old["employee_name"]) for each, old in zip(found, employees, strict=True)
    ]


async def test_update_keeps_what_stood_before_the_upload_whatever_it_displaces_of_its_own(
    make_handler: MakeHandler, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    handler = make_handler()
    first = await add_upload()
    await handler.handle(chunk(first, [row("asha@example.com", name="Asha"), row("bo@example.com")]), careful=False)
    before = await database.fetchrow("SELECT * FROM employees WHERE email = 'asha@example.com'")
    assert before is not None
    second = await add_upload(on_duplicate="update")
    for first_row, name in ((1, "Asha B"), (2, "Asha C")):
        cells = [row("ASHA@example.com", name=name)]
        await handler.handle(chunk(second, cells, first_row=first_row), careful=False)
    third = await add_upload(on_duplicate="update")
    await handler.handle(chunk(third, [row("asha@example.com", name="Asha D"), row("new@example.com")]), careful=True)

    assert await _replaced(database) == [
        Replaced(second, "asha@example.com", "Asha"),
        Replaced(third, "ASHA@example.com", "Asha C"),
    ]
    whole = await database.fetchrow(
        "SELECT (jsonb_populate_record(NULL::employees, employee)).* FROM replaced_employees"
        " WHERE replaced_sequence = $1",
        before["upload_sequence"],
    )
    assert whole == before


@pytest.mark.parametrize("mode", ["skip", "reject", "update"])
async def test_what_is_only_inserted_or_gives_way_keeps_nothing(
    mode: str, make_handler: MakeHandler, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    upload_id = await add_upload(on_duplicate=mode)
    await make_handler().handle(chunk(upload_id, [row("a@example.com"), row("a@example.com")]), careful=False)
    await make_handler().handle(chunk(upload_id, [row("a@example.com")], first_row=3), careful=False)
    if mode != "update":
        again = await add_upload(on_duplicate=mode)
        await make_handler().handle(chunk(again, [row("a@example.com")]), careful=False)

    assert await _replaced(database) == []


async def test_nothing_that_was_replaced_outlives_its_employee(
    make_handler: MakeHandler, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    for name in ("One", "Two", "Three"):
        cells = [row("a@example.com", name=name), row("b@example.com", name=name)]
        await make_handler().handle(chunk(await add_upload(on_duplicate="update"), cells), careful=False)
    assert len(await _replaced(database)) == 4

    await database.execute("DELETE FROM employees WHERE email = 'a@example.com'")

    assert [(old.email, old.name) for old in await _replaced(database)] == [
        ("b@example.com", "One"),
        ("b@example.com", "Two"),
    ]
