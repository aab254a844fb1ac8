"""The report of all rows: the stored file once more, with what became of each row."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncEngine

from api_service.http.csv_download import EXCEL_MARK, csv_lines
from api_service.uploads.queries import has_rejects_wider_than, rejects_of
from api_service.uploads.rejects_csv import FAULT_SEPARATOR
from api_service.uploads.report_columns import RESULT_COLUMNS, SURPLUS_COLUMN, FileColumns
from api_service.uploads.report_rows import report_cells
from api_service.uploads.results.fates import Outcome, spans
from api_service.uploads.results.results import NumberedRecord, Result, results_of
from api_service.uploads.results.stored_rows import BATCH_ROWS, stored_rows
from shared.database.upload_layout import format_of
from shared.rows.csv_format import CsvFormat
from shared.upload_store import UploadStore


async def results_csv(
    engine: AsyncEngine, store: UploadStore, upload: Row[Any], outcomes: frozenset[Outcome]
) -> AsyncIterator[bytes]:
    """The rows with these outcomes in file order. Raises `ObjectMissing` before the first block.

    Memory is that of one batch; no connection is held while the client reads, and no work done.
    """
    csv_format = format_of(upload)
    columns = FileColumns.of(upload.columns, is_sheet=upload.sheet is not None)
    async with stored_rows(store, upload.object_key, csv_format) as rows:
        adds_surplus = SURPLUS_COLUMN not in columns.names and await _has_surplus(
            engine, store, upload, csv_format, outcomes
        )
        header = [*columns.names, *([SURPLUS_COLUMN] if adds_surplus else []), *RESULT_COLUMNS]
        yield EXCEL_MARK + csv_lines([header], upload.delimiter)
        async for span in spans(engine, upload):
            while rows.row_number < span.last_row:
                first_row = rows.row_number + 1
                records = await rows.take(span.last_row - rows.row_number)
                if not records:
                    return
                wanted = set(span.rows_with(outcomes, from_row=first_row, to_row=rows.row_number))
                picked = [NumberedRecord(*each) for each in enumerate(records, first_row) if each[0] in wanted]
                del records
                if not picked:
                    continue
                results = await results_of(engine, upload, csv_format, picked, span)
                lines = await asyncio.to_thread(_lines, results, columns, upload.delimiter, adds_surplus=adds_surplus)
                # Not held while the client reads.
                del picked, results
                yield lines
                del lines


def _lines(results: Sequence[Result], columns: FileColumns, delimiter: str, *, adds_surplus: bool) -> bytes:
    return csv_lines(
        ([*report_cells(each.cells, columns, delimiter, adds_surplus=adds_surplus), *_fate(each)] for each in results),
        delimiter,
    )


def _fate(result: Result) -> list[str]:
    faults = (
        FAULT_SEPARATOR.join(fault.code for fault in result.faults),
        FAULT_SEPARATOR.join(fault.field or "" for fault in result.faults),
        FAULT_SEPARATOR.join(fault.message for fault in result.faults),
    )
    return [str(result.row_number), str(result.line_number), result.outcome, *faults, result.same_as or ""]


async def _has_surplus(
    engine: AsyncEngine, store: UploadStore, upload: Row[Any], csv_format: CsvFormat, outcomes: frozenset[Outcome]
) -> bool:
    """Whether a row that is asked for has cells beyond the file's columns: only a rejected or unprocessed one may."""
    width = csv_format.layout.width
    if "rejected" in outcomes:
        async with engine.connect() as connection:
            if await has_rejects_wider_than(connection, rejects_of(upload), width):
                return True
    if "unprocessed" not in outcomes or not upload.unprocessed:
        return False
    # Nobody has looked at those rows yet.
    async with stored_rows(store, upload.object_key, csv_format) as rows:
        while records := await rows.take(BATCH_ROWS):
            if any(len(each.cells) > width and any(map(str.strip, each.cells[width:])) for each in records):
                return True
    return False
