"""The columns that a report of rejects adds to those of the file, and how they are left out when it comes back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from api_service.uploads.unpacking.workbooks import LINE_END_IN_CELL
from shared.rows.report_signs import SIGNS_OF_A_REPORT, SIGNS_OF_RESULTS

REPORT_COLUMNS: Final = ("row_number", "line_number", "error_code", "error_field", "error_message")
# Those of the report of all rows.
RESULT_COLUMNS: Final = (
    "row_number",
    "line_number",
    "outcome",
    "error_code",
    "error_field",
    "error_message",
    "same_as",
)
# Holds, as CSV of their own, the cells that a row had beyond the file's columns.
SURPLUS_COLUMN: Final = "surplus_cells"


class FileColumns(NamedTuple):
    """A file's own columns. `width` is that of its rows, which have the cells of a returned report's columns too."""

    width: int
    names: list[str]
    indices: list[int]
    is_sheet: bool

    @classmethod
    def of(cls, columns: Sequence[str], *, is_sheet: bool = False) -> FileColumns:
        """From all the columns of an upload. `is_sheet`: its rows are those of a workbook."""
        added = _added_columns(columns)
        last = {name: at for at, name in enumerate(columns)}
        # A file may have a column of such a name of its own: what a report added stands behind it.
        indices = [at for at, name in enumerate(columns) if name not in added or last[name] != at]
        return cls(len(columns), [columns[at] for at in indices], indices, is_sheet)

    def own_cells(self, cells: Sequence[str]) -> list[str]:
        """The cells of a row under these columns, as many as it has, and those beyond the last column."""
        own = [*(cells[at] for at in self.indices if at < len(cells)), *cells[self.width :]]
        return [cell.replace(LINE_END_IN_CELL, "\n") for cell in own] if self.is_sheet else own


def _added_columns(columns: Sequence[str]) -> Sequence[str]:
    """What a report had added to these, if they are those of one."""
    if SIGNS_OF_RESULTS.issubset(columns):
        return RESULT_COLUMNS
    return REPORT_COLUMNS if SIGNS_OF_A_REPORT.issubset(columns) else ()
