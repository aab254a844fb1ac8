"""The meaning of one row: the clean values of its fields, or all that is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from shared.errors import RowCode
from shared.rows.cell_text import bare, has_spreadsheet_error
from shared.rows.fields import FIELDS, KEY, Field
from shared.rows.layout import Layout
from shared.rows.rules.email import is_email
from shared.rows.rules.rule import RowFault
from shared.rows.rules.text import REFUSED, UNREADABLE, name_of

# An accepted row: the values of its fields in the order of `FIELDS`, as they are stored; "" is stored as null.
EmployeeValues = tuple[str, ...]
# All that is wrong with a row: its width, then its fields in order, one fault each.
RowFaults = list[RowFault]

_refused = re.compile(f"[{REFUSED}]")
_unreadable = re.compile(f"[{UNREADABLE}]")
_unstorable = re.compile(r"[\x00\ud800-\udfff]")


def check_row(cells: Sequence[str], layout: Layout) -> EmployeeValues | RowFaults:
    """Clean one record, or name all that is wrong with it. Cells that are missing at its end are empty."""
    faults: RowFaults = []
    if len(cells) > layout.width and any(map(str.strip, cells[layout.width :])):
        faults.append(_too_wide(len(cells), layout.width))
        if _is_shifted(cells, layout):
            # What stands under each name may belong to another.
            return faults
    cleaned = []
    for field, columns in zip(FIELDS, layout.in_order, strict=True):
        value = clean_value(field, _joined(cells, columns), is_optional=field.name in layout.optional)
        if isinstance(value, RowFault):
            faults.append(value)
        else:
            cleaned.append(value)
    return faults or tuple(cleaned)


def email_key(email: str) -> str:
    """Two rows with the same key are the same employee; it is equal to `lower(email)` in the database."""
    return email.lower()


def storable(cells: Sequence[str]) -> list[str]:
    """The cells as JSON and Postgres take them: NUL and lone surrogates, which neither does, become U+FFFD."""
    return [_unstorable.sub("\ufffd", cell) for cell in cells]


def clean_value(field: Field, value: str, *, is_optional: bool = False) -> str | RowFault:
    """A cell, or several joined, as it is stored, or why it is refused. `is_optional`: the sender said so."""
    text = bare(value)
    if is_optional and text.casefold() in field.words_for_none:
        return ""
    if not text:
        if field.may_be_empty or is_optional:
            return ""
        return RowFault(RowCode.MISSING_VALUE, field.name, f"{field.name} is empty: fill it in.")
    if found := _refused.search(text):
        return RowFault(
            RowCode.CONTROL_CHARACTER,
            field.name,
            f"{field.name} has a control or invisible character inside, {name_of(found[0])}: delete it, or type the "
            "value anew.",
        )
    if found := _unreadable.search(text):
        return RowFault(
            RowCode.UNREADABLE_CHARACTER,
            field.name,
            f"{field.name} has an unreadable character at position {found.start() + 1}: correct it, or "
            "send the file with the encoding it was saved in.",
        )
    if has_spreadsheet_error(text):
        return RowFault(
            RowCode.SPREADSHEET_DAMAGE,
            field.name,
            f"{field.name} holds the error of a formula that a spreadsheet could not work out, such as #N/A: write the "
            "value itself, or mend the formula and export anew.",
        )
    return field.rule.clean(field.name, text)


def joined_value(cells: Sequence[str], layout: Layout, field: int) -> str | RowFault:
    """One field of a record, by its place in `FIELDS`."""
    return clean_value(FIELDS[field], _joined(cells, layout.in_order[field]))


def _joined(cells: Sequence[str], columns: Sequence[int]) -> str:
    there = [cells[at] for at in columns if at < len(cells)]
    return there[0] if len(there) == 1 else " ".join(map(bare, there))


def _too_wide(count: int, width: int) -> RowFault:
    return RowFault(
        RowCode.WRONG_COLUMN_COUNT,
        None,
        f"The row has {count} cells where the file has {width} columns, and not only empty ones beyond those: most "
        "likely a cell contains the delimiter and must stand in double quotes. Otherwise remove what is too much.",
    )


def _is_shifted(cells: Sequence[str], layout: Layout) -> bool:
    """Whether an email stands not in its column but further right, as after an unquoted delimiter."""
    columns = layout.in_order[KEY]
    if is_email(_joined(cells, columns).strip()):
        return False
    return any(is_email(cell.strip()) for cell in cells[max(columns, default=-1) + 1 :])
