"""One record, cell by cell, strictly: the rules of quotes, and where reading goes on after one that breaks them.

A quoted cell opens with a double quote at its beginning (blanks before it do not count), holds delimiters, line ends
and doubled quotes, and closes with a quote after which only blanks, the delimiter or the line's end may follow. A quote
anywhere else is a character. A record breaks the rules (`malformed_quotes`) in one of these ways:

- there is something else after a closing quote;
- a quote is open still at the end of the file, or at the end of a line with which the record has grown beyond 256 Ki
  characters, or the next line alone is longer than that;
- a cell over several lines holds a whole row of this file: one of its physical lines, read without quotes, has as many
  cells as the file, of which two at least are of the quoted cell, and among those an email where the file has it.

What is refused is the record up to the end of the physical line on which the faulty quote opened. Reading goes on with
the next physical line as if nothing had happened; with one exception. A cell that holds a whole row has taken its
closing quote from a later line; when that line, read for itself, has that quote in the midst of an unquoted cell, it is
refused too: the quote is none of its own.

Between a quote that opens and the one that closes it no quote stands that could open a cell by itself. So what is read
again after a fault does not fail again before the line of the closing quote, and a file of faults takes linear time.
"""

from __future__ import annotations

import csv
import re
from typing import Final, NamedTuple, Protocol

from shared.errors import RowCode
from shared.rows.formula import unescape_formula
from shared.rows.record import ReaderFault
from shared.rows.rules import is_email
from shared.rows.text_lines import BLANKS, RECORD_LIMIT

# What is kept of a record beyond the limit, for its report: in all, and of how many cells.
_KEPT_CHARACTERS: Final = 2048
_KEPT_CELLS: Final = 64

# The module's own limit of 128 Ki characters a cell is below ours for a record, and there is none a reader.
csv.field_size_limit(max(csv.field_size_limit(), 2 * RECORD_LIMIT))

_escape = re.compile(r'""|\\["\\]')


class Lines(Protocol):
    """The physical lines of the file, by their numbers."""

    def line_at(self, number: int) -> str | None:
        """None after the last one."""

    def quiet_lines(self, number: int) -> list[str]:
        """Lines from this number on that have no double quote: as many as are at hand, perhaps none."""


class Dialect(NamedTuple):
    """How the file writes cells, and what a whole row of it looks like: `width` 0 where that is not known."""

    delimiter: str
    backslash_escapes: bool
    width: int
    email_columns: tuple[int, ...]


class MovedQuote(NamedTuple):
    """The quote that closed a cell which held a whole row: where it stands, and the line on which the cell opened."""

    line_number: int
    at: int
    opened_on: int


class ParsedRecord(NamedTuple):
    """A record and how many physical lines it is, or the part of it that is refused."""

    cells: list[str]
    line_count: int
    fault: ReaderFault | None = None
    message: str | None = None
    moved_quote: MovedQuote | None = None


_IN_THE_MIDST: Final = (
    "The double quote that opens a cell on line {line} is closed in the midst of the cell: double the quotes inside "
    'the cell (""), or remove them.'
)
_LATER: Final = (
    "The double quote that opens a cell on line {line} is not closed where the cell ends: the next double quote is on "
    "line {last}, in the midst of other text. Close the cell, or remove the quote."
)
_TRY_BACKSLASH: Final = ' If the file writes \\" for a quote inside a cell, send it with escape=backslash.'
_NEVER_CLOSED: Final = "The double quote that opens a cell on line {line} is never closed: close or remove it."
_SWALLOWED: Final = (
    "The double quote that opens a cell on line {line} is closed on line {last}, and what is between them holds a "
    "whole row: close it where the cell ends, or remove it."
)
_MOVED: Final = (
    "A double quote on this line closes the one that opens a cell on line {line}, with a whole row between them: "
    "remove both, or move them to where the cells begin and end."
)


class _Broken(Exception):
    def __init__(self, message: str, moved_quote: MovedQuote | None = None) -> None:
        super().__init__(message)
        self.moved_quote = moved_quote


