"""Cuts blocks of lines into records, in constant memory and linear time whatever the file.

A record is what begins with the first line after the last record that is not blank, and ends with the line on which no
quote is open; `record_parser` says what quotes mean. One that breaks their rules is cut short: it ends with the line on
which the faulty quote opened, it is one record with the fault `malformed_quotes`, and the next record begins with the
next physical line. So row numbers count what a person would: a line that is refused is one row, however many lines its
open quote had seemed to take, and the lines below it are rows of their own. A record without a fault whose cells are
all empty is no row: it is counted by itself and not given.

Nearly all blocks of nearly all files have nothing odd: every line is a row, and `csv.reader`, strict, reads them
without a step of ours for each. Where that fails, its rows are kept as far as they are certain, and `record_parser`
takes what comes then. After a fault only a few lines at a time are tried again, so that a file of nothing but faults is
not read over and over.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from itertools import chain, compress
from typing import Final

from shared.rows.cell_text import is_empty
from shared.rows.record import Batch, PlainRows, Record, Skipped, records_of
from shared.rows.record_parser import Dialect, MovedQuote, RecordParser, without_marks
from shared.rows.text_lines import BLANKS, RECORD_LIMIT, LineBlock, is_blank, joined, no_lines

# A line that csv.reader makes one cell of, under any delimiter that there may be.
_SENTINEL: Final = "end"
_FIRST_WINDOW: Final = 8
_WINDOW_GROWTH: Final = 4
_LAST_WINDOW: Final = 512
# A quote that is open for so many lines is likely never to be closed, and csv.reader would read them for nothing.
_WIDE_OPEN: Final = 16


class RecordReader:
    """The records of consecutive blocks of lines."""

    def __init__(self, blocks: Iterator[LineBlock], dialect: Dialect, skipped: Skipped | None = None) -> None:
        self._blocks = blocks
        self._dialect = dialect
        self._parser = RecordParser(dialect)
        self._block = no_lines()
        # Physical number of the block's first line, and how many of the block's lines are read.
        self._first_number = 1
        self._at = 0
        self._moved_quote: MovedQuote | None = None
        self._skipped = skipped or Skipped()

    def skip_lines(self, count: int) -> None:
        """Pass physical lines, the header and what stands above it, of which no row is made."""
        for _ in range(count):
            if self.line_at(self._number) is None:
                return
            self._at += 1

    def records(self) -> Iterator[Record]:
        return records_of(self.batches())

    def batches(self) -> Iterator[Batch]:
        """The same. A batch has the rows of one block at most; whoever is done with some takes them off its list."""
        while self._go_on():
            lines = self._block.lines
            rows, is_whole = self._parsed_rows(len(lines))
            if is_whole and len(rows) == len(lines) and not self._block.has_blank_line and not self._opens_late(rows):
                yield self._row_a_line(rows)
            else:
                yield from self._search_block(rows, is_whole=is_whole)

    def _opens_late(self, rows: list[list[str]]) -> bool:
        """Whether a row of a block that has one a line may have been taken wrongly for blanks before a quote."""
        return self._block.has_blank_before_quote and any(
            _may_open_late(rows[index]) for index, line in enumerate(self._block.lines) if ' "' in line or '\t"' in line
        )

    def _row_a_line(self, rows: list[list[str]]) -> PlainRows:
        """The next lines as records, each of which is known to be one of these rows. It takes over the list."""
        numbers: Sequence[int] = range(self._number, self._number + len(rows))
        if self._block.has_escaped_formula:
            rows[:] = list(map(without_marks, rows))
        self._at += len(rows)
        if self._block.has_blank_row:
            filled = [not self._is_blank_row(row) for row in rows]
            numbers = list(compress(numbers, filled))
            rows[:] = list(compress(rows, filled))
        return PlainRows(numbers, rows)

    def _is_blank_row(self, cells: list[str]) -> bool:
        """Counts it too."""
        is_blank_row = all(map(is_empty, cells))
        self._skipped.blank_rows += is_blank_row
        return is_blank_row

    def _search_block(self, rows: list[list[str]], *, is_whole: bool) -> Iterator[Batch]:
        """The records that begin in this block, given what `_parsed_rows` made of it at first."""
        window = _FIRST_WINDOW
        while True:
            records, is_as_parsed = self._checked_rows(rows, is_whole=is_whole)
            rows.clear()
            yield from records
            if self._at >= len(self._block.lines):
                return
            window = min(window * _WINDOW_GROWTH, _LAST_WINDOW) if is_as_parsed else _FIRST_WINDOW
            rows, is_whole = self._parsed_rows(min(len(self._block.lines), self._at + window))

    def _parsed_rows(self, stop: int) -> tuple[list[list[str]], bool]:
        """What csv.reader makes of the lines up to there, and whether a record ends with the last of them.

        The line that it is given at the end comes back as it went in only if no quote is open before it.
        """
        rows: list[list[str]] = []
        if self._block.has_odd_quotes:
            stop = self._before_wide_open_quote(stop)
        if self._needs_care() or stop == self._at:
            return rows, False
        lines = self._block.lines if stop - self._at == len(self._block.lines) else self._block.lines[self._at : stop]
        try:
            # What came before the error stays in `rows`.
            rows.extend(csv.reader(chain(lines, [_SENTINEL]), delimiter=self._dialect.delimiter, strict=True))
        except csv.Error:
            return rows, False
        return rows, rows.pop() == [_SENTINEL]

    def _before_wide_open_quote(self, stop: int) -> int:
        """Up to where lines need not be read in vain, because a quote seems to be open over many of them."""
        lines = self._block.lines
        for at in range(self._at, stop):
            if lines[at].count('"') % 2 and not any('"' in line for line in lines[at + 1 : at + _WIDE_OPEN]):
                return at
        return stop

    def _needs_care(self) -> bool:
        block = self._block
        return (
            block.has_overlong_line
            or (block.has_backslash and self._dialect.backslash_escapes)
            or self._moved_quote is not None
        )

    def _checked_rows(self, rows: list[list[str]], *, is_whole: bool) -> tuple[list[Batch], bool]:
        """The records of these rows as far as they are certain, and one more; and whether they were to the end."""
        records: list[Batch] = []
        taken = 0
        for index in self._uncertain(rows):
            if taken < index:
                records.append(self._row_a_line(rows[taken:index]))
            taken = index + 1
            if is_blank(self._block.lines[self._at], self._dialect.delimiter):
                self._at += 1
                continue
            next_at = self._at + 1 + sum(map(_line_ends, rows[index]))
            if self._is_certain(rows[index], self._block.lines[self._at : next_at]):
                cells = without_marks(rows[index])
                if not (self._block.has_blank_row and self._is_blank_row(cells)):
                    records.append(Record(self._number, cells, None))
                self._at = next_at
                continue
            self._take_record(records)
            if self._at != next_at:
                return records, False
        records.append(self._row_a_line(rows[taken:]))
        if not is_whole:
            self._take_record(records)
        return records, is_whole

    def _take_record(self, records: list[Batch]) -> None:
        record = self._next_record()
        if record is not None:
            records.append(record)

    def _uncertain(self, rows: list[list[str]]) -> list[int]:
        """Which rows may be of a blank line or of several, or begin a cell with blanks and a quote."""
        block = self._block
        if not (block.has_blank_line or block.has_blank_before_quote):
            text = "".join(map("".join, rows))
            if "\n" not in text and "\r" not in text:
                return []
        return [
            index
            for index, row in enumerate(rows)
            if len(row) < 2
            or "\n" in (text := "".join(row))
            or "\r" in text
            or (block.has_blank_before_quote and '"' in text and _may_open_late(row))
        ]

    def _is_certain(self, row: list[str], lines: list[str]) -> bool:
        """Whether what csv.reader makes of these lines is surely a record by our rules."""
        if self._block.has_blank_before_quote and _may_open_late(row):
            return False
        return len(lines) == 1 or (
            not any(map(self._parser.may_hold_a_row, lines)) and sum(map(len, lines)) <= RECORD_LIMIT
        )

    def _next_record(self) -> Record | None:
        """The record that begins with the next line, which is there; None if it is blank, or its cells are empty."""
        number = self._number
        if is_blank(self.line_at(number) or "", self._dialect.delimiter):
            self._at += 1
            return None
        parsed = self._parser.parse(self, number, self._moved_quote)
        self._at += parsed.line_count
        if parsed.moved_quote is not None:
            self._moved_quote = parsed.moved_quote
        elif self._moved_quote is not None and self._number > self._moved_quote.line_number:
            self._moved_quote = None
        if parsed.fault is None and self._is_blank_row(parsed.cells):
            return None
        return Record(number, parsed.cells, parsed.fault, parsed.message)

    def quiet_lines(self, number: int) -> list[str]:
        index = number - self._first_number
        lines = self._block.lines[index:]
        count = next((at for at, line in enumerate(lines) if '"' in line), len(lines))
        return lines[:count]

    def line_at(self, number: int) -> str | None:
        """A line of this block, or of the next ones, which then become part of it."""
        index = number - self._first_number
        while index >= len(self._block.lines):
            block = next(self._blocks, None)
            if block is None:
                return None
            self._block = joined(self._block, block)
        return self._block.lines[index]

    @property
    def _number(self) -> int:
        return self._first_number + self._at

    def _go_on(self) -> bool:
        """Drop the lines that are read, and take the next block if there are no others."""
        if self._at < len(self._block.lines):
            self._block = self._block._replace(lines=self._block.lines[self._at :])
        else:
            block = next(self._blocks, None)
            if block is None:
                return False
            self._block = block
        self._first_number = self._number
        self._at = 0
        return True


def _may_open_late(row: list[str]) -> bool:
    """Whether a cell begins with blanks and a quote, which csv.reader has taken for characters of it."""
    return any(cell[0] in BLANKS and cell.lstrip(BLANKS)[:1] == '"' for cell in row if cell)


def _line_ends(cell: str) -> int:
    return cell.count("\n") + cell.count("\r") - cell.count("\r\n")
