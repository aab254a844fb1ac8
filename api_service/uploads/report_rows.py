"""A row of a file under the columns of a report."""

from __future__ import annotations

from collections.abc import Sequence

from api_service.http.csv_download import csv_lines
from api_service.uploads.report_columns import SURPLUS_COLUMN, FileColumns


def report_cells(cells: Sequence[str], columns: FileColumns, delimiter: str, *, adds_surplus: bool) -> list[str]:
    """The row under the report's columns. Cells beyond the last would shift the reason, so they share one."""
    own = columns.own_cells([*cells, *[""] * (columns.width - len(cells))])
    surplus = own[len(columns.names) :]
    del own[len(columns.names) :]
    if adds_surplus:
        own.append(_joined(surplus, delimiter))
    elif any(map(str.strip, surplus)):
        # Better in the wrong column than nowhere.
        at = columns.names.index(SURPLUS_COLUMN) if SURPLUS_COLUMN in columns.names else -1
        own[at] = delimiter.join(filter(None, [own[at], _joined(surplus, delimiter)]))
    return own


def _joined(cells: Sequence[str], delimiter: str) -> str:
    return csv_lines([cells], delimiter).decode().rstrip("\r\n") if cells else ""
