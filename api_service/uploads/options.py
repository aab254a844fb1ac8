"""The form fields beside the file: what they may say, and what makes two requests the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final, Literal, cast

from api_service.http.problems import Problem, ProblemCode
from shared.duplicate_mode import DEFAULT_DUPLICATE_MODE, DUPLICATE_MODES, DuplicateMode
from shared.rows.format_judge import FormatOptions, parse_mapping

FIELD_NAMES: Final = frozenset({"onDuplicate", "delimiter", "encoding", "header", "mapping", "escape", "sheet"})

_HEADER: Final = ("auto", "present", "absent")
_ESCAPE: Final = ("backslash",)


@dataclass(frozen=True, slots=True)
class UploadOptions:
    on_duplicate: DuplicateMode
    format: FormatOptions
    sheet: str | None = None

    def fingerprint(self, sha256: str) -> str:
        """Equal for equal content with equal options, and the same in every release that knows these options."""
        options = asdict(self)
        if self.format.escape is None:
            # Releases up to 0.2.0 did not know it, and a request that one of them took may be sent again.
            del options["format"]["escape"]
        if self.sheet is None:
            del options["sheet"]
        canonical = json.dumps([sha256, options], sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()


def parse_options(fields: Mapping[str, str]) -> UploadOptions:
    """Raises `Problem` invalid_request, or FileProblem invalid_mapping. The rest is judged with the file."""
    mapping = fields.get("mapping")
    return UploadOptions(
        cast("DuplicateMode", _choose("onDuplicate", fields, DUPLICATE_MODES, DEFAULT_DUPLICATE_MODE)),
        FormatOptions(
            delimiter=fields.get("delimiter"),
            encoding=fields.get("encoding"),
            header=cast("Literal['auto', 'present', 'absent']", _choose("header", fields, _HEADER, "auto")),
            mapping=parse_mapping(mapping) if mapping else None,
            escape=cast("Literal['backslash'] | None", _choose("escape", fields, _ESCAPE, None)),
        ),
        fields.get("sheet"),
    )


def _choose(name: str, fields: Mapping[str, str], choices: tuple[str, ...], default: str | None) -> str | None:
    value = fields.get(name, default)
    if name in fields and value not in choices:
        detail = f"must be one of {', '.join(choices)}" if default else f"must be {' or '.join(choices)}, or left out"
        raise Problem(
            ProblemCode.INVALID_REQUEST,
            f"The field {name} {detail}.",
            errors=[{"location": f"body.{name}", "detail": detail}],
        )
    return value
