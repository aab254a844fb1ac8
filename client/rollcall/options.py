"""What can be said of a file, by the names of Python and as the service's form, query and bodies have it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypedDict

OnDuplicate = Literal["skip", "update", "reject"]


class FileOptions(TypedDict, total=False):
    """What is said of an upload's file, all of it optional; None takes an option of a draft back.

    `mapping`: field to column name, or to names that are joined. `columns`: the fields of a file without a header, in
    its order, with "-" for a column that is none. `optional`: fields that the file may lack. `absent="deactivate"`
    with `absent_scope` (a company, or "all") and `absent_at_most` ("10%", 25): whom the file does not name has left.
    """

    on_duplicate: OnDuplicate | None
    delimiter: str | None
    encoding: str | None
    header: Literal["auto", "present", "absent"] | None
    header_line: int | None
    mapping: Mapping[str, str | Sequence[str]] | None
    sheet: str | int | None
    columns: str | Sequence[str] | None
    optional: str | Sequence[str] | None
    escape: Literal["backslash"] | None
    absent: Literal["deactivate"] | None
    absent_scope: str | None
    absent_at_most: str | int | None
    max_rejects: int | None


OPTION_NAMES: Final = tuple(FileOptions.__annotations__)


def camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def form_fields(options: Mapping[str, Any]) -> dict[str, str]:
    """As texts, for a form or a query; what is None or nothing is left out. Raises TypeError for an unknown name."""
    return {
        camel(name): _text(value)
        for name, value in _known(options).items()
        if value is not None and value != "" and value != []
    }


def changed_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON, for a change of a draft: None stays, and takes the option back."""
    return {camel(name): value for name, value in _known(options).items()}


def _known(options: Mapping[str, Any]) -> Mapping[str, Any]:
    if unknown := set(options) - set(OPTION_NAMES):
        raise TypeError(f"no such option: {', '.join(sorted(unknown))}; there are {', '.join(OPTION_NAMES)}")
    return options


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return json.dumps(value)
    if isinstance(value, str | int):
        return str(value)
    return ",".join(value)