class RecordParser:
    """Exact and slow: `csv_reader` gives it what `csv.reader` cannot be trusted with."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        blanks = f"[{BLANKS.replace(dialect.delimiter, '')}]*+"
        self.opening = re.compile(f'{blanks}"')
        self.closed = re.compile(rf"{blanks}(?=[{re.escape(dialect.delimiter)}\r\n]|\Z)")
        if dialect.backslash_escapes:
            self.inside = re.compile(r'(?:[^"\\]++|""|\\["\\]?)*+')
        else:
            self.inside = re.compile(r'[^"]*+(?:""[^"]*+)*+')

    def parse(self, lines: Lines, first: int, moved_quote: MovedQuote | None = None) -> ParsedRecord:
        """The record that begins with the physical line `first`, which is there and not blank."""
        line = lines.line_at(first) or ""
        if len(line) > RECORD_LIMIT:
            beginning = next(csv.reader([line], delimiter=self.dialect.delimiter))
            return ParsedRecord(shortened(beginning), 1, RowCode.ROW_TOO_LONG)
        if '"' not in line:
            return ParsedRecord(without_marks(line.rstrip("\r\n").split(self.dialect.delimiter)), 1)
        return _Walk(self, lines, first, moved_quote).parsed()

    def unescaped(self, inside: str) -> str:
        if self.dialect.backslash_escapes and "\\" in inside:
            return _escape.sub(lambda found: found[0][1:], inside)
        return inside.replace('""', '"')

    def may_hold_a_row(self, line: str) -> bool:
        """A quick look at one line of a record: never false where `holds_a_row` would be true."""
        return line.count(self.dialect.delimiter) == self.dialect.width - 1 and "@" in line

    def holds_a_row(self, line: str, start: int, end: int) -> bool:
        """Whether the line would be a row if the quoted cell, which has line[start:end], were none."""
        if not self.may_hold_a_row(line):
            return False
        delimiter = self.dialect.delimiter
        first, last = line.count(delimiter, 0, start), line.count(delimiter, 0, end)
        if first == last or not all(first <= column <= last for column in self.dialect.email_columns):
            return False
        cells = line.replace('"', "").split(delimiter)
        return is_email(" ".join([cells[column] for column in self.dialect.email_columns]).strip())


class _Walk:
    """The way through one record that has a quote in its first line."""

    def __init__(self, parser: RecordParser, lines: Lines, first: int, moved_quote: MovedQuote | None) -> None:
        self._parser = parser
        self._lines = lines
        self._first = first
        self._moved_quote = moved_quote
        self._size = 0
        self._cells: list[str] = []
        self._cell_starts = (first, 0)
        self._go_to(first, lines.line_at(first) or "")

    def parsed(self) -> ParsedRecord:
        try:
            at = 0
            while (at := self._next_cell(at) + 1) <= self._end:
                pass
        except _Broken as broken:
            return self._refused(broken)
        count = self._number - self._first + 1
        if self._size > RECORD_LIMIT:
            return ParsedRecord(shortened(self._cells), count, RowCode.ROW_TOO_LONG)
        return ParsedRecord(without_marks(self._cells), count)

    def _go_to(self, number: int, line: str) -> None:
        self._number = number
        self._line = line
        self._end = len(line.rstrip("\r\n"))
        self._size += len(line)

    def _next_cell(self, at: int) -> int:
        """Read the cell that begins there; the place behind it, where the delimiter stands or the line ends."""
        self._cell_starts = (self._number, at)
        opening = self._parser.opening.match(self._line, at)
        if opening is not None:
            return self._quoted_cell(opening.end())
        end = self._line.find(self._parser.dialect.delimiter, at, self._end)
        end = self._end if end < 0 else end
        moved = self._moved_quote
        if moved is not None and moved.line_number == self._number and at <= moved.at < end:
            raise _Broken(_MOVED.format(line=moved.opened_on))
        self._cells.append(self._line[at:end])
        return end

    def _quoted_cell(self, at: int) -> int:
        opened_on = self._number
        parts = []
        holds_a_row = False
        while (end := self._end_inside(at)) == len(self._line):
            parts.append(self._line[at:])
            if not holds_a_row:
                holds_a_row = self._parser.holds_a_row(self._line, at, end)
            self._continue_on_next_line(opened_on)
            at = 0
            if quiet := self._quiet_lines():
                parts += quiet
                holds_a_row = holds_a_row or any(self._parser.holds_a_row(line, 0, len(line)) for line in quiet)
        parts.append(self._line[at:end])
        closed = self._parser.closed.match(self._line, end + 1)
        if closed is None:
            raise _Broken(self._why_broken(opened_on, parts[0]))
        if self._number > opened_on and (holds_a_row or self._parser.holds_a_row(self._line, 0, end)):
            message = _SWALLOWED.format(line=opened_on, last=self._number)
            raise _Broken(message, MovedQuote(self._number, end, opened_on))
        self._cells.append(self._parser.unescaped("".join(parts)))
        return closed.end()

    def _quiet_lines(self) -> list[str]:
        """Pass the lines without a quote that are at hand, but for the last; none if the limit is among them."""
        if '"' in self._line:
            return []
        *quiet, last = self._lines.quiet_lines(self._number)
        size = self._size - len(self._line) + sum(map(len, quiet))
        if not quiet or size > RECORD_LIMIT or len(last) > RECORD_LIMIT:
            return []
        self._size = size
        self._go_to(self._number + len(quiet), last)
        return quiet

    def _end_inside(self, at: int) -> int:
        """Where the quote stands that closes the cell, or the end of the line."""
        if not at and '"' not in self._line:
            return len(self._line)
        found = self._parser.inside.match(self._line, at)
        return found.end() if found else at

    def _continue_on_next_line(self, opened_on: int) -> None:
        line = self._lines.line_at(self._number + 1) if self._size <= RECORD_LIMIT else None
        if line is None or len(line) > RECORD_LIMIT:
            raise _Broken(_NEVER_CLOSED.format(line=opened_on))
        self._go_to(self._number + 1, line)

    def _why_broken(self, opened_on: int, inside: str) -> str:
        if self._number > opened_on:
            return _LATER.format(line=opened_on, last=self._number)
        # With `\\"` for a quote the closing one seems to come right behind a backslash.
        hint = _TRY_BACKSLASH if inside.endswith("\\") and not self._parser.dialect.backslash_escapes else ""
        return _IN_THE_MIDST.format(line=opened_on) + hint

    def _refused(self, broken: _Broken) -> ParsedRecord:
        """What stands before the faulty cell, and the rest of its line as it is, cut at every delimiter."""
        number, at = self._cell_starts
        rest = (self._lines.line_at(number) or "")[at:].rstrip("\r\n").split(self._parser.dialect.delimiter)
        cells = without_marks([*self._cells, *rest])
        return ParsedRecord(cells, number - self._first + 1, RowCode.MALFORMED_QUOTES, str(broken), broken.moved_quote)


def without_marks(cells: list[str]) -> list[str]:
    """Without what a report puts before a formula."""
    return [unescape_formula(cell) if "'" in cell else cell for cell in cells]


def shortened(cells: list[str]) -> list[str]:
    kept: list[str] = []
    room = _KEPT_CHARACTERS
    for cell in cells[:_KEPT_CELLS]:
        kept.append(cell[:room])
        room -= len(kept[-1])
        if not room:
            break
    return kept
