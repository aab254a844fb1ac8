"""What is to become of a file: one thread reads it top to bottom, and shares no code with the services.

Written from the rules in words (docs/architecture.md), with plain string operations. It knows UTF-8 files with a
header in any language and order, below titles or not (`reference_header`), and extra columns.

Of the declared fields it takes what is no rule: their names and order, which may be empty or lacking, and how long a
text may be. What a name, a mobile and an email must be it says again, in its own words; any other field is a text.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, NamedTuple

from shared.rows.fields import FIELD_NAMES, FIELDS
from tests.support.reference_cells import Fault, judged, plain
from tests.support.reference_header import FoundHeader, find_header
from tests.support.reference_reading import FileShape, ReadRecord, looks_like_an_email, read_text

KEY: Final = FIELD_NAMES.index("email")
NAME: Final = FIELD_NAMES.index("employee_name")

Mode = Literal["skip", "update", "reject"]
Fate = Literal["inserted", "updated", "duplicate", "rejected"]


Values = tuple[str | None, ...]


class ExpectedEmployee(NamedTuple):
    """One row of the table; `row_number` is that of the file's row it stands as, 0 = of an earlier file."""

    row_number: int
    values: Values

    @property
    def key(self) -> str:
        return _key(self.values)


class Rejected(NamedTuple):
    row_number: int
    line_number: int
    codes: tuple[str, ...]
    cells: tuple[str, ...]

    @property
    def code(self) -> str:
        return self.codes[0]


@dataclass
class Expected:
    """The table (by lower-case email) and an upload's counts and rejects, as they have to be in the end."""

    columns: list[str]
    employees: dict[str, ExpectedEmployee]
    rows_read: int = 0
    blank_rows: int = 0
    inserted: int = 0
    updated: int = 0
    duplicates: int = 0
    rejects: list[Rejected] = field(default_factory=list)
    # Of each row, in file order: the line it begins on, and what becomes of it.
    line_numbers: array[int] = field(default_factory=lambda: array("q"))
    fates: list[Fate] = field(default_factory=list)
    # The keys of the emails of rows that are duplicates.
    repeated: dict[int, str] = field(default_factory=dict)

    @property
    def rejected_by(self) -> dict[str, int]:
        return dict(Counter(reject.code for reject in self.rejects))


def read_top_to_bottom(
    path: Path,
    mode: Mode = "skip",
    before: Mapping[str, ExpectedEmployee] | None = None,
    failing_rows: Mapping[int, str] | None = None,
    optional: Sequence[str] = (),
) -> Expected:
    """`before` is the table as an earlier file left it; `failing_rows` are rejected with their code for a reason that
    the file does not show; `optional` are the fields that the sender called so."""
    header, records = read_records(path, optional)
    columns = header.columns
    places = [header.places.get(name, ()) for name in FIELD_NAMES]
    table = {key: employee._replace(row_number=0) for key, employee in (before or {}).items()}
    expected = Expected(columns, table)
    failing = failing_rows or {}
    row_number = 0
    for line_number, raw_cells, code in records:
        if code is None and not any(map(plain, map(drop_apostrophe, raw_cells))):
            expected.blank_rows += 1
            continue
        row_number += 1
        expected.rows_read = row_number
        expected.line_numbers.append(line_number)
        expected.fates.append("rejected")
        cells = [drop_apostrophe(cell) for cell in raw_cells]
        known = failing.get(row_number) or code
        outcome: Values | list[str] = [known] if known else _judge(cells, len(columns), places, optional)
        if not isinstance(outcome, list) and (code := _write(expected, mode, row_number, outcome)):
            outcome = [code]
        if isinstance(outcome, list):
            expected.rejects.append(Rejected(row_number, line_number, tuple(outcome), tuple(cells)))
    return expected


def read_records(path: Path, optional: Sequence[str] = ()) -> tuple[FoundHeader, Iterator[ReadRecord]]:
    """The header, and the records below, whose width and place for the email tell what a row looks like."""
    text = path.read_bytes().decode("utf-8-sig", "replace")
    header = find_header(text, optional)
    shape = FileShape(header.delimiter, len(header.columns), header.places["email"][0])
    return header, read_text(text, shape, header.below)


def _write(expected: Expected, mode: Mode, row_number: int, outcome: Values) -> str | None:
    """The code with which this mode rejects it."""
    key = _key(outcome)
    known = expected.employees.get(key)
    if known is None and outcome[NAME] is None:
        return "unknown_email"
    employee = ExpectedEmployee(row_number, outcome)
    fates = expected.fates
    if known is None:
        expected.employees[key] = employee
        expected.inserted += 1
        fates[-1] = "inserted"
    elif mode == "reject":
        return "duplicate_email"
    elif mode == "skip":
        expected.duplicates += 1
        fates[-1] = "duplicate"
        expected.repeated[row_number] = key
    else:
        # Of the rows with one email the last is the one that counts, so the others are its duplicates.
        if known.row_number:
            expected.duplicates += 1
            fates[-1], fates[known.row_number - 1] = fates[known.row_number - 1], "duplicate"
            expected.repeated[known.row_number] = key
        else:
            expected.updated += 1
            fates[-1] = "updated"
        # What a row does not say stays.
        values = tuple(before if said is None else said for said, before in zip(outcome, known.values, strict=True))
        expected.employees[key] = ExpectedEmployee(row_number, values)
    return None


def _key(values: Values) -> str:
    return str(values[KEY]).lower()


def drop_apostrophe(cell: str) -> str:
    """What a report puts in front of a formula is not part of the value."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in ("=", "+", "-", "@") else cell


def _judge(
    cells: list[str], width: int, places: Sequence[tuple[int, ...]], optional: Sequence[str]
) -> Values | list[str]:
    """The clean values, or the codes of all that is wrong: the width first, then the fields in order."""
    codes = []
    if any(cell.strip() for cell in cells[width:]):
        codes.append("wrong_column_count")
        place = max(places[KEY])
        if any(map(_looks_right, cells[place + 1 :])) and not _looks_right(cells[place]):
            return codes
    clean: list[str | None] = []
    for declared, columns in zip(FIELDS, places, strict=True):
        there = [cells[at] for at in columns if at < len(cells)]
        value = judged(declared, there, is_optional=declared.name in optional)
        if isinstance(value, Fault):
            codes.append(value.code)
        else:
            clean.append(value or None)
    return codes or tuple(clean)


def _looks_right(cell: str) -> bool:
    return looks_like_an_email(cell.strip())
