"""One page of an upload's rows with some outcomes: found in the ledger first, then read from the stored file."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncEngine

from api_service.http.pagination import CELL_BYTES, MAX_PAGE_BYTES
from api_service.uploads.results.fates import Outcome, Span, spans
from api_service.uploads.results.results import NumberedRecord, Result, results_of
from api_service.uploads.results.stored_rows import ResumePoint, StoredRows, stored_rows
from shared.database.upload_layout import format_of
from shared.upload_store import UploadStore


class PlacedResult(NamedTuple):
    """A result, and where a reading that goes on after it may begin."""

    result: Result
    resume_point: ResumePoint


class ResultsPage(NamedTuple):
    """`has_more` rows follow, be it that the page was cut for its size (`was_cut`)."""

    results: list[PlacedResult]
    has_more: bool
    was_cut: bool


async def results_page(
    engine: AsyncEngine,
    store: UploadStore,
    upload: Row[Any],
    outcomes: frozenset[Outcome],
    *,
    after_row: int,
    begin: ResumePoint,
    offset: int,
    limit: int,
) -> ResultsPage:
    """Up to `MAX_PAGE_BYTES` of rows, and always one. Raises `ObjectMissing`."""
    wanted, has_more = await _find(engine, upload, outcomes, after_row=after_row, offset=offset, limit=limit)
    results: list[PlacedResult] = []
    if not wanted:
        return ResultsPage(results, has_more=False, was_cut=False)
    csv_format = format_of(upload)
    room = MAX_PAGE_BYTES
    async with stored_rows(store, upload.object_key, csv_format, begin) as rows:
        for span, row_numbers in wanted:
            picked = []
            for row_number in row_numbers:
                record = await _record_at(rows, row_number)
                if record is None:
                    break
                picked.append((record, rows.resume_point))
                room -= sum(len(cell.encode()) + CELL_BYTES for cell in record.record.cells)
                if room <= 0:
                    break
            found = await results_of(engine, upload, csv_format, [record for record, _ in picked], span)
            results += map(PlacedResult, found, (resume_point for _, resume_point in picked))
            if room <= 0:
                break
    was_cut = len(results) < sum(len(row_numbers) for _, row_numbers in wanted) and room <= 0
    return ResultsPage(results, has_more=has_more, was_cut=was_cut)


async def _find(
    engine: AsyncEngine, upload: Row[Any], outcomes: frozenset[Outcome], *, after_row: int, offset: int, limit: int
) -> tuple[list[tuple[Span, list[int]]], bool]:
    """The numbers of the page's rows by their spans, and whether there are more."""
    found: list[tuple[Span, list[int]]] = []
    async for span in spans(engine, upload, first_row=after_row + 1, last_row=upload.rows_read):
        row_numbers = span.rows_with(outcomes, from_row=after_row + 1, to_row=upload.rows_read)
        if offset >= len(row_numbers):
            offset -= len(row_numbers)
            continue
        here = list(row_numbers[offset : offset + limit + 1])
        offset = 0
        if len(here) > limit:
            if limit:
                found.append((span, here[:limit]))
            return found, True
        found.append((span, here))
        limit -= len(here)
    return found, False


async def _record_at(rows: StoredRows, row_number: int) -> NumberedRecord | None:
    if not await rows.pass_over(row_number):
        return None
    records = await rows.take(1)
    return NumberedRecord(row_number, records[0]) if records else None
