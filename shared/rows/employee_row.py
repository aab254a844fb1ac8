"""The meaning of one row: the clean values of its fields, or the one reason why not."""

from __future__ import annotations

import re
from collections.abc import Sequence

from shared.errors import RowCode
from shared.rows.fields import FIELDS, Field
from shared.rows.layout import Layout
from shared.rows.rules import JOINERS, REFUSED, SPACES, UNREADABLE, RowFault

# An accepted row: the values of its fields in the order of `FIELDS`, as they are stored; "" is stored as null.
EmployeeValues = tuple[str, ...]

_space_run = re.compile(rf"[ {SPACES}]+")
_refused = re.compile(f"[{REFUSED}]")
_unreadable = re.compile(f"[{UNREADABLE}]")
_unstorable = re.compile(r"[\x00\ud800-\udfff]")


def check_row(cells: Sequence[str], layout: Layout) -> EmployeeValues | RowFault:
    """Clean one record, or name the first thing wrong with it: its width, then its fields in order."""
    if len(cells) != layout.width and (fault := _check_width(cells, layout)):
        return fault
    cleaned = []
    for field, columns in zip(FIELDS, layout.in_order, strict=True):
        value = clean_value(field, " ".join([cells[at] for at in columns]))
        if isinstance(value, RowFault):
            return value
        cleaned.append(value)
    return tuple(cleaned)


def email_key(email: str) -> str:
    """Two rows with the same key are the same employee; it is equal to `lower(email)` in the database."""
    return email.lower()


def storable(cells: Sequence[str]) -> list[str]:
    """The cells as JSON and Postgres take them: NUL and lone surrogates, which neither does, become U+FFFD."""
    return [_unstorable.sub("\ufffd", cell) for cell in cells]


def clean_value(field: Field, value: str) -> str | RowFault:
    """A cell as it is stored, or why it is refused."""
    text = _space_run.sub(" ", value).strip(" " + JOINERS)
    if not text:
        if field.may_be_empty:
            return ""
        return RowFault(RowCode.MISSING_VALUE, field.name, f"{field.name} is empty: fill it in.")
    if found := _refused.search(value):
        return RowFault(
            RowCode.CONTROL_CHARACTER,
            field.name,
            f"{field.name} has a control or invisible character at position {found.start() + 1}: delete it, or type "
            "the value anew.",
        )
    if found := _unreadable.search(value):
        return RowFault(
            RowCode.UNREADABLE_CHARACTER,
            field.name,
            f"{field.name} has an unreadable character at position {found.start() + 1}: correct it, or "
            "send the file with the encoding it was saved in.",
        )
    return field.rule.clean(field.name, text)


def _check_width(cells: Sequence[str], layout: Layout) -> RowFault | None:
    if len(cells) > layout.width and not any(cell.strip() for cell in cells[layout.width :]):
        return None
    return RowFault(
        RowCode.WRONG_COLUMN_COUNT,
        None,
        f"The row has {len(cells)} columns where the file has {layout.width}: add the missing cells or remove the "
        "extra ones; a cell that contains the delimiter must stand in double quotes.",
    )
