"""A request for one employee inserts it once, and every delivery of it gets the same answer."""

from __future__ import annotations

import asyncio
import json
import uuid

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from consumer_service.single_handler import SingleHandler, forget_old_outcomes
from shared.database.suppressions import Suppressions
from shared.messages import EmployeeOutcome, EmployeeRequest
from shared.rows.fields import FIELD_NAMES
from shared.rows.layout import NewerLayout
from shared.service.failpoints import Failpoints
from tests.support import effects

ADA = {
    "employee_name": "Ada Calloway",
    "company_name": "Blue Heron",
    "mobile_no": "+44 20 7946 0018",
    "email": "ada@blueheron.example",
}


@pytest.fixture
def handler(engine: AsyncEngine) -> SingleHandler:
    return SingleHandler(engine, Failpoints(""), Suppressions(None))


def request(**changes: str) -> EmployeeRequest:
    return EmployeeRequest(correlation_id=uuid.uuid4(), values=ADA | changes)


async def test_employee_is_inserted_and_counted(handler: SingleHandler, database: asyncpg.Connection) -> None:
    assert await handler.handle(request()) == EmployeeOutcome(outcome="inserted")

    stored = ADA | {"mobile_no": "+442079460018"}
    assert await effects.employees(database) == {
        "ada@blueheron.example": tuple(stored.get(name) for name in FIELD_NAMES)
    }
    assert await effects.counted_employees(database) == (1, 1)


async def test_who_has_left_is_back_as_a_new_employee_of_whom_nothing_else_is_kept(
    handler: SingleHandler, database: asyncpg.Connection
) -> None:
    await handler.handle(request())
    left = "UPDATE employees SET left_at = now(), upload_sequence = 7, row_number = -1, by_update = true"
    await database.execute(left)
    assert await database.fetchval("SELECT count(*) FROM replaced_employees") == 1
    again = request(employee_name="Ada Back", email="ADA@blueheron.example")

    outcomes = [await handler.handle(each) for each in (again, again, request())]

    assert [each.outcome for each in outcomes] == ["inserted", "inserted", "duplicate"]
    found = await database.fetchrow("SELECT employee_name, left_at, upload_sequence FROM employees")
    assert found is not None
    assert tuple(found) == ("Ada Back", None, 0)
    assert await effects.counted_employees(database) == (1, 1)
    assert await database.fetchval("SELECT sum(left_total) FROM employee_totals") == 0
    assert await database.fetchval("SELECT count(*) FROM replaced_employees") == 0


async def test_redelivered_request_is_answered_as_the_first_time(
    handler: SingleHandler, database: asyncpg.Connection
) -> None:
    first = request()

    assert [await handler.handle(first) for _ in range(3)] == [EmployeeOutcome(outcome="inserted")] * 3

    assert await effects.counted_employees(database) == (1, 1)


async def test_request_with_two_consumers_at_once_has_one_effect_and_one_answer(
    handler: SingleHandler, database: asyncpg.Connection
) -> None:
    first = request()

    answers = await asyncio.gather(*(handler.handle(first) for _ in range(4)))

    assert answers == [EmployeeOutcome(outcome="inserted")] * 4
    assert await effects.counted_employees(database) == (1, 1)


async def test_known_email_is_a_duplicate_and_changes_nothing(
    handler: SingleHandler, database: asyncpg.Connection
) -> None:
    await handler.handle(request())

    again = await handler.handle(request(employee_name="Somebody Else", email="ADA@BlueHeron.example"))

    assert again == EmployeeOutcome(outcome="duplicate")
    assert (await effects.employees(database))["ada@blueheron.example"][0] == "Ada Calloway"


async def test_bad_employee_is_rejected_with_its_reason_and_no_dead_letter(
    handler: SingleHandler, database: asyncpg.Connection
) -> None:
    outcome = await handler.handle(request(mobile_no="12"))

    assert (outcome.outcome, outcome.code, outcome.field) == ("rejected", "invalid_mobile", "mobile_no")
    assert await database.fetchval("SELECT count(*) FROM rejected_rows") == 0


async def test_employee_with_a_field_of_a_newer_version_is_held_and_not_inserted_without_it(
    handler: SingleHandler, database: asyncpg.Connection
) -> None:
    with pytest.raises(NewerLayout):
        await handler.handle(request(shoe_size="43"))

    assert await effects.employees(database) == {}


async def test_employee_that_raises_is_an_internal_error(engine: AsyncEngine) -> None:
    handler = SingleHandler(
        engine,
        Failpoints(json.dumps({"consumer.row": {"action": "raise", "text": ADA["employee_name"]}})),
        Suppressions(None),
    )

    outcome = await handler.handle(request())

    assert (outcome.outcome, outcome.code) == ("rejected", "internal_error")


async def test_outcomes_are_forgotten_after_a_day(
    handler: SingleHandler, engine: AsyncEngine, database: asyncpg.Connection
) -> None:
    old, young = request(), request(email="b@c.example")
    await handler.handle(old)
    await handler.handle(young)
    await database.execute(
        "UPDATE request_outcomes SET answered_at = now() - interval '25 hours' WHERE correlation_id = $1",
        old.correlation_id,
    )

    await forget_old_outcomes(engine)

    kept = await database.fetch("SELECT correlation_id FROM request_outcomes")
    assert [each["correlation_id"] for each in kept] == [young.correlation_id]
