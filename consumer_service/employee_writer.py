"""Writing valid rows to `employees`: one statement a chunk, with guards that make the order of chunks irrelevant.

Every employee carries its provenance: the sequence of the upload and the number of the row that it stands as.

* `skip`: a row gives way to what is there, except to a later row of its own upload, which it displaces.
* `update`: a row replaces what no `update` upload said, and what an earlier one, or an earlier row, said.
* `reject`: a row never replaces anything; its producer sends one chunk at a time, so chunks come in file order.

So the end is that of one worker reading the file top to bottom, and of k rows with one email one is inserted or
updated and k-1 are duplicates, whichever came first.

Where no email is known, all three come to the same, and `copy_new_employees` does it for less.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.database.row_notes import NO_NOTES, RowNotes, join_notes
from shared.errors import RollcallError
from shared.rows.employee_row import email_key
from shared.rows.fields import FIELD_NAMES, FIELDS, KEY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import TextClause
    from sqlalchemy.ext.asyncio import AsyncConnection

    from shared.duplicate_mode import DuplicateMode
    from shared.rows.employee_row import EmployeeValues


@dataclass(frozen=True, slots=True)
class NumberedEmployees:
    """Valid rows of one upload in file order, with their row numbers."""

    row_numbers: Sequence[int]
    employees: Sequence[EmployeeValues]

    def __len__(self) -> int:
        return len(self.employees)

    def others_than(self, row_numbers: Sequence[int]) -> frozenset[int]:
        """The numbers of all rows but these."""
        if len(row_numbers) == len(self):
            return frozenset()
        return frozenset(self.row_numbers).difference(row_numbers)

    def one_of_each(self, on_duplicate: DuplicateMode) -> NumberedEmployees:
        """Of rows with one email the one that stands: in `update` mode the last, else the first.

        Sorted by key: two transactions that lock the same employees in the same order cannot deadlock.
        """
        keys = [email_key(employee[KEY]) for employee in self.employees]
        places = range(len(keys))
        if on_duplicate == "update":
            place_of = dict(zip(keys, places, strict=True))
        else:
            place_of = dict(zip(reversed(keys), reversed(places), strict=True))
        ordered = [place_of[key] for key in sorted(place_of)]
        return NumberedEmployees([self.row_numbers[at] for at in ordered], [self.employees[at] for at in ordered])


class Written(NamedTuple):
    """The outcome of valid rows. `refused` are the row numbers that `reject` turned away."""

    inserted: int
    updated: int
    duplicates: int
    refused: frozenset[int] = frozenset()
    notes: RowNotes = NO_NOTES


def add_up(parts: Sequence[Written]) -> Written:
    return Written(
        inserted=sum(part.inserted for part in parts),
        updated=sum(part.updated for part in parts),
        duplicates=sum(part.duplicates for part in parts),
        refused=frozenset().union(*(part.refused for part in parts)),
        notes=join_notes(part.notes for part in parts),
    )


class EmailKnown(RollcallError):
    """An employee with one of these emails is there already; the transaction is spent."""


# A value that may be empty is null in the table; every other one that is empty was refused.
_NULL = ""
_NAMES = ", ".join(FIELD_NAMES)
_VALUES = ", ".join(f"NULLIF({field.name}, '')" if field.may_be_empty else field.name for field in FIELDS)
_ARRAYS = ", ".join(f"CAST(:{name} AS text[])" for name in FIELD_NAMES)
_REPLACED = ", ".join(f"{name} = excluded.{name}" for name in FIELD_NAMES)

_SOURCE = f"""
    INSERT INTO employees AS e ({_NAMES}, row_number, upload_sequence, by_update)
    SELECT {_VALUES}, row_number, CAST(:sequence AS bigint), CAST(:by_update AS boolean)
    FROM unnest({_ARRAYS}, CAST(:row_numbers AS bigint[])) AS source ({_NAMES}, row_number)
"""  # noqa: S608 - put together of the declared names

# A row that displaces one of its own upload takes its place: it is inserted or updated as that one was.
_REPLACE = f"""
    ON CONFLICT (lower(email)) DO UPDATE SET
        {_REPLACED}, upload_sequence = excluded.upload_sequence, row_number = excluded.row_number,
        by_update = excluded.by_update, updated_at = now(),
        replaced_sequence = CASE WHEN e.upload_sequence = excluded.upload_sequence
                                 THEN e.replaced_sequence ELSE e.upload_sequence END,
        replaced_row = CASE WHEN e.upload_sequence = excluded.upload_sequence THEN e.row_number END
"""

# Rows that fail the guard are not returned.
_FATES = """
    SELECT coalesce(array_agg(row_number) FILTER (WHERE replaced_sequence IS NULL), '{}') AS new,
           coalesce(array_agg(row_number) FILTER (WHERE replaced_sequence IS NOT NULL), '{}') AS updated,
           coalesce(array_agg(replaced_row) FILTER (WHERE replaced_row IS NOT NULL), '{}') AS displaced,
           count(*) FILTER (WHERE replaced_sequence IS NULL AND replaced_row IS NULL) AS times_inserted,
           count(*) FILTER (WHERE replaced_sequence IS NOT NULL AND replaced_row IS NULL) AS times_updated
    FROM written
