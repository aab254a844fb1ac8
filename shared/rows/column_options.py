"""What the sender says of the columns: `mapping` for a file with a header, `columns` for one without."""

from __future__ import annotations

import json
from typing import Final, NoReturn

from shared.errors import FileCode, FileProblem
from shared.rows.column_names import ColumnNames
from shared.rows.column_problems import quoted
from shared.rows.fields import FIELD_NAMES, FIELDS

# What `columns` calls a column that is none of the fields.
NO_FIELD: Final = "-"
MOST_COLUMNS: Final = 16_384


def parse_mapping(text: str) -> dict[str, list[str]]:
    """Read the form field `mapping`: a JSON object, field → column name or list of names to join with a space.

    Raises FileProblem invalid_mapping.
    """
    try:
        mapping = json.loads(text)
    except (ValueError, RecursionError):
        _refuse_mapping("it is no JSON")
    if not isinstance(mapping, dict):
        _refuse_mapping("it is no JSON object")
    parsed: dict[str, list[str]] = {}
    for field, value in mapping.items():
        if field not in FIELD_NAMES:
            _refuse_mapping(f"{quoted([field])} is none of the fields {', '.join(FIELD_NAMES)}")
        names = [value] if isinstance(value, str) else value
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            _refuse_mapping(f"the value of {field} is neither a column name nor a list of names")
        parsed[field] = names
    return parsed


def parse_columns(text: str) -> tuple[str, ...]:
    """Read the form field `columns`: the names of fields or of their parts in the order of the file, `-` for no field.

    A field with parts may stand there once for each: the columns of its first and its last name. Raises FileProblem
    invalid_mapping.
    """
    names = [name.strip() for name in text.split(",")]
    if len(names) > MOST_COLUMNS:
        _refuse_columns(f"it names more than {MOST_COLUMNS} columns")
    known = _known_places(names)
    for place, name in enumerate(names):
        if name != NO_FIELD and place not in known:
            _refuse_columns(f"{quoted([name])} is none of the fields {', '.join(FIELD_NAMES)}, and no part of a name")
    return tuple(_with_parts(names))


def _known_places(names: list[str]) -> set[int]:
    columns = ColumnNames(names)
    kinds = [kind for field in FIELDS for kind in (field.name, *field.kinds, *field.half_kinds)]
    kinds += [kind for field in FIELDS for part in field.parts for kind in part.kinds]
    return {column.place for column in columns.of_kinds(kinds)}


def _with_parts(names: list[str]) -> list[str]:
    """With the first and the last name where the whole name is named twice, so that a report has a header again."""
    for field in FIELDS:
        places = [place for place, name in enumerate(names) if name == field.name]
        needed = [part.name for part in field.parts if part.is_needed]
        if len(places) > 1 and len(places) == len(needed):
            for place, part in zip(places, needed, strict=True):
                names[place] = part
    return names


def _refuse_mapping(reason: str) -> NoReturn:
    raise FileProblem(
        FileCode.INVALID_MAPPING,
        f"The mapping cannot be used: {reason}. "
        'It looks like this: {"employee_name": ["First", "Last"], "mobile_no": "Cell"}.',
    )


def _refuse_columns(reason: str) -> NoReturn:
    raise FileProblem(
        FileCode.INVALID_MAPPING,
        f"`columns` cannot be used: {reason}. It names the fields in the order of the file, with - for a column that "
        "is none of them, such as: -,email,employee_name,mobile_no,company_name.",
    )
