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

FIELD_NAMES: Final = frozenset({"onDuplicate", "delimiter", "encoding", "header", "mapping"})

_HEADER: Final = ("auto", "present", "absent")


@dataclass(frozen=True, slots=True)
class UploadOptions:
    on_duplicate: DuplicateMode
    format: FormatOptions

    def fingerprint(self, sha256: str) -> str:
        """Equal for equal content with equal options."""
        canonical = json.dumps([sha256, asdict(self)], sort_keys=True)
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
        ),
    )


def _choose(name: str, fields: Mapping[str, str], choices: tuple[str, ...], default: str) -> str:
    value = fields.get(name, default)
    if value not in choices:
        detail = f"must be one of {', '.join(choices)}"
        raise Problem(
            ProblemCode.INVALID_REQUEST,
            f"The field {name} {detail}.",
            errors=[{"location": f"body.{name}", "detail": detail}],
        )
    return value
