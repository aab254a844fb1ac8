"""Reader version 2: cuts a stream of bytes into records, in constant memory and linear time whatever the file.

A record is what begins with the first line after the last record that is not blank, and ends with the line on which no
quote is open; `record_parser` says what quotes mean. One that breaks their rules is cut short: it ends with the line on
which the faulty quote opened, it is one record with the fault `malformed_quotes`, and the next record begins with the
next physical line. So row numbers count what a person would: a line that is refused is one row, however many lines its
open quote had seemed to take, and the lines below it are rows of their own.

Nearly all blocks of nearly all files have nothing odd: every line is a row, and `csv.reader`, strict, reads them
without a step of ours for each. Where that fails, its rows are kept as far as they are certain, and `record_parser`
takes what comes then. After a fault only a few lines at a time are tried again, so that a file of nothing but faults is
not read over and over.
"""

from __future__ import annotations

import csv
from collections.abc import Generator, Iterator
from itertools import chain, repeat
from typing import BinaryIO, Final

from shared.rows.csv_format import CsvFormat, is_blank
from shared.rows.fields import KEY_NAME
from shared.rows.record import Record
from shared.rows.record_parser import Dialect, MovedQuote, RecordParser, without_marks
from shared.rows.text_lines import RECORD_LIMIT, LineBlock, decoded, joined, line_blocks, no_lines

# A line that csv.reader makes one cell of, under any delimiter that there may be.
_SENTINEL: Final = "end"
_FIRST_WINDOW: Final = 8
_WINDOW_GROWTH: Final = 4


def read_records(stream: BinaryIO, csv_format: CsvFormat) -> Iterator[Record]:
    """Read the rows after the header. Blocking; leaves the stream open. Raises nothing of its own."""
    delimiter = csv_format.delimiter
    layout = csv_format.layout
    dialect = Dialect(delimiter, csv_format.backslash_escapes, layout.width, layout.columns.get(KEY_NAME, ()))
    reader = RecordReader(line_blocks(decoded(stream, csv_format.encoding), delimiter), dialect)
    if csv_format.has_header:
        reader.skip_header(csv_format.header_line)
    return reader.records()


class RecordReader:
    """The records of consecutive blocks of lines."""

    def __init__(self, blocks: Iterator[LineBlock], dialect: Dialect) -> None:
        self._blocks = blocks
        self._dialect = dialect
        self._parser = RecordParser(dialect)
        self._block = no_lines()
        # Physical number of the block's first line, and how many of the block's lines are read.
        self._first_number = 1
        self._at = 0
        self._moved_quote: MovedQuote | None = None

    def skip_header(self, header_line: int) -> None:
        """Pass the lines above the header, and the header. No row is looked for in it."""
        for number in range(1, header_line):
            if self._line_at(number) is None:
                return
            self._at += 1
        parser = self._parser
        self._parser = RecordParser(self._dialect._replace(width=0))
        while self._line_at(self._number) is not None and self._next_record() is None:
            pass
        self._parser = parser

    def records(self) -> Iterator[Record]:
        while self._go_on():
            lines = self._block.lines
            has_blank_line = any(map(str.isspace, lines))
            rows, is_whole = self._parsed_rows(len(lines))
            if is_whole and len(rows) == len(lines) and not has_blank_line:
                yield from self._row_a_line(rows)
            else:
                yield from self._search_block(rows, is_whole=is_whole)

    def _row_a_line(self, rows: list[list[str]]) -> Iterator[Record]:
        """The next lines as records, each of which is known to be one of these rows."""
        numbers = range(self._number, self._number + len(rows))
        if self._block.has_apostrophe:
            rows = list(map(without_marks, rows))
        self._at += len(rows)
        return map(Record, numbers, rows, repeat(None))

    def _search_block(self, rows: list[list[str]], *, is_whole: bool) -> Iterator[Record]:
        """The records that begin in this block, given what `_parsed_rows` made of it at first."""
        window = _FIRST_WINDOW
        while True:
            is_as_parsed = yield from self._checked_rows(rows, is_whole=is_whole)
            if self._at >= len(self._block.lines):
                return
            window = window * _WINDOW_GROWTH if is_as_parsed else _FIRST_WINDOW
            rows, is_whole = self._parsed_rows(min(len(self._block.lines), self._at + window))

    def _parsed_rows(self, stop: int) -> tuple[list[list[str]], bool]:
        """What csv.reader makes of the lines up to there, and whether a record ends with the last of them.

        The line that it is given at the end comes back as it went in only if no quote is open before it.
        """
        rows: list[list[str]] = []
        if self._needs_care():
            return rows, False
        lines = self._block.lines if stop - self._at == len(self._block.lines) else self._block.lines[self._at : stop]
        try:
            # What came before the error stays in `rows`.
            rows.extend(csv.reader(chain(lines, [_SENTINEL]), delimiter=self._dialect.delimiter, strict=True))
        except csv.Error:
            return rows, False
        return rows, rows.pop() == [_SENTINEL]

    def _needs_care(self) -> bool:
        block = self._block
        return (
            block.has_overlong_line
            or block.has_blank_before_quote
            or (block.has_backslash and self._dialect.backslash_escapes)
            or self._moved_quote is not None
        )

    def _checked_rows(self, rows: list[list[str]], *, is_whole: bool) -> Generator[Record, None, bool]:
        """The records of these rows as far as they are certain, and one more. Returns whether they were to the end."""
        taken = 0
        for index in _uncertain(rows):
            yield from self._row_a_line(rows[taken:index])
            taken = index + 1
            if is_blank(self._block.lines[self._at], self._dialect.delimiter):
                self._at += 1
                continue
            next_at = self._at + 1 + sum(map(_line_ends, rows[index]))
            if self._is_certain(self._block.lines[self._at : next_at]):
                yield Record(self._number, without_marks(rows[index]), None)
                self._at = next_at
                continue
            record = self._next_record()
            if record is not None:
                yield record
            if self._at != next_at:
                return False
        yield from self._row_a_line(rows[taken:])
        if is_whole:
            return True
        if (record := self._next_record()) is not None:
            yield record
        return False

    def _is_certain(self, lines: list[str]) -> bool:
        """Whether a record of these lines, that csv.reader takes, is surely one by our rules."""
        return len(lines) == 1 or (
            not any(map(self._parser.may_hold_a_row, lines)) and sum(map(len, lines)) <= RECORD_LIMIT
        )

    def _next_record(self) -> Record | None:
        """The record that begins with the next line, which is there; None if the line is blank."""
        number = self._number
        if is_blank(self._line_at(number) or "", self._dialect.delimiter):
            self._at += 1
            return None
        parsed = self._parser.parse(self._line_at, number, self._moved_quote)
        self._at += parsed.line_count
        if parsed.moved_quote is not None:
            self._moved_quote = parsed.moved_quote
        elif self._moved_quote is not None and self._number > self._moved_quote.line_number:
            self._moved_quote = None
        return Record(number, parsed.cells, parsed.fault, parsed.message)

    def _line_at(self, number: int) -> str | None:
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


def _uncertain(rows: list[list[str]]) -> list[int]:
    """Which rows may be of a blank line or of several."""
    return [index for index, row in enumerate(rows) if len(row) < 2 or "\n" in (text := "".join(row)) or "\r" in text]


def _line_ends(cell: str) -> int:
    return cell.count("\n") + cell.count("\r") - cell.count("\r\n")
