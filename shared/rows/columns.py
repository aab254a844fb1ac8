"""Which column of a header is which field: canonical names, their aliases, or the sender's own mapping."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Final, NoReturn

from shared.errors import FileCode, FileProblem
from shared.rows.fields import FIELD_NAMES, FIELDS, Field
from shared.rows.layout import Layout

_MOST_NAMES_SHOWN: Final = 20
_MOST_CHARACTERS_SHOWN: Final = 40
_ignored = re.compile(r"[\s_.\-\u2010-\u2015\ufeff]+")


def _folded(name: str) -> str:
    return _ignored.sub("", name).casefold()


_CANONICAL: Final = {field.name: _folded(field.name) for field in FIELDS}
_ALIASES: Final = {field.name: frozenset(map(_folded, field.aliases)) for field in FIELDS}
_PARTS: Final = {field.name: [frozenset(map(_folded, names)) for names in field.parts] for field in FIELDS}


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
        if field not in FIELD_NAMES:
            raise _invalid_mapping(f"{_quoted([field])} is none of the fields {', '.join(FIELD_NAMES)}")
        names = [value] if isinstance(value, str) else value
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise _invalid_mapping(f"the value of {field} is neither a column name nor a list of names")
        parsed[field] = names
    return parsed


def find_layout(columns: Sequence[str], mapping: Mapping[str, Sequence[str]] | None = None) -> Layout:
    """Find each field's column. The mapping comes first, then the canonical name, then the aliases.

    Raises FileProblem: unknown_column (mapped but not there), ambiguous_columns, missing_columns (of required fields).
    """
    places: dict[str, list[int]] = {}
    for place, column in enumerate(columns):
        places.setdefault(_folded(column), []).append(place)
    found: dict[str, tuple[int, ...]] = {}
    for name in FIELD_NAMES:
        if mapping and name in mapping:
            found[name] = tuple(_mapped_place(name, column, columns, places) for column in mapping[name])
        else:
            found[name] = _named_places(name, columns, places)
    missing = [field for field in FIELDS if not found[field.name] and not field.is_optional]
    if missing:
        _raise_missing(missing, columns)
    return Layout(len(columns), {name: indices for name, indices in found.items() if indices})


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
    found = places.get(_CANONICAL[field], []) or [place for name in _ALIASES[field] for place in places.get(name, [])]
    joined: tuple[int, ...] = ()
    if _CANONICAL[field] not in places:
        parts = [[place for name in names for place in places.get(name, [])] for names in _PARTS[field]]
        if parts and all(parts):
            if found or any(len(part) > 1 for part in parts):
                _raise_ambiguous(field, [columns[place] for place in sorted([*found, *chain(*parts)])])
            joined = tuple(part[0] for part in parts)
    if len(found) > 1:
        _raise_ambiguous(field, [columns[place] for place in sorted(found)])
    return tuple(found) or joined


def _raise_ambiguous(field: str, names: Sequence[str]) -> NoReturn:
    raise FileProblem(
        FileCode.AMBIGUOUS_COLUMNS,
        f"More than one column could be {field}: {_quoted(names)}. Say which one with `mapping`, or rename the others.",
        ({"field": field, "detail": f"could be any of {_quoted(names)}"},),
    )


def _raise_missing(missing: Sequence[Field], columns: Sequence[str]) -> NoReturn:
    errors = []
    for field in missing:
        hint = f"no column is called {field.name} or has one of its other names"
        if field.parts:
            one, other = (names[0] for names in field.parts)
            hint += f"; a {one} needs a {other} beside it, and the other way round"
        errors.append({"field": field.name, "detail": hint})
    raise FileProblem(
        FileCode.MISSING_COLUMNS,
        f"The file has no column for {', '.join(field.name for field in missing)}. The first line has: "
        f"{_quoted(columns)}. Rename the columns, "
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
