"""One row of a file as the readers of all versions give it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
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


class PlainRows(NamedTuple):
    """Records without a fault that follow each other: a row of cells for each line number, which is where it starts."""

    line_numbers: Sequence[int]
    rows: list[list[str]]

    def drop(self, count: int) -> PlainRows:
        """What comes after the first so many, which are let go."""
        del self.rows[:count]
        return PlainRows(self.line_numbers[count:], self.rows)


# What readers give at once: steps for each record cost more than reading it.
Batch = PlainRows | Record


def records_of(batches: Iterable[Batch]) -> Iterator[Record]:
    """One by one. The batches are used up."""
    # No frame of ours stands between a record and who takes it.
    return chain.from_iterable(map(_records_of, batches))


def _records_of(batch: Batch) -> Iterable[Record]:
    if isinstance(batch, Record):
        return (batch,)
    # Taken out of the list as they go, because a reader may rest in the midst of a batch: wide rows are large.
    batch.rows.reverse()
    return map(Record, batch.line_numbers, iter(batch.rows.pop, None), repeat(None))


@dataclass(slots=True)
class Skipped:
    """What a reader passes over as it goes: rows of empty cells are no records, as blank lines are none."""

    blank_rows: int = 0
