"""What became of each row of a finished upload, or would by a preview: from its ledger and rejects, a span at a time.

A row is noted by its own chunk or, if another row displaced it, by any chunk (`shared.database.row_notes`). So the rows
of a span that were displaced are looked for in all entries that displaced some, which a window of memory keeps from
being done for each span anew.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncEngine

from api_service.uploads.results import queries

# The last two are of an undone upload, in the place of the first two.
Outcome = Literal["inserted", "updated", "duplicate", "rejected", "unprocessed", "undone", "kept"]
OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)

_TAKEN_BACK: Final = bytes.maketrans(
    bytes([OUTCOMES.index("inserted"), OUTCOMES.index("updated")]), bytes([OUTCOMES.index("undone")] * 2)
)

# Entries are read so many at once, and small ones share a span.
PAGE_ENTRIES: Final = 200
SPAN_ROWS: Final = 16_000
# Half a MiB, a bit for each row.
WINDOW_ROWS: Final = 2**22
# The span after the last row that was read goes on for as long as the file does.
_NO_END: Final = 2**62


@dataclass(frozen=True, slots=True)
class Span:
    """Consecutive rows. Each byte of `fates` is the index of a row's outcome; None: all are unprocessed."""

    first_row: int
    row_count: int
    fates: bytes | None

    @property
    def last_row(self) -> int:
        return self.first_row + self.row_count - 1

    def outcome_of(self, row_number: int) -> Outcome:
        return "unprocessed" if self.fates is None else OUTCOMES[self.fates[row_number - self.first_row]]

    def rows_with(self, outcomes: frozenset[Outcome], *, from_row: int, to_row: int = _NO_END) -> Sequence[int]:
        """The numbers of its rows with one of these outcomes, in order, as far as they lie between the two."""
        first, last = max(self.first_row, from_row), min(self.last_row, to_row)
        if self.fates is None:
            return range(first, last + 1) if "unprocessed" in outcomes else ()
        wanted = {OUTCOMES.index(outcome) for outcome in outcomes}
        fates = self.fates[first - self.first_row : last - self.first_row + 1]
        if wanted.isdisjoint(fates):
            return ()
        return [row_number for row_number, fate in enumerate(fates, first) if fate in wanted]


async def spans(
    engine: AsyncEngine, upload: Row[Any], *, first_row: int = 1, last_row: int = _NO_END
) -> AsyncIterator[Span]:
    """All rows from one to another, or as far as the file may go, in order. No connection is held between two spans.

    The first span may begin before `first_row`.
    """
    displaced = _DisplacedRows(engine, upload)
    next_row = first_row
    while True:
        async with engine.connect() as connection:
            entries = await queries.noted_entries(connection, upload, from_row=next_row, limit=PAGE_ENTRIES)
        for run in _runs(entries):
            if run[0].first_row > last_row:
                break
            if run[0].first_row > next_row:
                yield Span(next_row, run[0].first_row - next_row, None)
            span = await _span(engine, upload, run, displaced)
            yield span
            next_row = span.last_row + 1
        else:
            if len(entries) == PAGE_ENTRIES:
                continue
        break
    if next_row <= last_row:
        yield Span(next_row, last_row - next_row + 1, None)


def _runs(entries: Sequence[Row[Any]]) -> Iterator[list[Row[Any]]]:
    """Entries without a gap between them, of about `SPAN_ROWS` rows together."""
    run: list[Row[Any]] = []
    for entry in entries:
        if run and (
            entry.first_row != run[-1].first_row + run[-1].row_count
            or entry.first_row + entry.row_count - run[0].first_row > SPAN_ROWS
        ):
            yield run
            run = []
        run.append(entry)
    if run:
        yield run


async def _span(engine: AsyncEngine, upload: Row[Any], run: Sequence[Row[Any]], displaced: _DisplacedRows) -> Span:
    first_row, last_row = run[0].first_row, run[-1].first_row + run[-1].row_count - 1
    fates = bytearray(last_row - first_row + 1)
    for entry in run:
        offset = entry.first_row - first_row
        _mark(fates, "updated", (offset + at for at in _set_bits(entry.updated_bits)))
        _mark(fates, "duplicate", (offset + at for at in _set_bits(entry.duplicate_bits)))
    _mark(fates, "duplicate", (number - first_row for number in await displaced.among(first_row, last_row)))
    if any(entry.rejected for entry in run):
        async with engine.connect() as connection:
            rejected = await queries.rejected_numbers(connection, upload, first_row, last_row)
        _mark(fates, "rejected", (number - first_row for number in rejected))
    if upload.status == "undone":
        fates = fates.translate(_TAKEN_BACK)
        async with engine.connect() as connection:
            kept = await queries.kept_numbers(connection, upload.id, first_row, last_row)
        _mark(fates, "kept", (number - first_row for number in kept))
    return Span(first_row, len(fates), bytes(fates))


def _mark(fates: bytearray, outcome: Outcome, places: Iterable[int]) -> None:
    fate = OUTCOMES.index(outcome)
    for at in places:
        fates[at] = fate


def _set_bits(bits: bytes | bytearray | None) -> Iterator[int]:
    for place, byte in enumerate(bits or b""):
        if byte:
            yield from (8 * place + bit for bit in range(8) if byte >> bit & 1)


class _DisplacedRows:
    """The rows that others displaced, of a window of rows around those that are asked for."""

    def __init__(self, engine: AsyncEngine, upload: Row[Any]) -> None:
        self._engine = engine
        self._upload = upload
        self._window = range(0)
        self._bits: bytearray | None = None

    async def among(self, first_row: int, last_row: int) -> list[int]:
        """In ascending calls: their numbers."""
        if last_row not in self._window:
            await self._load(first_row, max(last_row, first_row + WINDOW_ROWS - 1))
        if self._bits is None:
            return []
        start, stop = first_row - self._window.start, last_row - self._window.start + 1
        whole = self._bits[start >> 3 : (stop + 7) >> 3]
        begin = start & ~7
        return [self._window.start + begin + at for at in _set_bits(whole) if start <= begin + at < stop]

    async def _load(self, first_row: int, last_row: int) -> None:
        self._window, self._bits = range(first_row, last_row + 1), None
        async for numbers in queries.displaced_numbers(self._engine, self._upload, first_row, last_row):
            bits = self._bits = self._bits or bytearray(-(-len(self._window) // 8))
            for number in numbers:
                at = number - first_row
                bits[at >> 3] |= 1 << (at & 7)
