"""Where the header of a file is: the first of its first records in which all needed fields have a column.

What stands above it are titles, never rows. Where no record is a header, it is said whether there is none or which
columns it lacks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple

from shared.errors import FileCode, FileProblem, RowCode
from shared.rows.column_options import MOST_COLUMNS
from shared.rows.column_problems import empty_file, header_too_long, no_header, no_such_line
from shared.rows.columns import count_found, find_columns
from shared.rows.formula import unescape_formula
from shared.rows.head_text import HeadText, count_lines
from shared.rows.record import Record
from shared.rows.record_parser import Dialect
from shared.rows.rules import MOBILE_DIGITS, is_email

HEADER_BYTES: Final = 1024 * 1024
_RECORDS_SEARCHED: Final = 20


class Header(NamedTuple):
    """The names of the columns, the physical line they stand on, and the one from which rows are read."""

    names: tuple[str, ...]
    line_number: int
    first_row_line: int


class Miss(NamedTuple):
    """What is wrong with the record that comes nearest to a header, how near it comes, and how many cells it has."""

    problem: FileProblem
    found: int
    width: int


class _Candidate(NamedTuple):
    record: Record
    names: tuple[str, ...]
    line_count: int
    byte_count: int
    found: int

    @property
    def is_too_long(self) -> bool:
        return len(self.names) > MOST_COLUMNS or self.byte_count > HEADER_BYTES


class HeaderSearch:
    """The search under one delimiter. `codec` is what the file is written in."""

    def __init__(
        self,
        text: HeadText,
        dialect: Dialect,
        codec: str,
        mapping: Mapping[str, Sequence[str]] | None,
        needed: Collection[str],
    ) -> None:
        self._text = text
        self._dialect = dialect
        self._codec = codec
        self._mapping = mapping
        self._needed = needed

    def at_line(self, line_number: int) -> Header | Miss:
        """The record that begins there, or with the next line that is not blank, is the header."""
        candidates = list(self._candidates(line_number, 1))
        if not candidates and self._text.is_whole:
            return Miss(no_such_line(line_number), 0, 0)
        if candidates and self._is_header(candidates[0]):
            return self._header(candidates[0])
        return self._miss(candidates, may_lack_header=False, is_whole=self._text.is_whole)

    def first(self, *, may_lack_header: bool) -> Header | Miss:
        """Without `may_lack_header` the sender says that there is one, and no line is taken for somebody's data."""
        candidates = []
        for candidate in self._candidates(self._text.first_line, _RECORDS_SEARCHED):
            candidates.append(candidate)
            if self._is_header(candidate) and not (may_lack_header and _holds_an_email(candidate)):
                return self._header(candidate)
        is_whole = self._text.is_whole or len(candidates) == _RECORDS_SEARCHED
        return self._miss(candidates, may_lack_header=may_lack_header, is_whole=is_whole)

    def _candidates(self, first_line: int, count: int) -> Iterator[_Candidate]:
        for record in islice(self._text.records(self._dialect, first_line), count):
            cells, line_count, byte_count = record.cells, count_lines(record), 0
            if record.fault is RowCode.ROW_TOO_LONG:
                long = self._text.long_record(self._dialect, record.line_number, self._codec)
                if long is not None:
                    record = record._replace(fault=None)
                    cells, line_count, byte_count = long
            names = tuple(unescape_formula(cell.strip()) for cell in cells)
            found = count_found(names, self._mapping, self._needed)
            yield _Candidate(record, names, line_count, byte_count, found)

    def _is_header(self, candidate: _Candidate) -> bool:
        return candidate.found == len(self._needed) and candidate.record.fault is None and not candidate.is_too_long

    def _header(self, candidate: _Candidate) -> Header:
        line_number = candidate.record.line_number
        return Header(candidate.names, line_number, line_number + candidate.line_count)

    def _miss(self, candidates: list[_Candidate], *, may_lack_header: bool, is_whole: bool) -> Miss:
        near = [each for each in candidates if not (may_lack_header and _holds_an_email(each))]
        best = max(near, key=lambda each: each.found, default=None)
        if best is None or not best.found:
            # Titles have few cells; the first line that is as wide as any is the header, or somebody's data.
            best = max(candidates, key=lambda each: len(each.names), default=None)
        if best is None and is_whole:
            return Miss(empty_file(), 0, 0)
        if best is None or (not is_whole and not best.found):
            # A line that does not end in all that was kept of the file.
            return Miss(header_too_long(MOST_COLUMNS, HEADER_BYTES), 0, 0)
        return Miss(self._problem(best, may_lack_header=may_lack_header), best.found, len(best.names))

    def _problem(self, best: _Candidate, *, may_lack_header: bool) -> FileProblem:
        record = best.record
        if best.is_too_long:
            return header_too_long(MOST_COLUMNS, HEADER_BYTES)
        if record.fault is not None:
            reason = record.message or "It is longer than 256 KiB, and its quotes are broken."
            return FileProblem(FileCode.UNCLOSED_QUOTE, f"The header cannot be read. {reason}")
        if may_lack_header and _holds_data(best):
            return no_header(record.line_number)
        try:
            find_columns(best.names, self._mapping, needed=self._needed, line_number=record.line_number)
        except FileProblem as problem:
            # Its traceback would hold the record, and itself, until the collector comes by.
            return problem.with_traceback(None)
        # All columns are there, and an email among them: somebody's data that looks like a header.
        return no_header(record.line_number)


def _holds_an_email(candidate: _Candidate) -> bool:
    return any(is_email(name) for name in candidate.names if "@" in name)


def _holds_data(candidate: _Candidate) -> bool:
    return _holds_an_email(candidate) or any(map(_is_number, candidate.names))


def _is_number(text: str) -> bool:
    digits = sum(map(str.isdigit, text))
    return digits >= MOBILE_DIGITS[0] and not any(map(str.isalpha, text))
