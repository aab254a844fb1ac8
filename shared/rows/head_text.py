"""A file's first part as text: its records, its physical lines, and what its first line says of the delimiter."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

from shared.rows.delimiters import may_delimit
from shared.rows.record import Record
from shared.rows.record_parser import Dialect, without_marks
from shared.rows.record_reader import RecordReader
from shared.rows.text_lines import line_blocks

_PIECE_CHARACTERS: Final = 64 * 1024
# As spreadsheets read and write it; one that saved the line as a row has put delimiters behind it.
_separator_line = re.compile(r'\ufeff?"?sep=(.)"?\1*[,;\t|]*(?=[\r\n]|\Z)', re.IGNORECASE)


class LongRecord(NamedTuple):
    """A record that is longer than a row may be, and on how many physical lines it stands."""

    cells: list[str]
    line_count: int
    byte_count: int


class HeadText:
    """The text begins with the file. Without the whole file its last line is left out, since it may go on."""

    def __init__(self, text: str, *, is_whole: bool) -> None:
        self._text = text if is_whole else text[: max(text.rfind("\n"), text.rfind("\r")) + 1]
        self.is_whole = is_whole
        found = _separator_line.match(text)
        self.separator = found[1] if found and may_delimit(found[1]) else None

    @property
    def first_line(self) -> int:
        """The physical line that is read first."""
        return 1 if self.separator is None else 2

    def records(self, dialect: Dialect, first_line: int) -> Iterator[Record]:
        """The records from this physical line on, by the rules that all of the file is read with."""
        reader = RecordReader(line_blocks(_pieces(self._text), dialect.delimiter), dialect)
        reader.skip_lines(first_line - 1)
        return reader.records()

    def lines(self, first: int, stop: int, *, most_characters: int) -> list[str]:
        """Physical lines that are not blank, each as far as it is shown."""
        found = islice(io.StringIO(self._text, newline=""), first - 1, stop - 1)
        return [line.rstrip("\r\n")[:most_characters] for line in found if line.strip()]

    def long_record(self, dialect: Dialect, line_number: int, codec: str) -> LongRecord | None:
        """The record that begins there, however long it is; None if it cannot be read."""
        lines = list(islice(io.StringIO(self._text, newline=""), line_number - 1, None))
        reader = csv.reader(
            lines,
            delimiter=dialect.delimiter,
            escapechar="\\" if dialect.backslash_escapes else None,
            skipinitialspace=True,
            strict=True,
        )
        try:
            cells = next(reader)
        except csv.Error:
            return None
        size = len("".join(lines[: reader.line_num]).encode(codec, "replace"))
        return LongRecord(without_marks(cells), reader.line_num, size)


def count_lines(record: Record) -> int:
    """On how many physical lines a record stands that could be read."""
    return 1 + sum(cell.count("\n") + cell.count("\r") - cell.count("\r\n") for cell in record.cells)


def _pieces(text: str) -> Iterator[str]:
    """None ends between a CR and its LF."""
    at = 0
    while at < len(text):
        end = at + _PIECE_CHARACTERS
        end += text[end - 1 : end + 1] == "\r\n"
        yield text[at:end]
        at = end
