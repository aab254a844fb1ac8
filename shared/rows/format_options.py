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
    `optional` are fields that the file may lack and its cells may leave empty, in their declared order.
    """

    delimiter: str | None = None
    encoding: str | None = None
    header: Literal["auto", "present", "absent"] = "auto"
    mapping: Mapping[str, list[str]] | None = None
    escape: Literal["backslash"] | None = None
    header_line: int | None = None
    columns: tuple[str, ...] | None = None
    optional: tuple[str, ...] = ()

    @property
    def needed(self) -> tuple[str, ...]:
        """The fields that a header must have columns for."""
        return tuple(name for name in REQUIRED_NAMES if name not in self.optional)

    @property
    def backslash_escapes(self) -> bool:
        return self.escape == "backslash"
