"""Which column of a header is which field: canonical names, their aliases, or the sender's own mapping."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn

from shared.errors import FileCode, FileProblem
from shared.rows.employee_row import FIELDS, Layout

# Names are compared without case, spaces, underscores, dashes and dots, so one spelling here stands for many:
# "e-mail", "E_Mail" and "EMAIL" are one.
ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "employee_name": ("name", "full name", "employee", "employee full name", "person", "person name", "staff name"),
    "company_name": (
        "company", "organization", "organisation", "organization name", "organisation name", "employer",
        "employer name", "business", "business name", "firm",
    ),
    "mobile_no": (
        "mobile", "mobile number", "mobile phone", "mobile phone number", "phone", "phone no", "phone number",
        "telephone", "telephone number", "tel", "cell", "cell phone", "cell number", "contact no", "contact number",
    ),
    "email": ("mail", "email address", "email id", "mail address", "employee email", "work email", "business email"),
}  # fmt: skip
# One of each pair together make an employee_name.
FIRST_NAMES: Final = ("first name", "given name", "forename")
LAST_NAMES: Final = ("last name", "family name", "surname")

_MOST_NAMES_SHOWN: Final = 20
_MOST_CHARACTERS_SHOWN: Final = 40
_ignored = re.compile(r"[\s_.\-\u2010-\u2015\ufeff]+")


def _folded(name: str) -> str:
    return _ignored.sub("", name).casefold()


_CANONICAL: Final = {field: _folded(field) for field in FIELDS}
_FOLDED_ALIASES: Final = {field: frozenset(map(_folded, names)) for field, names in ALIASES.items()}
_FOLDED_FIRST_NAMES: Final = frozenset(map(_folded, FIRST_NAMES))
_FOLDED_LAST_NAMES: Final = frozenset(map(_folded, LAST_NAMES))


def parse_mapping(text: str) -> dict[str, list[str]]:
    """Read the form field `mapping`: a JSON object, field → column name or list of names to join with a space.

    Raises FileProblem invalid_mapping.
    """
    try:
        mapping = json.loads(text)
    except (ValueError, RecursionError):
        raise _invalid_mapping("it is no JSON") from None
    if not isinstance(mapping, dict):
        raise _invalid_mapping("it is no JSON object")
    parsed: dict[str, list[str]] = {}
    for field, value in mapping.items():
        if field not in FIELDS:
            raise _invalid_mapping(f"{_quoted([field])} is none of the fields {', '.join(FIELDS)}")
        names = [value] if isinstance(value, str) else value
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise _invalid_mapping(f"the value of {field} is neither a column name nor a list of names")
        parsed[field] = names
    return parsed


def find_layout(columns: Sequence[str], mapping: Mapping[str, Sequence[str]] | None = None) -> Layout:
    """Find each field's column. The mapping comes first, then the canonical name, then the aliases.

    Raises FileProblem: unknown_column (mapped but not there), ambiguous_columns, missing_columns.
    """
    places: dict[str, list[int]] = {}
    for place, column in enumerate(columns):
        places.setdefault(_folded(column), []).append(place)
    fields = {}
    for field in FIELDS:
        if mapping and field in mapping:
            fields[field] = tuple(_mapped_place(field, name, columns, places) for name in mapping[field])
        else:
            fields[field] = _named_places(field, columns, places)
    missing = [field for field in FIELDS if not fields[field]]
    if missing:
        _raise_missing(missing, columns)
    return Layout(len(columns), tuple(fields[field] for field in FIELDS))


def _mapped_place(field: str, name: str, columns: Sequence[str], places: Mapping[str, list[int]]) -> int:
    wanted = name.strip()
    found = [place for place, column in enumerate(columns) if column == wanted] or places.get(_folded(name), [])
    if not found:
        raise FileProblem(
            FileCode.UNKNOWN_COLUMN,
            f"The mapping of {field} names the column {_quoted([name])}, which the header lacks. "
            f"It has: {_quoted(columns)}.",
        )
    if len(found) > 1:
        _raise_ambiguous(field, [columns[place] for place in found])
    return found[0]


def _named_places(field: str, columns: Sequence[str], places: Mapping[str, list[int]]) -> tuple[int, ...]:
    """The columns of a field that is not mapped; none if it is missing."""
    found = places.get(_CANONICAL[field], []) or [
        place for name in _FOLDED_ALIASES[field] for place in places.get(name, [])
    ]
    parts: tuple[int, ...] = ()
    if field == "employee_name" and _CANONICAL[field] not in places:
        first = [place for name in _FOLDED_FIRST_NAMES for place in places.get(name, [])]
        last = [place for name in _FOLDED_LAST_NAMES for place in places.get(name, [])]
        if first and last:
            if found or len(first) > 1 or len(last) > 1:
                _raise_ambiguous(field, [columns[place] for place in sorted(found + first + last)])
            parts = (first[0], last[0])
    if len(found) > 1:
        _raise_ambiguous(field, [columns[place] for place in sorted(found)])
    return tuple(found) or parts


def _raise_ambiguous(field: str, names: Sequence[str]) -> NoReturn:
    raise FileProblem(
        FileCode.AMBIGUOUS_COLUMNS,
        f"More than one column could be {field}: {_quoted(names)}. Say which one with `mapping`, or rename the others.",
        ({"field": field, "detail": f"could be any of {_quoted(names)}"},),
    )


def _raise_missing(missing: Sequence[str], columns: Sequence[str]) -> NoReturn:
    errors = []
    for field in missing:
        hint = f"no column is called {field} or has one of its other names"
        if field == "employee_name":
            hint += "; a first name needs a last name beside it, and the other way round"
        errors.append({"field": field, "detail": hint})
    raise FileProblem(
        FileCode.MISSING_COLUMNS,
        f"The file has no column for {', '.join(missing)}. The first line has: {_quoted(columns)}. Rename the columns, "
        "say what is what with `mapping`, or give `delimiter` if the line is cut in the wrong places.",
        tuple(errors),
    )


def _invalid_mapping(reason: str) -> FileProblem:
    return FileProblem(
        FileCode.INVALID_MAPPING,
        f"The mapping cannot be used: {reason}. "
        'It looks like this: {"employee_name": ["First", "Last"], "mobile_no": "Cell"}.',
    )


def _quoted(names: Sequence[str]) -> str:
    shown = [
        f"“{name[:_MOST_CHARACTERS_SHOWN]}{'…' if len(name) > _MOST_CHARACTERS_SHOWN else ''}”"
        for name in names[:_MOST_NAMES_SHOWN]
    ]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
