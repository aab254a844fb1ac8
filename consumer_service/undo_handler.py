"""Takes back what an upload did to the employees of a range of its rows, in one transaction with its ledger's entry.

docs/architecture.md, "Undo", has the model and the invariants. Each is kept by the order below.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import structlog
from sqlalchemy import text

from consumer_service.employee_locks import BY_KEYS, LOCK_EMPLOYEES
from consumer_service.row_writer import blames_a_row
from shared.database.tables import TOTAL_SLOTS, employees
from shared.errors import RollcallError
from shared.messages import ChunkReply
from shared.service.telemetry import describe_error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from shared.messages import UndoRequest
    from shared.service.failpoints import Failpoints

    TakeBack = Callable[[AsyncConnection, dict[str, Any], list[int]], Awaitable["Undone"]]

log = structlog.get_logger(__name__)

_LOCK_UPLOAD = text("SELECT status, sequence FROM uploads WHERE id = :upload_id FOR KEY SHARE")

_IS_DONE = text("SELECT 1 FROM upload_undos WHERE upload_id = :upload_id AND first_row = :first_row")

# `OFFSET 0` and `+ 0` below leave the planner no other way than by keys. And what is put back replaces nothing.
_IS_UNDO = text("SELECT set_config('rollcall.is_undo', 'on', true)")

# By one snapshot, in which each stands as a row of the range or has a later entry that says so.
_FIND_EMPLOYEES = text("""
    SELECT id FROM employees WHERE upload_sequence = :sequence AND row_number BETWEEN :first_row AND :last_row
    UNION ALL
    SELECT employee_id FROM replaced_employees
    WHERE replaced_sequence = :sequence AND replaced_row BETWEEN :first_row AND :last_row
""")

_DELETE = text("""
    DELETE FROM employees AS e USING unnest(CAST(:ids AS bigint[])) AS locked (id)
    WHERE e.id = locked.id AND e.upload_sequence + 0 = :sequence AND NOT EXISTS (
        SELECT FROM replaced_employees AS r
        WHERE r.upload_sequence = :sequence AND r.employee_id = locked.id OFFSET 0)
""")


def _put_back(column: str, *, may_be_null: bool) -> str:
    """An employee that was kept before there was the column has none of it, if that may be."""
    if may_be_null:
        return f"{column} = was.{column}"
    return f"{column} = CASE WHEN r.employee ? '{column}' THEN was.{column} ELSE e.{column} END"


_COLUMNS = ", ".join(
    _put_back(column.name, may_be_null=bool(column.nullable)) for column in employees.columns if column.name != "id"
)

_RESTORE = text(f"""
    WITH restored AS (
        UPDATE employees AS e SET {_COLUMNS}
        FROM unnest(CAST(:ids AS bigint[])) AS locked (id)
        CROSS JOIN LATERAL (
            SELECT * FROM replaced_employees
            WHERE upload_sequence = :sequence AND employee_id = locked.id OFFSET 0
        ) AS r
        CROSS JOIN LATERAL jsonb_populate_record(NULL::employees, r.employee) AS was
        WHERE e.id = locked.id AND e.upload_sequence + 0 = :sequence
        RETURNING e.id, r.upload_sequence
    ), used AS (
        DELETE FROM replaced_employees AS r USING restored
        WHERE r.upload_sequence = restored.upload_sequence AND r.employee_id = restored.id
    )
    SELECT count(*) FROM restored
""")  # noqa: S608 - put together of the declared names

# Of employees that are locked, all of them. The entry of the upload that replaced ours says from now on what ours says;
# without ours, it goes.
_KEEP = text("""
    WITH later AS (
        SELECT r.employee_id, r.upload_sequence, r.replaced_row, own.upload_sequence AS own,
               own.replaced_sequence AS own_sequence, own.replaced_row AS own_row, own.employee AS own_employee
        FROM replaced_employees AS r
        LEFT JOIN LATERAL (
            SELECT * FROM replaced_employees
            WHERE upload_sequence = :sequence AND employee_id = r.employee_id OFFSET 0
        ) AS own ON true
        WHERE r.replaced_sequence = :sequence AND r.replaced_row BETWEEN :first_row AND :last_row
    ), linked AS (
        UPDATE replaced_employees AS r
        SET replaced_sequence = own_sequence, replaced_row = own_row,
            employee = CASE WHEN r.employee IS NOT NULL THEN own_employee END
        FROM later
        WHERE own IS NOT NULL AND r.upload_sequence = later.upload_sequence AND r.employee_id = later.employee_id
    ), unlinked AS (
        DELETE FROM replaced_employees AS r USING later
        WHERE own IS NULL AND r.upload_sequence = later.upload_sequence AND r.employee_id = later.employee_id
    ), used AS (
        DELETE FROM replaced_employees AS r USING later
        WHERE r.upload_sequence = later.own AND r.employee_id = later.employee_id
    ), kept AS (
        INSERT INTO kept_rows (upload_id, row_number, employee_id, changed_by)
        SELECT :upload_id, replaced_row, employee_id, upload_sequence FROM later
        RETURNING 1
    )
    SELECT count(*) FROM kept
