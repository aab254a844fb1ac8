"""One row of a file as the readers of all versions give it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from shared.errors import RowCode

# What a reader itself refuses a row with; everything else is found in its cells.
ReaderFault = Literal[RowCode.ROW_TOO_LONG, RowCode.MALFORMED_QUOTES]


# What is said of such a row where the reader has no more to say of it.
READER_FAULT_MESSAGES: Final[Mapping[RowCode, str]] = {
    RowCode.ROW_TOO_LONG: "A record may be 256 KiB long; is a quote or a line break missing?",
    RowCode.MALFORMED_QUOTES: "A double quote is not closed where its cell ends: close, double or remove it.",
}


class Record(NamedTuple):
    """`line_number` is the physical line it starts on, from 1.

    With a fault the cells are only what is left to show of it (`row_too_long`: its beginning), never to be stored.
    `message` says more than the code does, where there is more to say.
    """

    line_number: int
    cells: list[str]
    fault: ReaderFault | None
    message: str | None = None


@dataclass(slots=True)
class Skipped:
    """What a reader passes over as it goes: rows of empty cells are no records, as blank lines are none."""

    blank_rows: int = 0
