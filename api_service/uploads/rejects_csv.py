"""CSV for correcting and starting: the report of an upload's rejected rows, and the template."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncEngine

from api_service.http.csv_download import csv_lines
from api_service.uploads.queries import has_rejects_wider_than, list_rejects
from shared.rows.fields import FIELD_NAMES, FIELDS

REPORT_COLUMNS: Final = ("row_number", "line_number", "error_code", "error_field", "error_message")
# Holds, as CSV of their own, the cells that a row had beyond the file's columns: they would shift the columns behind.
SURPLUS_COLUMN: Final = "surplus_cells"
# A cell-filled record can have 256 KiB.
BATCH_ROWS: Final = 200


def template_csv() -> bytes:
    return csv_lines([FIELD_NAMES, [field.example for field in FIELDS]])


async def rejects_csv(engine: AsyncEngine, upload_id: uuid.UUID, columns: Sequence[str]) -> AsyncIterator[bytes]:
    """The report in file order: the file's columns as they were, then why each row was rejected.

    Safe to open in a spreadsheet, and taken back by the reader with its escapes undone. Memory is that of one batch;
    no connection is held while the client reads.
    """
    async with engine.connect() as connection:
        with_surplus = await has_rejects_wider_than(connection, upload_id, len(columns))
        batch = await list_rejects(connection, upload_id, limit=BATCH_ROWS)
    surplus = [SURPLUS_COLUMN] if with_surplus else []
    yield csv_lines([[*columns, *surplus, *REPORT_COLUMNS]])
    while batch:
        yield csv_lines(_report_row(reject, len(columns), with_surplus=with_surplus) for reject in batch)
        async with engine.connect() as connection:
            batch = await list_rejects(connection, upload_id, after_row=batch[-1].row_number, limit=BATCH_ROWS)


def _report_row(reject: Row[Any], width: int, *, with_surplus: bool) -> list[str]:
    cells = list(reject.cells[:width])
    cells += [""] * (width - len(cells))
    if with_surplus:
        cells.append(csv_lines([reject.cells[width:]]).decode().rstrip("\r\n") if len(reject.cells) > width else "")
    return [*cells, str(reject.row_number), str(reject.line_number), reject.code, reject.field or "", reject.message]
