"""Writing raw rows of one upload in the caller's transaction: all at once, or one by one where a row is suspect.

At once comes in two kinds: as new ones, which is quick and stops at the first email that is known, and as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy.exc import SQLAlchemyError

from consumer_service.employee_writer import Written, copy_new_employees, write_employees
from shared.database.engine import is_row_fault
from shared.errors import RowCode, TryAgainLater
from shared.rows.employee_row import FIELDS, email_key
from shared.service.telemetry import sqlstate

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from consumer_service.dead_letters import Reject
    from consumer_service.row_check import CheckRows
    from consumer_service.row_markers import RowMarkers
    from consumer_service.row_results import RawRows
    from shared.duplicate_mode import DuplicateMode
    from shared.rows.employee_row import Layout


class RowErrorsEverywhere(TryAgainLater):
    """More than half of the rows failed on their own: that is this service or the database, not the rows (P5)."""


class Target(NamedTuple):
    """Whose rows these are and how they are to be written."""

    sequence: int
    on_duplicate: DuplicateMode
    layout: Layout


async def write_as_new(
    connection: AsyncConnection, rows: RawRows, target: Target, check_rows: CheckRows
) -> tuple[Written, list[Reject]]:
    """As `write_at_once`, where no email is known. Raises `EmailKnown`: roll back and write them at once."""
    valid, rejects = rows.check(target.layout, check_rows)
    written = await copy_new_employees(connection, valid, sequence=target.sequence, on_duplicate=target.on_duplicate)
    return written, rows.refuse_duplicates(rejects, written)


async def write_at_once(
    connection: AsyncConnection, rows: RawRows, target: Target, check_rows: CheckRows
) -> tuple[Written, list[Reject]]:
    """One statement for all. An error for which `blames_a_row` holds: roll back and take them one by one."""
    valid, rejects = rows.check(target.layout, check_rows)
    written = await write_employees(connection, valid, sequence=target.sequence, on_duplicate=target.on_duplicate)
    return written, rows.refuse_duplicates(rejects, written)


async def write_one_by_one(
    connection: AsyncConnection,
    rows: RawRows,
    target: Target,
    check_rows: CheckRows,
    *,
    markers: RowMarkers | None = None,
    poison_after: int = 0,
) -> tuple[Written, list[Reject]]:
    """Each row under a savepoint, so that a row that fails is rejected alone (`internal_error`).

    With `markers`, each row under its marker too; a row at which `poison_after` other consumers died is not touched
    again (`poison_row`). Raises `RowErrorsEverywhere`.

    They lock their employees in the order in which one statement does: two chunks with the same people in opposite
    order would stop each other again and again.
    """
    inserted = updated = duplicates = failed = 0
    rejects: list[Reject] = []
    for row in sorted(rows.one_by_one(), key=lambda row: _lock_key(row, target.layout)):
        (row_number,) = row.row_numbers
        if markers is not None:
            if markers.deaths(row_number) >= poison_after:
                rejects.append(row.reject(0, RowCode.POISON_ROW))
                continue
            await markers.mark(row_number)
        try:
            async with connection.begin_nested():
                written, refused = await write_at_once(connection, row, target, check_rows)
        except Exception as error:  # sorted out by whose fault it is, and raised again when it is ours
            if not blames_a_row(error):
                raise
            failed += 1
            rejects.append(row.reject(0, RowCode.INTERNAL_ERROR))
        else:
            inserted += written.inserted
            updated += written.updated
            duplicates += written.duplicates
            rejects.extend(refused)
        if markers is not None:
            await markers.unmark(row_number, row_number)
    if len(rows) > 1 and failed * 2 > len(rows):
        raise RowErrorsEverywhere(f"{failed} of {len(rows)} rows failed")
    rejects.sort(key=lambda each: each.row_number)
    return Written(inserted, updated, duplicates, frozenset()), rejects


def _lock_key(row: RawRows, layout: Layout) -> str:
    """The key of its email, of a row that was not checked yet and may be too short."""
    (cells,) = row.cells
    email_cells = layout.fields[FIELDS.index("email")]
    return email_key(" ".join(cells[at] for at in email_cells if at < len(cells)).strip())


def blames_a_row(error: Exception) -> bool:
    """Whether an error may be a row's doing: the database's classes 21, 22, 23, or a Python error in handling it."""
    if sqlstate(error) is not None:
        return is_row_fault(error)
    return not isinstance(error, (OSError, MemoryError, TryAgainLater, SQLAlchemyError))
