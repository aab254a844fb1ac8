"""How a text falls into records, with every fault of its quotes: the rules once more, and none of the services' code.

The whole text is in memory, and it is walked character by character.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Final, NamedTuple

RECORD_CHARACTERS: Final = 256 * 1024


class ReadRecord(NamedTuple):
    """A data record: the physical line it starts on, its cells, and what the reading refuses it with, if anything."""

    line_number: int
    cells: list[str]
    code: str | None


class FileShape(NamedTuple):
    """What a row of this file looks like. With a width of 0 no line looks like one."""

    delimiter: str
    width: int
    email_at: int
    backslash: bool = False
    limit: int = RECORD_CHARACTERS


class _FaultyQuote(Exception):
    def __init__(self, cell_start: int, line: int, moved_to: int | None = None) -> None:
        super().__init__()
        self.cell_start = cell_start
        self.line = line
        self.moved_to = moved_to


def read_text(text: str, shape: FileShape, first_line: int = 0) -> Iterator[ReadRecord]:
    """The records from a physical line (counted from 0) on."""
    return _Text(text, shape).records(first_line)


class _Text:
    def __init__(self, text: str, shape: FileShape) -> None:
        self._text = text
        self._shape = shape
        self._starts = [0, *(end.end() for end in re.finditer("\r\n|\r|\n", text))]
        if self._starts[-1] == len(text):
            self._starts.pop()
        self._line_starts = frozenset(self._starts)
        # Where a quote stands that closed a cell with a whole row in it: in an unquoted cell it is a fault.
        self._moved_to: int | None = None

    def records(self, line: int) -> Iterator[ReadRecord]:
        while line < len(self._starts):
            whole = self._line(line)
            if whole.isspace() and self._shape.delimiter not in whole:
                line += 1
            elif len(whole) > self._shape.limit:
                yield ReadRecord(line + 1, _without_end(whole).split(self._shape.delimiter), "row_too_long")
                line += 1
            elif '"' not in whole:
                yield ReadRecord(line + 1, _without_end(whole).split(self._shape.delimiter), None)
                line += 1
            else:
                record, line = self._record(line)
                yield record

    def _record(self, line: int) -> tuple[ReadRecord, int]:
        start = self._starts[line]
        cells: list[str] = []
        at = start
        try:
            while True:
                cell, at = self._cell(start, at)
                cells.append(cell)
                if self._text[at : at + 1] != self._shape.delimiter:
                    break
                at += 1
        except _FaultyQuote as fault:
            if fault.moved_to is not None:
                self._moved_to = fault.moved_to
            rest = _without_end(self._text[fault.cell_start : self._end(fault.line)])
            return ReadRecord(line + 1, cells + rest.split(self._shape.delimiter), "malformed_quotes"), fault.line + 1
        last = self._line_of(at) if at < len(self._text) else len(self._starts) - 1
        code = "row_too_long" if self._end(last) - start > self._shape.limit else None
        return ReadRecord(line + 1, cells, code), last + 1

    def _cell(self, record_start: int, start: int) -> tuple[str, int]:
        opening = self._after_blanks(start)
        if self._text[opening : opening + 1] != '"':
            end = start
            while end < len(self._text) and self._text[end] not in self._shape.delimiter + "\r\n":
                end += 1
            if self._moved_to is not None and start <= self._moved_to < end:
                raise _FaultyQuote(start, self._line_of(start))
            return self._text[start:end], end
        line = self._line_of(opening)
        value, closing = self._inside(record_start, start, opening)
        behind = self._after_blanks(closing + 1)
        if behind < len(self._text) and self._text[behind] not in self._shape.delimiter + "\r\n":
            raise _FaultyQuote(start, line)
        if self._line_of(closing) > line and self._holds_a_row(opening + 1, closing):
            raise _FaultyQuote(start, line, closing)
        return value, behind

    def _inside(self, record_start: int, cell_start: int, opening: int) -> tuple[str, int]:
        """The value of a quoted cell, and where its closing quote stands."""
        value = ""
        at = opening + 1
        while at < len(self._text):
            if at in self._line_starts:
                too_long = at - record_start > self._shape.limit
                if too_long or len(self._line(self._line_of(at))) > self._shape.limit:
                    break
            pair = self._text[at : at + 2]
            if pair == '""' or (self._shape.backslash and pair in ('\\"', "\\\\")):
                value += pair[1]
                at += 2
            elif pair[0] == '"':
                return value, at
            else:
                value += pair[0]
                at += 1
        raise _FaultyQuote(cell_start, self._line_of(opening))

    def _holds_a_row(self, first: int, last: int) -> bool:
        for line in range(self._line_of(first), self._line_of(last) + 1):
            start, end = self._starts[line], self._end(line)
            before = self._text[start : max(first, start)].count(self._shape.delimiter)
            upto = self._text[start : min(last, end)].count(self._shape.delimiter)
            cells = self._text[start:end].replace('"', "").split(self._shape.delimiter)
            if (
                len(cells) == self._shape.width
                and before < upto
                and before <= self._shape.email_at <= upto
                and looks_like_an_email(cells[self._shape.email_at].strip())
            ):
                return True
        return False

    def _after_blanks(self, at: int) -> int:
        while self._text[at : at + 1] in (" ", "\t") and self._text[at] != self._shape.delimiter:
            at += 1
        return at

    def _line_of(self, at: int) -> int:
        return bisect_right(self._starts, at) - 1

    def _line(self, line: int) -> str:
        return self._text[self._starts[line] : self._end(line)]

    def _end(self, line: int) -> int:
        return self._starts[line + 1] if line + 1 < len(self._starts) else len(self._text)


def looks_like_an_email(value: str) -> bool:
    local, _, domain = value.rpartition("@")
    labels = domain.split(".")
    return (
        bool(re.fullmatch(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}", local))
        and len(value) <= 254
        and len(labels) > 1
        and all(re.fullmatch(r"[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]{0,61}[A-Za-z0-9]", label) for label in labels)
    )


def _without_end(line: str) -> str:
    return line.rstrip("\r\n")
