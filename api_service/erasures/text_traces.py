"""Where a stored text names people, by the reader that its rows went through, and the text without that.

A row of theirs keeps its line, its delimiters and its quotes, and has an x for every other character. So a reading of
what is left finds as many rows on the same lines, and each row's fate stays the one that is on record. Everything else
stays byte for byte.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import time
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from typing import BinaryIO, Final

from api_service.erasures.byte_lines import ByteLines
from shared.errors import FileProblem, RowCode
from shared.rows.cell_text import TRIMMED
from shared.rows.csv_format import CsvFormat
from shared.rows.named_people import NamedPeople, folded
from shared.rows.reader_versions import read_batches
from shared.rows.record import Record

# Who reads in the background lets others have the processor.
_REST_SECONDS: Final = 0.001
_MASK: Final = "x"
_BLANKS: Final = " \t"
# What empty cells are written with.
_SAYS_NOTHING: Final = f"{TRIMMED}\"'="


@dataclass
class LineRanges:
    """Of physical lines, in order: from the first to before the last; None is the end of the text."""

    ranges: list[tuple[int, int | None]] = field(default_factory=list)

    def add(self, first: int, end: int | None) -> None:
        if self.ranges and self.ranges[-1][1] == first:
            first, _ = self.ranges.pop()
        self.ranges.append((first, end))

    def walk(self) -> _Walk:
        return _Walk(self.ranges)


class _Walk:
    """Asked about lines in ascending order."""

    def __init__(self, ranges: Iterable[tuple[int, int | None]]) -> None:
        self._ranges = iter(ranges)
        self._first, self._end = next(self._ranges, (1, 1))

    def has(self, number: int) -> bool:
        while self._end is not None and number >= self._end:
            following = next(self._ranges, None)
            if following is None:
                return False
            self._first, self._end = following
        return number >= self._first


@dataclass
class TextTraces:
    """`whole` are lines of rows that are theirs, `broken` those among them that the reader refused, `perhaps` lines of
    which words may name them: rows of others, and whatever is no row."""

    rows: int = 0
    mentions: int = 0
    whole: LineRanges = field(default_factory=LineRanges)
    broken: LineRanges = field(default_factory=LineRanges)
    perhaps: LineRanges = field(default_factory=LineRanges)
    # The same for two texts whose rows begin on the same lines.
    shape: str = ""

    @property
    def are_none(self) -> bool:
        return not (self.rows or self.mentions)


class TextSearch:
    """For people in one text. `sign` is what stands, folded, in every text that names them."""

    def __init__(self, people: NamedPeople, sign: str, csv_format: CsvFormat) -> None:
        self._people = people
        self._sign = sign
        self._format = csv_format

    def find(self, open_text: Callable[[], BinaryIO]) -> TextTraces:
        """Reads the text twice: its rows, and then, as words, what is no row or may be cut short."""
        with contextlib.closing(open_text()) as stream:
            traces = self._find_rows(stream)
        if traces.perhaps.ranges:
            with contextlib.closing(open_text()) as stream:
                traces.mentions = self._count_mentions(stream, traces)
        return traces

    def masked(self, stream: BinaryIO, traces: TextTraces, *, breaks_quotes: bool) -> Iterator[bytes]:
        """The text without what was found. `breaks_quotes`: a quote of a broken row is one character more."""
        lines = ByteLines(stream, self._format.encoding)
        whole, broken, perhaps = traces.whole.walk(), traces.broken.walk(), traces.perhaps.walk()
        yield lines.mark
        for line in lines:
            if whole.has(line.number):
                keeps_quotes = not (broken.has(line.number) and breaks_quotes)
                yield lines.encode(self._without_words(lines.decode(line), keeps_quotes=keeps_quotes))
            elif perhaps.has(line.number) and self._names(text := lines.decode(line)):
                yield lines.encode(self._without_email(text))
            else:
                yield line.content

    def _find_rows(self, stream: BinaryIO) -> TextTraces:
        traces = TextTraces()
        # Reader version 1 passes over the header by itself.
        last = max(self._format.first_row_line, 1 + self._format.has_header)
        traces.perhaps.add(1, last)
        shape = hashlib.blake2b(digest_size=16)
        pending: list[LineRanges] = []
        try:
            for batch in read_batches(stream, self._format):
                records = [batch] if isinstance(batch, Record) else [
                    Record(number, cells, None) for number, cells in zip(batch.line_numbers, batch.rows, strict=True)
                ]  # fmt: skip
                shape.update(array("q", [record.line_number for record in records]).tobytes())
                for record, found in self._judged(records, traces):
                    for ranges in pending:
                        ranges.add(last, record.line_number)
                    pending, last = found, record.line_number
                time.sleep(_REST_SECONDS)
            for ranges in pending:
                ranges.add(last, None)
        except FileProblem:
            # There its producer's reading ended, too. Nobody knows where the last row does.
            for ranges in pending:
                ranges.add(last, last + 1)
            traces.perhaps.add(last, None)
        traces.shape = shape.hexdigest()
        return traces

    def _judged(self, records: list[Record], traces: TextTraces) -> Iterator[tuple[Record, list[LineRanges]]]:
        """Each record with what its lines count among. One look tells of most batches that they name nobody."""
        says = folded("\n".join(["\n".join(record.cells) for record in records]))
        names_somebody = self._sign in says
        for record in records:
            left = None
            if names_somebody:
                is_broken = record.fault is not None
                left = self._people.erase_from_row(record.cells, self._format.layout, is_broken=is_broken)
            if left is not None and left.is_whole:
                traces.rows += 1
                yield record, [traces.whole] if record.fault is None else [traces.whole, traces.broken]
            elif left is not None or record.fault is RowCode.ROW_TOO_LONG:
                # The cells of one that is too long are only its beginning.
                yield record, [traces.perhaps]
            else:
                yield record, []

    def _count_mentions(self, stream: BinaryIO, traces: TextTraces) -> int:
        lines = ByteLines(stream, self._format.encoding)
        perhaps = traces.perhaps.walk()
        _, end = traces.perhaps.ranges[-1]
        looked_at = takewhile(lambda line: end is None or line.number < end, lines)
        return sum(perhaps.has(line.number) and self._names(lines.decode(line)) for line in looked_at)

    def _names(self, text: str) -> bool:
        return self._sign in folded(text) and self._people.are_named_in(text)

    def _without_email(self, text: str) -> str:
        body = text.rstrip("\r\n")
        left = self._people.erase_from(body, lambda word: _MASK * len(word))
        if left == _MASK * len(body):
            return self._without_words(text, keeps_quotes=True)
        return left + text[len(body) :]

    def _without_words(self, text: str, *, keeps_quotes: bool) -> str:
        if not text.strip(f"{_SAYS_NOTHING}{self._format.delimiter}"):
            # No row, and it must not become one.
            return text
        kept = f"\r\n{self._format.delimiter}"
        if self._format.backslash_escapes:
            kept += "\\"
        if keeps_quotes:
            # Blanks before a quote are no text: behind an x it would open no cell.
            return re.sub(f'(?![{_BLANKS}]*+")[^"{re.escape(kept)}]', _MASK, text)
        return re.sub(f"[^{re.escape(kept)}]", _MASK, text)