"""

_RETURNING = "RETURNING e.row_number, e.replaced_sequence, e.replaced_row"

_SKIP = text(f"""
    WITH written AS ({_SOURCE} {_REPLACE}
        WHERE e.upload_sequence = excluded.upload_sequence AND excluded.row_number < e.row_number
        {_RETURNING})
    {_FATES}
""")

_UPDATE = text(f"""
    WITH written AS ({_SOURCE} {_REPLACE}
        WHERE NOT e.by_update
           OR (excluded.upload_sequence, excluded.row_number) > (e.upload_sequence, e.row_number)
        {_RETURNING})
    {_FATES}
""")

_REJECT = text(f"{_SOURCE} ON CONFLICT (lower(email)) DO NOTHING RETURNING e.row_number")

_COPIED = (*FIELD_NAMES, "row_number", "upload_sequence", "by_update")


async def copy_new_employees(
    connection: AsyncConnection, rows: NumberedEmployees, *, sequence: int, on_duplicate: DuplicateMode
) -> Written:
    """Write rows of which no email is known, in the caller's transaction: in any mode they are inserted.

    COPY writes its rows and their index entries a page at a time, where INSERT with ON CONFLICT looks each up first
    and writes it twice. Raises `EmailKnown`; other database errors pass through.
    """
    if not rows:
        return Written(0, 0, 0)
    chosen = rows.one_of_each(on_duplicate)
    copied = _as_copy_text(chosen, sequence, by_update=on_duplicate == "update")
    driver: Any = (await connection.get_raw_connection()).driver_connection
    try:
        await driver.copy_to_table("employees", source=memoryview(copied), columns=_COPIED, null=_NULL)
    except asyncpg.UniqueViolationError:
        raise EmailKnown from None
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        # As every other statement raises it.
        raise DBAPIError("COPY employees", None, error, hide_parameters=True) from error
    except TimeoutError as error:
        # Otherwise a server that does not answer would be asked to roll back, and waited for as long again.
        await connection.invalidate(error)
        raise
    again = rows.others_than(chosen.row_numbers)
    if on_duplicate == "reject":
        return Written(len(chosen), 0, 0, again)
    return Written(len(chosen), 0, len(again), notes=RowNotes(again, (), ()))


async def write_employees(
    connection: AsyncConnection, rows: NumberedEmployees, *, sequence: int, on_duplicate: DuplicateMode
) -> Written:
    """Write rows of one upload, whoever is there already, in the caller's transaction. Database errors pass through."""
    if not rows:
        return Written(0, 0, 0)
    arrays = _arrays(rows.one_of_each(on_duplicate), sequence, by_update=on_duplicate == "update")
    match on_duplicate:
        case "skip":
            return await _replace(connection, _SKIP, rows, arrays)
        case "update":
            return await _replace(connection, _UPDATE, rows, arrays)
        case "reject":
            return await _insert_only(connection, rows, arrays)


async def _replace(
    connection: AsyncConnection, statement: TextClause, rows: NumberedEmployees, arrays: dict[str, object]
) -> Written:
    fates = (await connection.execute(statement, arrays)).one()
    inserted, updated = fates.times_inserted, fates.times_updated
    notes = RowNotes(rows.others_than([*fates.new, *fates.updated]), fates.updated, fates.displaced)
    return Written(inserted, updated, len(rows) - inserted - updated, notes=notes)


async def _insert_only(connection: AsyncConnection, rows: NumberedEmployees, arrays: dict[str, object]) -> Written:
    inserted = (await connection.execute(_REJECT, arrays)).scalars().all()
    return Written(len(inserted), 0, 0, rows.others_than(inserted))


def _as_copy_text(rows: NumberedEmployees, sequence: int, *, by_update: bool) -> bytes:
    """In COPY's text format. No valid value has a tab or a line end; a backslash escapes itself."""
    provenance = f"\t{sequence}\t{'t' if by_update else 'f'}\n".encode()
    # Encoded each by itself: most lines have a byte a character, where all of them together may need four.
    tabbed = "\t".join
    lines = [
        f"{tabbed(values)}\t{row_number}".encode()
        for row_number, values in zip(rows.row_numbers, rows.employees, strict=True)
    ]
    return (provenance.join(lines) + provenance).replace(b"\\", b"\\\\")


def _arrays(rows: NumberedEmployees, sequence: int, *, by_update: bool) -> dict[str, object]:
    columns = zip(*rows.employees, strict=True)
    return {
        **dict(zip(FIELD_NAMES, columns, strict=True)),
        "row_numbers": rows.row_numbers,
        "sequence": sequence,
        "by_update": by_update,
    }
