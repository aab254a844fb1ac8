"""Writes raw rows of one upload in the caller's transaction, in one of three ways.

* as new: a copy, which is quick and fails at the first email that is known;
* at once: one statement for all rows, whether or not their emails are known;
* one by one: each row under a savepoint, so that a row that fails is rejected alone.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy.exc import SQLAlchemyError

from consumer_service.employee_writer import Written, add_up, copy_new_employees, write_employees
from consumer_service.optional_writer import copy_new_claims, merge_employees
from shared.database.engine import is_row_fault
from shared.errors import RowCode, TryAgainLater
from shared.rows.employee_row import email_key
from shared.rows.fields import FIELDS, KEY
from shared.service.telemetry import sqlstate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sqlalchemy.ext.asyncio import AsyncConnection

    from consumer_service.dead_letters import Reject
    from consumer_service.row_check import CheckRows
    from consumer_service.row_markers import RowMarkers
    from consumer_service.row_results import RawRows
    from shared.duplicate_mode import DuplicateMode
    from shared.rows.layout import Layout

    WriteRows = Callable[[AsyncConnection, RawRows, "Target", CheckRows], Awaitable[tuple[Written, list[Reject]]]]

_MAY_BE_EMPTY = any(field.may_be_empty for field in FIELDS)


class RowErrorsEverywhere(TryAgainLater):
    """More than half of the rows failed: then this service or the database is to blame, not the rows (P5)."""


class Target(NamedTuple):
    """The upload that the rows belong to: its place in the order of uploads, its duplicate mode and its columns."""

    sequence: int
    on_duplicate: DuplicateMode
    layout: Layout
    # Of which company, or all, those have left whom the file lacks.
    absent_scope: str | None = None

    @property
    def keeps_what_is_stored(self) -> bool:
        """Whether an empty cell of its rows leaves a field as it is."""
        return self.on_duplicate == "update" and (_MAY_BE_EMPTY or bool(self.layout.optional))


async def write_as_new(
    connection: AsyncConnection, rows: RawRows, target: Target, check_rows: CheckRows
) -> tuple[Written, list[Reject]]:
    """Write rows of which no email is known. Raises `EmailKnown`: roll back and use `write_at_once`."""
    valid, rejects = rows.check(target.layout, check_rows)
    if target.keeps_what_is_stored:
        written = await copy_new_claims(connection, valid, sequence=target.sequence)
    else:
        written = await copy_new_employees(
            connection, valid, sequence=target.sequence, on_duplicate=target.on_duplicate
        )
    return written, rows.refuse_by_email(rejects, written)


async def write_at_once(
    connection: AsyncConnection, rows: RawRows, target: Target, check_rows: CheckRows
) -> tuple[Written, list[Reject]]:
    """Write all rows with one statement. After an error that `blames_a_row`: roll back and use `write_one_by_one`."""
    valid, rejects = rows.check(target.layout, check_rows)
    if target.keeps_what_is_stored:
        written = await merge_employees(connection, valid, sequence=target.sequence)
    else:
        written = await write_employees(connection, valid, sequence=target.sequence, on_duplicate=target.on_duplicate)
    return written, rows.refuse_by_email(rejects, written)


async def write_one_by_one(
    connection: AsyncConnection,
    rows: RawRows,
    target: Target,
    check_rows: CheckRows,
    *,
    write: WriteRows = write_at_once,
    markers: RowMarkers | None = None,
    poison_after: int = 0,
) -> tuple[Written, list[Reject]]:
    """Write each row, by `write`, under a savepoint, so that a row that fails is rejected alone (`internal_error`).

    With `markers`, each row is written under its marker too; a row at which `poison_after` other consumers died is not
    touched again (`poison_row`). Raises `RowErrorsEverywhere`, and with markers `RowHangs`.

    The rows lock their employees in the order in which one statement does. Otherwise two chunks with the same emails
    in opposite order would run into deadlocks again and again.
    """
    parts: list[Written] = []
    failed = 0
    rejects: list[Reject] = []
    for row in sorted(rows.one_by_one(), key=lambda row: _lock_key(row, target.layout)):
        (row_number,) = row.row_numbers
        if markers is not None and markers.deaths(row_number) >= poison_after:
            rejects.append(row.reject(0, RowCode.POISON_ROW))
            continue
        marked: AbstractAsyncContextManager[None] = nullcontext() if markers is None else markers.marked(row_number)
        async with marked:
            outcome = await _write_alone(connection, row, target, check_rows, write)
        if outcome is None:
            failed += 1
            rejects.append(row.reject(0, RowCode.INTERNAL_ERROR))
            continue
        written, refused = outcome
        parts.append(written)
        rejects.extend(refused)
    if len(rows) > 1 and failed * 2 > len(rows):
        raise RowErrorsEverywhere(f"{failed} of {len(rows)} rows failed")
    rejects.sort(key=lambda each: each.row_number)
    return add_up(parts), rejects


async def _write_alone(
    connection: AsyncConnection, row: RawRows, target: Target, check_rows: CheckRows, write: WriteRows
) -> tuple[Written, list[Reject]] | None:
    """None when the row itself makes this fail."""
    try:
        async with connection.begin_nested():
            return await write(connection, row, target, check_rows)
    except Exception as error:  # raised again unless a row is to blame
        if not blames_a_row(error):
            raise
        return None


def _lock_key(row: RawRows, layout: Layout) -> str:
    """The key of the row's email. The row was not checked yet, and may be too short."""
    (cells,) = row.cells
    return email_key(" ".join(cells[at] for at in layout.in_order[KEY] if at < len(cells)).strip())


def blames_a_row(error: Exception) -> bool:
    """True for the database's error classes 21, 22 and 23, and for a Python error in handling a row."""
    if sqlstate(error) is not None:
        return is_row_fault(error)
    return not isinstance(error, (OSError, MemoryError, TryAgainLater, SQLAlchemyError))
