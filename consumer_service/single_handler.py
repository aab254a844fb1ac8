"""Inserts an employee that came as a request of its own, once, and answers every delivery of it the same."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import msgspec
import structlog
from sqlalchemy import text

from consumer_service.employee_writer import NumberedEmployees, write_employees
from consumer_service.erased_people import read_erased_people
from consumer_service.row_check import rows_check
from consumer_service.row_writer import blames_a_row
from shared.database.tables import TOTAL_SLOTS
from shared.errors import RowCode
from shared.messages import EmployeeOutcome
from shared.rows.employee_row import email_key
from shared.rows.fields import KEY
from shared.rows.layout import layout_of_names
from shared.service.telemetry import describe_error

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from shared.database.suppressions import Suppressions
    from shared.messages import EmployeeRequest
    from shared.service.failpoints import Failpoints

log = structlog.get_logger(__name__)

# No upload has the sequence 0, so such an employee gives way to any `update`, and displaces nothing.
NO_UPLOAD = 0

_OUTCOME = text("SELECT CAST(outcome AS text) FROM request_outcomes WHERE correlation_id = :correlation_id")

# A concurrent delivery of the same request waits here for the first to commit, and then finds its outcome.
_CLAIM = text("""
    INSERT INTO request_outcomes (correlation_id, outcome) VALUES (:correlation_id, '{}')
    ON CONFLICT DO NOTHING RETURNING correlation_id
""")

_STORE_OUTCOME = text("""
    UPDATE request_outcomes SET outcome = CAST(:outcome AS jsonb) WHERE correlation_id = :correlation_id
""")

# Who comes back is a new employee, so that no upload's undo has to know of it; what uploads had replaced goes as well.
_FORGET_WHO_HAS_LEFT = text("DELETE FROM employees WHERE lower(email) = :key AND left_at IS NOT NULL")

_COUNT = text("UPDATE employee_totals SET total = total + :more WHERE slot = :slot")

_FORGET = text("DELETE FROM request_outcomes WHERE answered_at < now() - interval '1 day'")


class SingleHandler:
    def __init__(self, engine: AsyncEngine, failpoints: Failpoints, suppressions: Suppressions) -> None:
        self._engine = engine
        self._suppressions = suppressions
        self._check_rows = rows_check(failpoints)

    async def handle(self, request: EmployeeRequest) -> EmployeeOutcome:
        """The outcome, of this delivery or an earlier one. An error that the row causes makes it a rejection."""
        try:
            return await self._transact(request)
        except Exception as error:  # raised again unless a row is to blame
            if not blames_a_row(error):
                raise
            log.warning("an employee made its request fail", **describe_error(error))
        return EmployeeOutcome(
            outcome="rejected", code=RowCode.INTERNAL_ERROR, message="Rollcall failed on this employee alone."
        )

    async def _transact(self, request: EmployeeRequest) -> EmployeeOutcome:
        key = {"correlation_id": request.correlation_id}
        async with self._engine.begin() as connection:
            if (await connection.execute(_CLAIM, key)).one_or_none() is None:
                known = (await connection.execute(_OUTCOME, key)).scalar_one()
                return msgspec.json.decode(known, type=EmployeeOutcome)
            outcome = await self._insert(connection, request.values)
            await connection.execute(_STORE_OUTCOME, key | {"outcome": msgspec.json.encode(outcome).decode()})
        return outcome

    async def _insert(self, connection: AsyncConnection, values: dict[str, str]) -> EmployeeOutcome:
        layout = layout_of_names(list(values)).require_known()
        erased = await read_erased_people(connection, self._suppressions)
        check = self._check_rows if erased is None else erased.refused_by(self._check_rows)
        checked = check([list(values.values())], layout)
        for _, (fault, *_) in checked.faults:
            return EmployeeOutcome(outcome="rejected", code=fault.code, field=fault.field, message=fault.message)
        employee = NumberedEmployees([0], checked.employees)
        written = await write_employees(connection, employee, sequence=NO_UPLOAD, on_duplicate="skip")
        has_left = False
        if not written.inserted:
            key = {"key": email_key(checked.employees[0][KEY])}
            has_left = bool((await connection.execute(_FORGET_WHO_HAS_LEFT, key)).rowcount)
            if not has_left:
                return EmployeeOutcome(outcome="duplicate")
            await write_employees(connection, employee, sequence=NO_UPLOAD, on_duplicate="skip")
        slot = random.randrange(TOTAL_SLOTS)  # noqa: S311 - spreads a counter, guards nothing
        await connection.execute(_COUNT, {"slot": slot, "more": 0 if has_left else 1})
        return EmployeeOutcome(outcome="inserted")


async def forget_old_outcomes(engine: AsyncEngine) -> None:
    """Delete outcomes that are more than a day old: no broker redelivers so late."""
    async with engine.begin() as connection:
        await connection.execute(_FORGET)
