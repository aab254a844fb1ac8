"""What is to become of a file: one thread reads it top to bottom, and shares no code with the services.

Written from the rules in words (docs/architecture.md), with plain string operations. It knows UTF-8 files with a
header in any language and order, below titles or not (`reference_header`), and extra columns.

Of the declared fields it takes what is no rule: their names and order, which may be empty or lacking, and how long a
text may be. What a name, a mobile and an email must be it says again, in its own words; any other field is a text.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, NamedTuple

from shared.rows.fields import FIELD_NAMES, FIELDS, Field
from tests.support.reference_header import FoundHeader, find_header
from tests.support.reference_reading import FileShape, ReadRecord, read_text

KEY: Final = FIELD_NAMES.index("email")
LOCAL_CHARACTERS: Final = frozenset(string.ascii_letters + string.digits + ".!#$%&'*+/=?^_`{|}~-")
WHITE_SPACE_CONTROLS: Final = frozenset("\t\n\v\f\r\x85")
JOINERS: Final = "\u200c\u200d"

Mode = Literal["skip", "update", "reject"]


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
    code: str
    cells: tuple[str, ...]


@dataclass
class Expected:
    """The table (by lower-case email) and an upload's counts and rejects, as they have to be in the end."""

    columns: list[str]
    employees: dict[str, ExpectedEmployee]
    rows_read: int = 0
    inserted: int = 0
    updated: int = 0
    duplicates: int = 0
    rejects: list[Rejected] = field(default_factory=list)

    @property
    def rejected_by(self) -> dict[str, int]:
        return dict(Counter(reject.code for reject in self.rejects))


def read_top_to_bottom(
    path: Path,
    mode: Mode = "skip",
    before: Mapping[str, ExpectedEmployee] | None = None,
    failing_rows: Mapping[int, str] | None = None,
) -> Expected:
    """`before` is the table as an earlier file left it; `failing_rows` are rejected with their code for a reason that
    the file does not show."""
    header, records = read_records(path)
    columns = header.columns
    places = [header.places.get(name, ()) for name in FIELD_NAMES]
    table = {key: employee._replace(row_number=0) for key, employee in (before or {}).items()}
    expected = Expected(columns, table)
    failing = failing_rows or {}
    for row_number, (line_number, raw_cells, code) in enumerate(records, 1):
        expected.rows_read = row_number
        cells = [drop_apostrophe(cell) for cell in raw_cells]
        outcome = failing.get(row_number) or code or _judge(cells, len(columns), places)
        if isinstance(outcome, str):
            expected.rejects.append(Rejected(row_number, line_number, outcome, tuple(cells)))
        elif not _write(expected, mode, row_number, outcome):
            expected.rejects.append(Rejected(row_number, line_number, "duplicate_email", tuple(cells)))
    return expected


def read_records(path: Path) -> tuple[FoundHeader, Iterator[ReadRecord]]:
    """The header, and the records below, whose width and place for the email tell what a row looks like."""
    text = path.read_bytes().decode("utf-8-sig", "replace")
    header = find_header(text)
    shape = FileShape(header.delimiter, len(header.columns), header.places["email"][0])
    return header, read_text(text, shape, header.below)


def _write(expected: Expected, mode: Mode, row_number: int, outcome: Values) -> bool:
    """False: this mode rejects it."""
    key = _key(outcome)
    known = expected.employees.get(key)
    employee = ExpectedEmployee(row_number, outcome)
    if known is None:
        expected.employees[key] = employee
        expected.inserted += 1
    elif mode == "reject":
        return False
    elif mode == "skip":
        expected.duplicates += 1
    else:
        # Of the rows with one email the last is the one that counts, so the others are its duplicates.
        if known.row_number:
            expected.duplicates += 1
        else:
            expected.updated += 1
        expected.employees[key] = employee
    return True


def _key(values: Values) -> str:
    return str(values[KEY]).lower()


def drop_apostrophe(cell: str) -> str:
    """What a report puts in front of a formula is not part of the value."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in ("=", "+", "-", "@") else cell


def _judge(cells: list[str], width: int, places: Sequence[tuple[int, ...]]) -> Values | str:
    """The clean values, or the code of the first thing that is wrong."""
    if len(cells) < width or any(cell.strip() for cell in cells[width:]):
        return "wrong_column_count"
    clean: list[str | None] = []
    for declared, place in zip(FIELDS, places, strict=True):
        cell = " ".join(cells[at] for at in place)
        value = " ".join(cell.split()).strip(" " + JOINERS)
        if not value and not declared.may_be_empty:
            return "missing_value"
        if value and (fault := _character_fault(cell) or _field_fault(declared, value)):
            return fault
        clean.append((_digits(value) if declared.name == "mobile_no" else value) or None)
    return tuple(clean)


def _character_fault(cell: str) -> str | None:
    if cell.isascii() and cell.isprintable():
        return None
    for character in cell:
        category = unicodedata.category(character)
        if category in ("Cc", "Cf") and character not in WHITE_SPACE_CONTROLS and character not in JOINERS:
            return "control_character"
        if character == "\ufffd" or category == "Cs":
            return "unreadable_character"
    return None


def _field_fault(declared: Field, value: str) -> str | None:
    match declared.name:
        case "mobile_no":
            if re.fullmatch(r"[+-]?\d+([.,]\d*)?[eE][+-]?\d+", value):
                return "spreadsheet_damage"
            digits = _digits(value).removeprefix("+")
            return None if digits.isascii() and digits.isdigit() and 7 <= len(digits) <= 15 else "invalid_mobile"
        case "email":
            if len(value) > 254:
                return "value_too_long"
            return None if _is_email(value) else "invalid_email"
        case "employee_name" | "company_name":
            return "value_too_long" if len(value) > 200 else None
        case _:
            return "value_too_long" if len(value) > declared.rule.limit else None


def _digits(mobile: str) -> str:
    return "".join(character for character in mobile if character not in " .-()")


def _is_email(value: str) -> bool:
    local, _, domain = value.rpartition("@")
    labels = domain.split(".")
    return (
        1 <= len(local) <= 64
        and LOCAL_CHARACTERS.issuperset(local)
        and len(labels) >= 2
        and all(
            1 <= len(label) <= 63
            and label.isascii()
            and label.replace("-", "a").isalnum()
            and not label.startswith("-")
            and not label.endswith("-")
            for label in labels
        )
    )