""")

_KEEP_AS_IT_IS = text("""
    INSERT INTO kept_rows (upload_id, row_number, employee_id, changed_by)
    SELECT :upload_id, row_number, id, upload_sequence FROM employees WHERE id = :id AND upload_sequence = :sequence
""")

_INSERT_ENTRY = text("""
    INSERT INTO upload_undos (upload_id, first_row, last_row, deleted, restored, kept)
    VALUES (:upload_id, :first_row, :last_row, :deleted, :restored, :kept)
    ON CONFLICT DO NOTHING
""")

_COUNT = text("UPDATE employee_totals SET total = total - :deleted WHERE slot = :slot AND :deleted > 0")


class Undone(NamedTuple):
    """What became of the employees of a range."""

    deleted: int = 0
    restored: int = 0
    kept: int = 0


class _DoneAlready(RollcallError):
    """Another delivery of the same range committed first: this transaction must not."""


class UndoHandler:
    def __init__(self, engine: AsyncEngine, failpoints: Failpoints) -> None:
        self._engine = engine
        self._failpoints = failpoints

    async def handle(self, request: UndoRequest) -> ChunkReply:
        """Take the range back, unless it was. An error that this raises is not the range's fault (P5)."""
        try:
            outcome = await self._transact(request, _take_back)
        except _DoneAlready:
            outcome = "done"
        except Exception as error:  # raised again unless an employee is to blame
            if not blames_a_row(error):
                raise
            log.warning("an employee made an undo fail: one by one", **describe_error(error))
            outcome = await self._transact(request, _take_back_one_by_one)
        return ChunkReply(upload_id=request.upload_id, first_row=request.first_row, outcome=outcome)

    async def _transact(self, request: UndoRequest, take_back: TakeBack) -> Literal["done", "closed"]:
        key = {"upload_id": request.upload_id, "first_row": request.first_row}
        async with self._engine.begin() as connection:
            upload = (await connection.execute(_LOCK_UPLOAD, {"upload_id": request.upload_id})).one_or_none()
            if (await connection.execute(_IS_DONE, key)).one_or_none() is not None:
                return "done"
            if upload is None or upload.status != "undoing":
                return "closed"
            rows = {"sequence": upload.sequence, **key, "last_row": request.last_row}
            await connection.execute(BY_KEYS)
            await connection.execute(_IS_UNDO)
            found = list((await connection.execute(_FIND_EMPLOYEES, rows)).scalars())
            # Each statement from here on has a snapshot of its own, taken under these locks.
            ids = list((await connection.execute(LOCK_EMPLOYEES, {"ids": found})).scalars())
            standing = await take_back(connection, rows, ids)
            kept = (await connection.execute(_KEEP, rows)).scalar_one()
            undone = standing._replace(kept=standing.kept + kept)
            if not (await connection.execute(_INSERT_ENTRY, rows | undone._asdict())).rowcount:
                raise _DoneAlready
            slot = random.randrange(TOTAL_SLOTS)  # noqa: S311 - spreads a counter, guards nothing
            await connection.execute(_COUNT, {"slot": slot, "deleted": undone.deleted})
            self._failpoints.hit("consumer.inside_undo")
        self._failpoints.hit("consumer.after_undo")
        return "done"


async def _take_back(connection: AsyncConnection, rows: dict[str, Any], ids: list[int]) -> Undone:
    """Of those that stand as rows of the upload, which no others do."""
    parameters = {"sequence": rows["sequence"], "ids": ids}
    deleted = (await connection.execute(_DELETE, parameters)).rowcount
    restored = (await connection.execute(_RESTORE, parameters)).scalar_one()
    return Undone(deleted, restored)


async def _take_back_one_by_one(connection: AsyncConnection, rows: dict[str, Any], ids: list[int]) -> Undone:
    """One that the database does not take back stays as it is, and is named."""
    total = Undone()
    for employee_id in ids:
        try:
            async with connection.begin_nested():
                undone = await _take_back(connection, rows, [employee_id])
        except Exception as error:  # raised again unless the employee is to blame
            if not blames_a_row(error):
                raise
            kept = await connection.execute(_KEEP_AS_IT_IS, rows | {"id": employee_id})
            undone = Undone(kept=kept.rowcount)
        total = Undone(*map(sum, zip(total, undone, strict=True)))
    return total
