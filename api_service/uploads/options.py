"""The form fields beside the file: what they may say, and what makes two requests the same."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, cast

from api_service.uploads.absent_options import NAMES as ABSENT_NAMES
from api_service.uploads.absent_options import AbsentOptions, absent_options
from api_service.uploads.refused_option import refuse_option
from shared.duplicate_mode import DEFAULT_DUPLICATE_MODE, DUPLICATE_MODES, DuplicateMode
from shared.rows.fields import FIELDS
from shared.rows.format_judge import FormatOptions, parse_columns, parse_mapping

FIELD_NAMES: Final = frozenset(
    {
        "onDuplicate",
        "delimiter",
        "encoding",
        "header",
        "headerLine",
        "mapping",
        "columns",
        "optional",
        "escape",
        "sheet",
        "maxRejects",
        "start",
        *ABSENT_NAMES,
    }
)
# What can be said anew of a draft: all that says how its file is read and what its rows do.
OPTION_NAMES: Final = FIELD_NAMES - {"start"}

_HEADER: Final = ("auto", "present", "absent")
_ESCAPE: Final = ("backslash",)
_START: Final = ("now", "draft")
_LAST_HEADER_LINE: Final = 10_000
# Releases up to 0.2.0 did not know these, and a request that one of them took may be sent again.
_NEW_OPTIONS: Final = ("escape", "header_line", "columns", "optional")


@dataclass(frozen=True, slots=True)
class UploadOptions:
    """`max_rejects` is None where the form says nothing of it."""

    on_duplicate: DuplicateMode
    format: FormatOptions
    sheet: str | None = None
    max_rejects: int | None = None
    is_draft: bool = False
    absent: AbsentOptions | None = None

    def fingerprint(self, sha256: str) -> str:
        """Equal for equal content with equal options, and the same in every release that knows these options."""
        options = asdict(self)
        for name in _NEW_OPTIONS:
            if not options["format"][name]:
                del options["format"][name]
        if self.sheet is None:
            del options["sheet"]
        if self.max_rejects is None:
            del options["max_rejects"]
        if not self.is_draft:
            del options["is_draft"]
        if self.absent is None:
            del options["absent"]
        canonical = json.dumps([sha256, options], sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()


def parse_options(fields: Mapping[str, str], *, most_rejects: int) -> UploadOptions:
    """Raises `Problem` invalid_request, or FileProblem invalid_mapping. The rest is judged with the file.

    `most_rejects` is the largest `maxRejects` that is taken.
    """
    mapping, columns = fields.get("mapping"), fields.get("columns")
    _refuse_contradictions(fields)
    on_duplicate = cast("DuplicateMode", _choose("onDuplicate", fields, DUPLICATE_MODES, DEFAULT_DUPLICATE_MODE))
    return UploadOptions(
        on_duplicate,
        FormatOptions(
            delimiter=fields.get("delimiter"),
            encoding=fields.get("encoding"),
            header=cast("Literal['auto', 'present', 'absent']", _choose("header", fields, _HEADER, "auto")),
            mapping=parse_mapping(mapping) if mapping else None,
            escape=cast("Literal['backslash'] | None", _choose("escape", fields, _ESCAPE, None)),
            header_line=_header_line(fields),
            columns=parse_columns(columns) if columns else None,
            optional=_optional(fields, on_duplicate),
        ),
        fields.get("sheet"),
        _number("maxRejects", fields, most_rejects),
        is_draft=_choose("start", fields, _START, "now") == "draft",
        absent=absent_options(fields),
    )


def given_options(fields: Mapping[str, str]) -> dict[str, Any]:
    """The options among the fields of a form that `parse_options` took, each in its own JSON type."""
    given: dict[str, Any] = {name: value for name, value in fields.items() if name in OPTION_NAMES}
    for name in ("headerLine", "maxRejects"):
        if name in given:
            given[name] = int(given[name])
    if "mapping" in given:
        given["mapping"] = json.loads(given["mapping"])
    return given


def form_fields(given: Mapping[str, Any]) -> dict[str, str]:
    """Options in their JSON types as `parse_options` takes them; null and an empty text are no option."""
    fields = {}
    for name, value in given.items():
        match value:
            case None | "":
                continue
            case dict():
                fields[name] = json.dumps(value)
            case list() | tuple():
                fields[name] = ",".join(value)
            case _:
                fields[name] = str(value)
    return fields


def _choose(name: str, fields: Mapping[str, str], choices: tuple[str, ...], default: str | None) -> str | None:
    value = fields.get(name, default)
    if name in fields and value not in choices:
        refuse_option(
            name, f"must be one of {', '.join(choices)}" if default else f"must be {' or '.join(choices)}, or left out"
        )
    return value


def _number(name: str, fields: Mapping[str, str], most: int) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    # Neither signs nor spaces, underscores or digits of other scripts, all of which `int` takes.
    if not re.fullmatch(r"[0-9]{1,19}", value) or int(value) > most:
        refuse_option(name, f"must be a whole number from 0 to {most}, or left out")
    return int(value)


def _header_line(fields: Mapping[str, str]) -> int | None:
    value = fields.get("headerLine")
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and 1 <= int(value[:9]) <= _LAST_HEADER_LINE):
        refuse_option("headerLine", f"must be the number of a line from 1 to {_LAST_HEADER_LINE}")
    return int(value)


def _optional(fields: Mapping[str, str], on_duplicate: DuplicateMode) -> tuple[str, ...]:
    value = fields.get("optional", "")
    names = {name.strip() for name in value.split(",")} if value.strip() else set()
    may_be = [field.name for field in FIELDS if field.may_be_empty or on_duplicate in field.optional_in]
    for field in FIELDS:
        if field.name in names and field.name not in may_be:
            also = f", except with onDuplicate={' or '.join(field.optional_in)}" if field.optional_in else ""
            refuse_option("optional", f"cannot name {field.name}: every row needs one{also}")
    if not names.issubset(may_be):
        refuse_option(
            "optional",
            f"must name fields, separated by commas. With onDuplicate={on_duplicate} these can be "
            f"optional: {', '.join(may_be)}",
        )
    return tuple(name for name in may_be if name in names)


def _refuse_contradictions(fields: Mapping[str, str]) -> None:
    """`columns` and `header=absent` say that there is no header, the others that there is one."""
    if "columns" in fields:
        others = [name for name in ("headerLine", "mapping") if name in fields]
        others += ["header=present"] if fields.get("header") == "present" else []
        if others:
            refuse_option("columns", f"is for a file without a header, so it cannot come with {' or '.join(others)}")
    if "headerLine" in fields and fields.get("header") == "absent":
        refuse_option("headerLine", "says where the header is, so it cannot come with header=absent")
