"""Writing valid rows to `employees`: one statement a chunk, with guards that make the order of chunks irrelevant.

Every employee carries its provenance: the sequence of the upload and the number of the row that it stands as.

* `skip`: a row gives way to what is there, except to a later row of its own upload, which it displaces.
* `update`: a row replaces what an upload in another mode said, and what an earlier row of any `update` upload said.
* `reject`: a row never replaces anything; its producer sends one chunk at a time, so chunks come in file order.

Who has left (`left_at`) gives way in all three, and is back.

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

from consumer_service import provenance
from shared.database.row_notes import NO_NOTES, RowNotes, join_notes
from shared.errors import RollcallError
from shared.rows.employee_row import email_key
from shared.rows.fields import FIELD_NAMES, FIELDS, KEY

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

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

    @property
    def columns(self) -> tuple[Sequence[int], Sequence[EmployeeValues]]:
        return self.row_numbers, self.employees

    def others_than(self, row_numbers: Sequence[int]) -> frozenset[int]:
        """The numbers of all rows but these."""
        if len(row_numbers) == len(self):
            return frozenset()
        return frozenset(self.row_numbers).difference(row_numbers)

    def only(self, row_numbers: Collection[int]) -> NumberedEmployees:
        """Those of these numbers."""
        pairs = zip(*self.columns, strict=True) if row_numbers else ()
        left = [(number, values) for number, values in pairs if number in row_numbers]
        return NumberedEmployees([number for number, _ in left], [values for _, values in left])

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
    """The outcome of valid rows. `refused` are the row numbers that `reject` turned away, `unknown` those of rows that
    would have inserted somebody without a name. `returned` are the numbers of leavers of this very upload who came
    back.
    """

    inserted: int
    updated: int
    duplicates: int
    refused: frozenset[int] = frozenset()
    notes: RowNotes = NO_NOTES
    unknown: frozenset[int] = frozenset()
    returned: frozenset[int] = frozenset()


def add_up(parts: Sequence[Written]) -> Written:
    return Written(
        inserted=sum(part.inserted for part in parts),
        updated=sum(part.updated for part in parts),
        duplicates=sum(part.duplicates for part in parts),
        refused=frozenset().union(*(part.refused for part in parts)),
        notes=join_notes(part.notes for part in parts),
        unknown=frozenset().union(*(part.unknown for part in parts)),
        returned=frozenset().union(*(part.returned for part in parts)),
    )


class EmailKnown(RollcallError):
    """An employee with one of these emails is there already; the transaction is spent."""


# A value that may be empty is null in the table; every other one that is empty was refused.
_NULL = ""
_NAMES = ", ".join(FIELD_NAMES)
_VALUES = ", ".join(f"NULLIF({field.name}, '')" if field.is_nullable else field.name for field in FIELDS)
_ARRAYS = ", ".join(f"CAST(:{name} AS text[])" for name in FIELD_NAMES)

_SOURCE = f"""
    INSERT INTO employees AS e ({_NAMES}, row_number, upload_sequence, by_update)
    SELECT {_VALUES}, row_number, CAST(:sequence AS bigint), CAST(:by_update AS boolean)
    FROM unnest({_ARRAYS}, CAST(:row_numbers AS bigint[])) AS source ({_NAMES}, row_number)
"""  # noqa: S608 - put together of the declared names

_SOURCE_OF_CLAIMS = f"""
    INSERT INTO employees AS e ({_NAMES}, row_number, upload_sequence, by_update, field_provenance)
    SELECT {_VALUES}, row_number, CAST(:sequence AS bigint), CAST(:by_update AS boolean),
           CAST(field_provenance AS jsonb)
    FROM unnest({_ARRAYS}, CAST(:row_numbers AS bigint[]), CAST(:field_provenances AS text[]))
         AS source ({_NAMES}, row_number, field_provenance)
