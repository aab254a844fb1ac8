"""Writing rows of an `update` upload whose empty cells keep what is stored.

Rows with one email become one claim: of each field the last value that any of them has, with the number of that row.
A claim is merged with the employee by the provenance of each field (`provenance`). Nobody is inserted without a field
that is never null: a row that lacks one needs an employee, of before or of a row above it, and is unknown otherwise.
So the rows above must have been written: the producer begins such an upload when those accepted before have ended, and
sends one chunk at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from sqlalchemy import text

from consumer_service.employee_writer import COPIED, EmailKnown, NumberedEmployees, Written, copy_lines, merge_claims
from consumer_service.provenance import NOBODY
from shared.database.row_notes import RowNotes
from shared.rows.employee_row import email_key
from shared.rows.fields import FIELD_NAMES, KEY, NEVER_NULL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from shared.rows.employee_row import EmployeeValues

_EMPTY: Final = ""
_NEVER_NULL: Final = tuple(map(FIELD_NAMES.index, NEVER_NULL))

# Nobody who is known can be deleted before the rows are written. Locked in the order of the statement that does.
_LOCK_KNOWN: Final = text("""
    SELECT wanted.email
    FROM unnest(CAST(:emails AS text[])) WITH ORDINALITY AS wanted (email, place)
    JOIN employees AS e ON lower(e.email) = wanted.email
    ORDER BY wanted.place FOR NO KEY UPDATE OF e
""")


class _Claim:
    """`said_by` has for each field the number of the row that said it, 0 for none."""

    def __init__(self, row_number: int, values: EmployeeValues) -> None:
        self.row_number = row_number
        self.values = values
        self.said_by = [0 if value == _EMPTY else row_number for value in values] if _EMPTY in values else None

    def add(self, row_number: int, values: EmployeeValues) -> None:
        """Of a row below."""
        if _EMPTY not in values:
            self.row_number, self.values, self.said_by = row_number, values, None
            return
        said_by = self.said_by or [self.row_number] * len(values)
        pairs = list(zip(values, self.values, said_by, strict=True))
        self.row_number = row_number
        self.values = tuple(before if value == _EMPTY else value for value, before, _ in pairs)
        self.said_by = [said if value == _EMPTY else row_number for value, _, said in pairs]

    def field_provenance(self, sequence: int) -> str | None:
        """As the column holds it."""
        if self.said_by is None:
            return None
        others = {
            name: (True, sequence, said) if said else NOBODY
            for name, said in zip(FIELD_NAMES, self.said_by, strict=True)
            if said != self.row_number
        }
        return msgspec.json.encode(others).decode() if others else None


class _Claims(NamedTuple):
    """`rows` are one of each email, in order of the emails, made of all that were `taken`, with `field_provenances`."""

    taken: NumberedEmployees
    rows: NumberedEmployees
    field_provenances: list[str | None]
    known: frozenset[str]
    unknown: frozenset[int]


async def copy_new_claims(connection: AsyncConnection, rows: NumberedEmployees, *, sequence: int) -> Written:
    """As `copy_new_employees`, in the caller's transaction. Raises `EmailKnown`; other database errors pass through."""
    claims = await _claims_of(connection, rows, sequence)
    if claims.known:
        raise EmailKnown
    lines = [
        f"{_tabbed(values)}\t{row_number}\t{sequence}\tt\t{provenance or _EMPTY}\n".encode()
        for row_number, values, provenance in zip(*claims.rows.columns, claims.field_provenances, strict=True)
    ]
    await copy_lines(connection, b"".join(lines).replace(b"\\", b"\\\\"), (*COPIED, "field_provenance"))
    duplicates = claims.taken.others_than(claims.rows.row_numbers)
    notes = RowNotes(duplicates, (), ())
    return Written(len(claims.rows), 0, len(duplicates), notes=notes, unknown=claims.unknown)


async def merge_employees(connection: AsyncConnection, rows: NumberedEmployees, *, sequence: int) -> Written:
    """Write rows, whoever is there already, in the caller's transaction. Database errors pass through."""
    claims = await _claims_of(connection, rows, sequence)
    written = await merge_claims(connection, claims.taken, claims.rows, claims.field_provenances, sequence=sequence)
    return written._replace(unknown=claims.unknown)


async def _claims_of(connection: AsyncConnection, rows: NumberedEmployees, sequence: int) -> _Claims:
    keys = [email_key(employee[KEY]) for employee in rows.employees]
    lacking = {key for key, employee in zip(keys, rows.employees, strict=True) if lacks_a_value(employee)}
    known = await _lock_known(connection, sorted(lacking))
    claims: dict[str, _Claim] = {}
    unknown = []
    for key, row_number, employee in zip(keys, *rows.columns, strict=True):
        if key in claims:
            claims[key].add(row_number, employee)
        elif key in known or not lacks_a_value(employee):
            claims[key] = _Claim(row_number, employee)
        else:
            unknown.append(row_number)
    ordered = [claims[key] for key in sorted(claims)]
    chosen = NumberedEmployees([claim.row_number for claim in ordered], [claim.values for claim in ordered])
    provenances = [claim.field_provenance(sequence) for claim in ordered]
    return _Claims(
        rows.only(rows.others_than(unknown)) if unknown else rows, chosen, provenances, known, frozenset(unknown)
    )


def lacks_a_value(values: EmployeeValues) -> bool:
    return _EMPTY in values and any(values[at] == _EMPTY for at in _NEVER_NULL)


async def _lock_known(connection: AsyncConnection, emails: Sequence[str]) -> frozenset[str]:
    if not emails:
        return frozenset()
    found: Any = (await connection.execute(_LOCK_KNOWN, {"emails": emails})).scalars()
    return frozenset(found)


def _tabbed(values: EmployeeValues) -> str:
    return "\t".join(values)
