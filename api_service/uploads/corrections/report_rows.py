"""The rows of a corrected report against the rejects as they stand: which are corrected, and which cannot be right.

A row that cannot be right stops the whole file before anything is done: it is of another upload, or the file was
damaged on its way. What is usual in rounds is passed over: rows that are in by now, which are named, and rows that are
as they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Row

from api_service.uploads.corrections.corrected_cells import PARTLY_KEPT, CorrectedCells
from api_service.uploads.corrections.report_header import ReportColumns
from api_service.uploads.corrections.statements import NewRow
from api_service.uploads.unpacking.workbooks import LINE_END_IN_CELL
from shared.rows.cell_text import bare
from shared.rows.employee_row import storable
from shared.rows.formula import unescape_formula
from shared.rows.record import Record

_MOST_DIGITS: Final = 18


class Mistake(NamedTuple):
    """Why a line of the file cannot be right; it quotes no cell."""

    line_number: int
    detail: str


class NumberedRecord(NamedTuple):
    row_number: int
    record: Record


class ReportRows:
    """Of one file. It remembers a bit a row, to find those that come twice."""

    def __init__(self, upload: CorrectedCells, columns: ReportColumns, *, width: int, last_row: int) -> None:
        self._upload = upload
        self._columns = columns
        self._width = width
        self._last_row = last_row
        self._seen = bytearray(last_row // 8 + 1)

    def numbered(self, record: Record) -> NumberedRecord | Mistake:
        """The row that a record says it corrects."""
        line_number, cells, fault, message = record
        if fault is not None:
            return Mistake(line_number, message or "it is longer than 256 KiB, or a quote is not closed")
        if any(map(str.strip, cells[self._width :])):
            return Mistake(line_number, "it has more cells than the header: put a cell with the delimiter in quotes")
        number = _number(cells, self._columns.row_number)
        if number is None:
            return Mistake(line_number, "row_number is no number: leave that column as it is in the report")
        if not 1 <= number <= self._last_row:
            return Mistake(line_number, f"the upload has no row {number}: is this the report of another upload?")
        bit = 1 << (number & 7)
        if self._seen[number >> 3] & bit:
            return Mistake(line_number, f"row {number} is in the file twice: keep one of them")
        self._seen[number >> 3] |= bit
        return NumberedRecord(number, record)

    def corrected(self, numbered: NumberedRecord, reject: Row[Any] | None) -> NewRow | Mistake | None:
        """None for a row that stands there as it was. The row is looked for in the report once."""
        number, record = numbered
        if reject is None:
            return NewRow(number, None, None, "no_reject")
        line = None if self._columns.line_number is None else _number(record.cells, self._columns.line_number)
        if line not in (None, reject.line_number):
            detail = f"row {number} began on line {reject.line_number}: is this the report of another upload?"
            return Mistake(record.line_number, detail)
        if not self._columns.is_whole and reject.code in PARTLY_KEPT:
            detail = f"only a part of row {number} is left, so the file needs all of the upload's columns"
            return Mistake(record.line_number, detail)
        cells = self._cells(record, reject.cells)
        original = reject.cells if reject.original_cells is None else reject.original_cells
        # One who had an older report did not touch the row either.
        if any(self._look_same(cells, standing) for standing in (reject.cells, original)):
            return None
        if reject.discarded_at is not None:
            return NewRow(number, reject.attempt, None, "letter_deleted")
        return NewRow(number, reject.attempt, storable(cells))

    def _cells(self, record: Record, standing: Sequence[str]) -> list[str]:
        """The row with the cells of the file, each as it stands if it only went through a spreadsheet."""
        width = self._upload.columns.width
        cells = [*standing[:width], *[""] * (width - len(standing))]
        for at, place in self._columns.own.items():
            given = record.cells[at] if at < len(record.cells) else ""
            if self._seen_as(given) != self._seen_as(cells[place]):
                cells[place] = given
        return [*cells, *self._surplus(record, standing[width:])]

    def _surplus(self, record: Record, standing: Sequence[str]) -> Sequence[str]:
        at = self._columns.surplus
        if at is None:
            # Whoever has all columns but this one has removed it.
            return () if self._columns.is_whole else standing
        text = record.cells[at] if at < len(record.cells) else ""
        given = [unescape_formula(cell) for cell in self._upload.parse_surplus(text)]
        return standing if self._look_same(given, standing) else given

    def _look_same(self, cells: Sequence[str], others: Sequence[str]) -> bool:
        longest = max(len(cells), len(others))
        one, other = ([self._seen_as(cell) for cell in each] for each in (cells, others))
        return [*one, *[""] * (longest - len(one))] == [*other, *[""] * (longest - len(other))]

    def _seen_as(self, cell: str) -> str:
        """Without what spreadsheets do to a cell that nobody touches."""
        text = cell.replace(LINE_END_IN_CELL, "\n") if self._upload.columns.is_sheet else cell
        return bare(text.replace("\r\n", "\n").replace("\r", "\n"))


def _number(cells: Sequence[str], at: int) -> int | None:
    text = bare(cells[at]) if at < len(cells) else ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS else None