"""  # noqa: S608 - put together of the declared names


def _merging(source: str, on_conflict: str, *, is_ours: str) -> TextClause:
    """Rows that fail the guard are not returned. Of those that are, an employee may stand as another's row, and have
    taken fields from ours alone. A row below zero that was displaced is a leaver (`leavers`) of the same upload.
    """
    return text(f"""
        WITH written AS (
            {source} {on_conflict}
            RETURNING e.upload_sequence, e.row_number, e.replaced_sequence, e.replaced_row)
        SELECT coalesce(array_agg(row_number) FILTER (WHERE replaced_sequence IS NULL), '{{}}') AS new,
               coalesce(array_agg(row_number) FILTER (WHERE replaced_sequence IS NOT NULL), '{{}}') AS updated,
               coalesce(array_agg(replaced_row) FILTER (WHERE replaced_row > 0), '{{}}') AS displaced,
               coalesce(array_agg(-replaced_row) FILTER (WHERE replaced_row < 0), '{{}}') AS returned,
               count(*) FILTER (WHERE replaced_sequence IS NULL AND replaced_row IS NULL) AS times_inserted,
               count(*) FILTER (WHERE replaced_sequence IS NOT NULL AND coalesce(replaced_row, -1) < 0) AS times_updated
        FROM written WHERE upload_sequence = :sequence AND {is_ours}
    """)  # noqa: S608 - put together of constants


# A row that says all fields leaves none to a later row of its own upload.
_SKIP = _merging(_SOURCE, provenance.SKIP, is_ours="true")
_UPDATE = _merging(_SOURCE, provenance.UPDATE_WHOLE, is_ours="true")
_UPDATE_BY_CLAIMS = _merging(
    _SOURCE_OF_CLAIMS, provenance.UPDATE, is_ours="row_number IN (SELECT unnest(CAST(:row_numbers AS bigint[])))"
)

_REJECT = _merging(_SOURCE, provenance.REJECT, is_ours="true")

COPIED = (*FIELD_NAMES, "row_number", "upload_sequence", "by_update")


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
    await copy_lines(connection, copied, COPIED)
    again = rows.others_than(chosen.row_numbers)
    if on_duplicate == "reject":
        return Written(len(chosen), 0, 0, again)
    return Written(len(chosen), 0, len(again), notes=RowNotes(again, (), ()))


async def copy_lines(connection: AsyncConnection, copied: bytes, columns: Sequence[str]) -> None:
    """Into `employees`, as COPY's text. Raises `EmailKnown`; other database errors pass through."""
    driver: Any = (await connection.get_raw_connection()).driver_connection
    try:
        await driver.copy_to_table("employees", source=memoryview(copied), columns=columns, null=_NULL)
    except asyncpg.UniqueViolationError:
        raise EmailKnown from None
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        # As every other statement raises it.
        raise DBAPIError("COPY employees", None, error, hide_parameters=True) from error
    except TimeoutError as error:
        # Otherwise a server that does not answer would be asked to roll back, and waited for as long again.
        await connection.invalidate(error)
        raise


async def write_employees(
    connection: AsyncConnection, rows: NumberedEmployees, *, sequence: int, on_duplicate: DuplicateMode
) -> Written:
    """Write rows of one upload, whoever is there already, in the caller's transaction. Database errors pass through."""
    if not rows:
        return Written(0, 0, 0)
    chosen = rows.one_of_each(on_duplicate)
    arrays = _arrays(chosen, sequence, by_update=on_duplicate == "update")
    match on_duplicate:
        case "skip":
            return await _replace(connection, _SKIP, rows, arrays)
        case "update":
            written = await _replace(connection, _UPDATE, rows, arrays)
            # Who came too late, of uploads at once. They count as duplicates whatever they give.
            late = chosen.only(written.notes.duplicates)
            await merge_claims(connection, late, late, [None] * len(late), sequence=sequence)
            return written
        case "reject":
            written = await _replace(connection, _REJECT, rows, arrays)
            refused = frozenset(written.notes.duplicates)
            return written._replace(duplicates=0, refused=refused, notes=written.notes._replace(duplicates=()))


async def merge_claims(
    connection: AsyncConnection,
    rows: NumberedEmployees,
    claims: NumberedEmployees,
    field_provenances: Sequence[str | None],
    *,
    sequence: int,
) -> Written:
    """Write what these rows of an `update` claim, in one claim of each email: each field is merged by its provenance
    with whoever is there already.
    """
    if not claims:
        return Written(0, 0, 0)
    arrays = _arrays(claims, sequence, by_update=True) | {"field_provenances": field_provenances}
    return await _replace(connection, _UPDATE_BY_CLAIMS, rows, arrays)


async def _replace(
    connection: AsyncConnection, statement: TextClause, rows: NumberedEmployees, arrays: dict[str, object]
) -> Written:
    fates = (await connection.execute(statement, arrays)).one()
    inserted, updated = fates.times_inserted, fates.times_updated
    notes = RowNotes(rows.others_than([*fates.new, *fates.updated]), fates.updated, fates.displaced)
    duplicates = len(rows) - inserted - updated
    return Written(inserted, updated, duplicates, notes=notes, returned=frozenset(fates.returned))


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
