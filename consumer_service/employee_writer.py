"""Writing valid rows to `employees`: one statement a chunk, with guards that make the order of chunks irrelevant.

Every employee carries its provenance: the sequence of the upload and the number of the row that it stands as.

* `skip`: a row gives way to what is there, except to a later row of its own upload, which it displaces.
* `update`: a row replaces what no `update` upload said, and what an earlier one, or an earlier row, said.
* `reject`: a row never replaces anything; its producer sends one chunk at a time, so chunks come in file order.

So the end is that of one worker reading the file top to bottom, and of k rows with one email one is inserted or
updated and k-1 are duplicates, whichever came first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import text

from shared.rows.employee_row import email_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import TextClause
    from sqlalchemy.ext.asyncio import AsyncConnection

    from shared.messages import OnDuplicate
    from shared.rows.employee_row import Employee


class NumberedEmployee(NamedTuple):
    row_number: int
    employee: Employee


class Written(NamedTuple):
    """What became of valid rows. `refused` are the row numbers that `reject` turned away."""

    inserted: int
    updated: int
    duplicates: int
    refused: frozenset[int]


_SOURCE = """
    INSERT INTO employees AS e
        (employee_name, company_name, mobile_no, email, row_number, upload_sequence, by_update)
    SELECT name, company, mobile, email, row_number, CAST(:sequence AS bigint), CAST(:by_update AS boolean)
    FROM unnest(CAST(:names AS text[]), CAST(:companies AS text[]), CAST(:mobiles AS text[]), CAST(:emails AS text[]),
                CAST(:row_numbers AS bigint[])) AS source (name, company, mobile, email, row_number)
"""

# Rows that fail the guard are not returned; `replaced_sequence` tells an insert (null), the replacement of another
# upload's row, and that of our own.
_REPLACE = """
    ON CONFLICT (lower(email)) DO UPDATE SET
        employee_name = excluded.employee_name, company_name = excluded.company_name,
        mobile_no = excluded.mobile_no, email = excluded.email,
        upload_sequence = excluded.upload_sequence, row_number = excluded.row_number,
        by_update = excluded.by_update, replaced_sequence = e.upload_sequence, updated_at = now()
"""

_COUNT = """
    SELECT count(*) FILTER (WHERE replaced_sequence IS NULL),
           count(*) FILTER (WHERE replaced_sequence <> :sequence)
    FROM written
"""

_SKIP = text(f"""
    WITH written AS ({_SOURCE} {_REPLACE}
        WHERE e.upload_sequence = excluded.upload_sequence AND excluded.row_number < e.row_number
        RETURNING e.replaced_sequence)
    {_COUNT}
""")

_UPDATE = text(f"""
    WITH written AS ({_SOURCE} {_REPLACE}
        WHERE NOT e.by_update
           OR (excluded.upload_sequence, excluded.row_number) > (e.upload_sequence, e.row_number)
        RETURNING e.replaced_sequence)
    {_COUNT}
""")

_REJECT = text(f"{_SOURCE} ON CONFLICT (lower(email)) DO NOTHING RETURNING e.row_number")


async def write_employees(
    connection: AsyncConnection, rows: Sequence[NumberedEmployee], *, sequence: int, on_duplicate: OnDuplicate
) -> Written:
    """Write rows of one upload, in file order, in the caller's transaction. Database errors pass through."""
    if not rows:
        return Written(0, 0, 0, frozenset())
    match on_duplicate:
        case "skip":
            return await _replace(connection, _SKIP, rows, _first_of_each(rows), sequence, by_update=False)
        case "update":
            return await _replace(connection, _UPDATE, rows, _last_of_each(rows), sequence, by_update=True)
        case "reject":
            return await _insert_only(connection, rows, sequence)


def _first_of_each(rows: Sequence[NumberedEmployee]) -> dict[str, NumberedEmployee]:
    return {email_key(row.employee.email): row for row in reversed(rows)}


def _last_of_each(rows: Sequence[NumberedEmployee]) -> dict[str, NumberedEmployee]:
    return {email_key(row.employee.email): row for row in rows}


async def _replace(
    connection: AsyncConnection,
    statement: TextClause,
    rows: Sequence[NumberedEmployee],
    by_key: dict[str, NumberedEmployee],
    sequence: int,
    *,
    by_update: bool,
) -> Written:
    result = await connection.execute(statement, _arrays(by_key, sequence, by_update=by_update))
    inserted, updated = result.one()
    return Written(inserted, updated, len(rows) - inserted - updated, frozenset())


async def _insert_only(connection: AsyncConnection, rows: Sequence[NumberedEmployee], sequence: int) -> Written:
    result = await connection.execute(_REJECT, _arrays(_first_of_each(rows), sequence, by_update=False))
    inserted = set(result.scalars())
    refused = frozenset(row.row_number for row in rows if row.row_number not in inserted)
    return Written(len(inserted), 0, 0, refused)


def _arrays(by_key: dict[str, NumberedEmployee], sequence: int, *, by_update: bool) -> dict[str, object]:
    """Sorted by key: two transactions that lock the same employees in the same order cannot deadlock."""
    ordered = [by_key[key] for key in sorted(by_key)]
    names, companies, mobiles, emails = zip(*(row.employee for row in ordered), strict=True)
    return {
        "names": names,
        "companies": companies,
        "mobiles": mobiles,
        "emails": emails,
        "row_numbers": [row.row_number for row in ordered],
        "sequence": sequence,
        "by_update": by_update,
    }
