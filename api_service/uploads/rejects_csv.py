"""CSV for correcting: the report of an upload's rejected rows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncEngine

from api_service.http.csv_download import EXCEL_MARK, csv_lines
from api_service.http.row_faults import row_faults
from api_service.uploads.queries import has_rejects_wider_than, list_rejects, rejects_of
from api_service.uploads.report_columns import REPORT_COLUMNS, SURPLUS_COLUMN, FileColumns
from api_service.uploads.report_rows import report_cells

FAULT_SEPARATOR: Final = " | "
BATCH_ROWS: Final = 200


async def rejects_csv(engine: AsyncEngine, upload: Row[Any]) -> AsyncIterator[bytes]:
    """The report in file order: the file's columns as they were, then why each row was rejected.

    Safe to open in a spreadsheet, and taken back by the reader with its escapes undone and these reasons left out.
    Memory is that of one batch; no connection is held while the client reads.
    """
    columns = FileColumns.of(upload.columns, is_sheet=upload.sheet is not None)
    # What a draft's problem leaves unknown: it has no rejects.
    delimiter = upload.delimiter or ","
    rejects = rejects_of(upload)
    async with engine.connect() as connection:
        has_surplus = await has_rejects_wider_than(connection, rejects, columns.width)
        batch = await list_rejects(connection, rejects, limit=BATCH_ROWS)
    adds_surplus = has_surplus and SURPLUS_COLUMN not in columns.names
    header = [*columns.names, *([SURPLUS_COLUMN] if adds_surplus else []), *REPORT_COLUMNS]
    yield EXCEL_MARK + csv_lines([header], delimiter)
    while batch.rows:
        lines = csv_lines(
            (
                [*report_cells(reject.cells, columns, delimiter, adds_surplus=adds_surplus), *_reason(reject)]
                for reject in batch.rows
            ),
            delimiter,
        )
        last_row = batch.rows[-1].row_number
        # Not held while the client reads.
        del batch
        yield lines
        async with engine.connect() as connection:
            batch = await list_rejects(connection, rejects, after_row=last_row, limit=BATCH_ROWS)


def _reason(reject: Row[Any]) -> list[str]:
    # Three columns for all faults, so that the n-th part of one belongs to the n-th of the others.
    faults = row_faults(reject)
    columns = (
        [fault.code for fault in faults],
        [fault.field or "" for fault in faults],
        [fault.message for fault in faults],
    )
    return [str(reject.row_number), str(reject.line_number), *map(FAULT_SEPARATOR.join, columns)]
