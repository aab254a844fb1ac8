"""The cells of a corrected row: what was given, put into the row as it stands."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

from sqlalchemy import Row

from api_service.http.problems import Problem, ProblemCode
from api_service.uploads.documents import field_places
from api_service.uploads.report_columns import SURPLUS_COLUMN, FileColumns
from shared.database.upload_layout import optional_fields
from shared.errors import NewerThanKnown, RowCode
from shared.rows.column_names import ColumnNames
from shared.rows.column_problems import quoted
from shared.rows.employee_row import check_row, storable
from shared.rows.layout import Layout
from shared.rows.rules.rule import RowFault

# Of a row that the reader refused with these only a part is left, which must never pass for the row.
PARTLY_KEPT: Final = (RowCode.ROW_TOO_LONG, RowCode.MALFORMED_QUOTES)


class CorrectedCells:
    """Puts corrected cells into rows of one upload."""

    def __init__(self, upload: Row[Any]) -> None:
        self.columns = FileColumns.of(upload.columns, is_sheet=upload.sheet is not None)
        places = {name: tuple(at) for name, at in field_places(upload).items()}
        self.layout = Layout(len(upload.columns), places, optional_fields(upload.field_columns))
        self._delimiter: str = upload.delimiter
        self._names = ColumnNames(self.columns.names)

    def by_position(self, standing: Sequence[str], given: Sequence[str]) -> list[str]:
        """The whole row, in the order of the file's own columns; cells that lack at its end are empty."""
        cells = self._filled_up(standing)
        for place, at in enumerate(self.columns.indices):
            cells[at] = given[place] if place < len(given) else ""
        return storable([*cells, *given[len(self.columns.names) :]])

    def by_name(self, standing: Sequence[str], given: Mapping[str, str], *, code: str) -> list[str]:
        """Cells by the names of columns or fields; the others stay. Raises `Problem` invalid_request."""
        cells, surplus = self._filled_up(standing), list(standing[self.columns.width :])
        places: dict[int, str] = {}
        for name, value in given.items():
            if name == SURPLUS_COLUMN and not self._names.called(name):
                surplus = self.parse_surplus(value)
                continue
            at = self._place(name)
            if at in places:
                _refuse(name, f"it is the same column as {places[at]}: give it once")
            places[at] = name
            cells[at] = value
        if code in PARTLY_KEPT and (lacking := self._fields_beside(places)):
            _refuse("", f"only a part of this row is left, so give all of its cells; {quoted(lacking)} are not there")
        return storable([*cells, *surplus])

    def parse_surplus(self, text: str) -> list[str]:
        """The cells of the column `surplus_cells`, which holds them as CSV of their own."""
        return next(csv.reader([text], delimiter=self._delimiter), []) if text.strip() else []

    def faults(self, cells: Sequence[str]) -> list[RowFault]:
        """By the same rules as in the consumer, which has the last word; none if a newer release wrote the layout."""
        try:
            checked = check_row(cells, self.layout.require_known())
        except NewerThanKnown:
            return []
        return checked if isinstance(checked, list) else []

    def _filled_up(self, standing: Sequence[str]) -> list[str]:
        width = self.columns.width
        return [*standing[:width], *[""] * (width - len(standing))]

    def _place(self, name: str) -> int:
        found = [self.columns.indices[place] for place in self._names.called(name)]
        if not found:
            found = list(self.layout.columns.get(name, ()))
            if len(found) > 1:
                parts = [self.columns.names[self.columns.indices.index(at)] for at in found]
                _refuse(name, f"it is joined from several columns: give {quoted(parts)}")
        if not found:
            _refuse(name, f"the file has no such column; it has {quoted(self.columns.names)}")
        if len(found) > 1:
            _refuse(name, "the file has several columns of this name: give the cells by position, as a list")
        return found[0]

    def _fields_beside(self, places: Mapping[int, str]) -> list[str]:
        needed = {at for columns in self.layout.columns.values() for at in columns} - places.keys()
        return [name for at, name in zip(self.columns.indices, self.columns.names, strict=True) if at in needed]


def _refuse(name: str, detail: str) -> NoReturn:
    shown = name[:40]
    location = f"body.cells.{shown}" if shown else "body.cells"
    raise Problem(
        ProblemCode.INVALID_REQUEST,
        f"Correct what is wrong with {location}: {detail}.",
        errors=[{"location": location, "detail": detail}],
    )
