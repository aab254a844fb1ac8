"""The rows of a sheet as texts, as its author sees them. A part of the converter: it imports nothing of ours."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from decimal import Decimal

import python_calamine as calamine

_line_end = re.compile(r"\r\n|\r|\n")

Cell = int | float | str | bool | datetime.time | datetime.date | datetime.datetime | datetime.timedelta


def rows_of(sheet: calamine.CalamineSheet, line_end: str) -> Iterator[list[str]]:
    """Each row up to its last cell with something in it. A cell that is merged over rows stands in each of them."""
    merged = _merged_over_rows(sheet)
    standing: dict[int, tuple[int, str]] = {}
    for number, cells in enumerate(sheet.iter_rows()):
        row = [_text(cell, line_end) for cell in cells]
        for column, last in merged.pop(number, ()):
            standing[column] = (last, row[column])
        for column, (last, value) in list(standing.items()):
            if number > last:
                del standing[column]
            else:
                row[column] = value
        while row and not row[-1]:
            row.pop()
        yield row


def _merged_over_rows(sheet: calamine.CalamineSheet) -> dict[int, list[tuple[int, int]]]:
    """By the row in which they begin, the column and the last row of cells that are merged over several."""
    assert sheet.start is not None and sheet.end is not None  # noqa: S101, PT018 - it is not empty
    found: dict[int, list[tuple[int, int]]] = {}
    for (first, column), (last, _) in sheet.merged_cell_ranges or ():
        if last > first and sheet.start[1] <= column <= sheet.end[1]:
            found.setdefault(first, []).append((column - sheet.start[1], last))
    return found


def _text(cell: Cell, line_end: str) -> str:
    """A cell as its author would type it."""
    if isinstance(cell, str):
        return _line_end.sub(line_end, cell) if "\n" in cell or "\r" in cell else cell
    if isinstance(cell, bool):
        return str(cell).upper()
    if isinstance(cell, float):
        # A phone that was typed as a number is no 4.4E+11.
        return f"{cell:.0f}" if cell.is_integer() else f"{Decimal(repr(cell)):f}"
    if isinstance(cell, datetime.datetime):
        return cell.isoformat(sep=" ", timespec="seconds")
    if isinstance(cell, datetime.timedelta):
        minutes, seconds = divmod(round(cell.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
    if isinstance(cell, (datetime.date, datetime.time)):
        return cell.isoformat() if isinstance(cell, datetime.date) else cell.isoformat(timespec="seconds")
    return str(cell)
