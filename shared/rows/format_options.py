"""What the sender may say about a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from shared.rows.fields import REQUIRED_NAMES


@dataclass(frozen=True, slots=True)
class FormatOptions:
    """What the sender says about the file; None and `auto` leave it to the file.

    `header_line` is the physical line of the header. `columns` are the names of the columns of a file without one.
    """

    delimiter: str | None = None
    encoding: str | None = None
    header: Literal["auto", "present", "absent"] = "auto"
    mapping: Mapping[str, list[str]] | None = None
    escape: Literal["backslash"] | None = None
    header_line: int | None = None
    columns: tuple[str, ...] | None = None

    @property
    def needed(self) -> tuple[str, ...]:
        """The fields that a header must have columns for."""
        return REQUIRED_NAMES

    @property
    def backslash_escapes(self) -> bool:
        return self.escape == "backslash"
