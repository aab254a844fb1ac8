"""Takes a corrected report in: its rows are held against the rejects as they stand, and those that differ are kept.

All of it is one transaction, so a file that is refused, or an API that dies, leaves nothing behind. The file itself is
deleted at once: its corrected rows are in the table.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from fastapi import Request
from sqlalchemy import Row

from api_service.http.disconnect import cancel_on_disconnect
from api_service.http.problems import Problem, ProblemCode
from api_service.uploads.corrections import statements
from api_service.uploads.corrections.corrected_cells import CorrectedCells
from api_service.uploads.corrections.report_header import find_report_columns, judge_report
from api_service.uploads.corrections.report_rows import Mistake, NumberedRecord, ReportRows
from api_service.uploads.corrections.row_correction import rejects_gone, require_correctable, require_upload
from api_service.uploads.corrections.statements import Correction, NewRow
from api_service.uploads.intake import Intake
from api_service.uploads.judgement import FormatJudge
from shared.rows.csv_format import CsvFormat
from shared.rows.employee_row import storable
from shared.rows.reader_versions import read_records
from shared.rows.record import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

FIELD_NAMES: Final = frozenset({"delimiter", "encoding", "escape", "sheet"})
# So much is read of the file, and of the rejects, before it is compared and let go.
BATCH_ROWS: Final = 100
BATCH_CHARACTERS: Final = 256 * 1024
BATCH_BYTES: Final = 6 * 1024 * 1024
MISTAKES_SHOWN: Final = 50


class FileCorrector(Intake):
    """Takes a file as the intake of uploads does, and keeps of it what corrects the rejects of one upload."""

    def __init__(self, upload: Row[Any], *parts: Any) -> None:
        """`parts` are those of an `Intake`."""
        super().__init__(*parts)
        self._upload = upload
        self._cells = CorrectedCells(upload)
        self._judge = FormatJudge(self._store, self._room, partial(judge_report, self._cells))

    async def take_corrections(self, request: Request) -> Correction:
        """Raises `Problem`, FileProblem, `BudgetSpent`, the store's and the database's errors."""
        key = str(uuid.uuid4())
        received, packing = await self._stored(request, key, FIELD_NAMES)
        try:
            file = await self._readable(request, key, received, packing)
            csv_format = file.judged.csv_format
            if csv_format is None:
                raise TypeError("only a draft may have no format")
            async with self._room.of(file.check.size).holding(BATCH_BYTES):
                return await cancel_on_disconnect(request, self._stage(file.key, csv_format))
        finally:
            await asyncio.shield(self._discard(key))

    async def _stage(self, key: str, csv_format: CsvFormat) -> Correction:
        columns = find_report_columns(self._cells, csv_format.columns)
        width = len(csv_format.columns)
        mistakes: list[Mistake] = []
        read = total = 0
        with self._store.open_blocking(key) as stored:
            batches = _batches(read_records(stored, csv_format))
            async with self._engine.begin() as connection:
                # An upload that failed may not know all of its rows.
                last_row = max(self._upload.rows_read, await statements.last_reject(connection, self._upload.id))
                rows = ReportRows(self._cells, columns, width=width, last_row=last_row)
                correction = await statements.insert_correction(connection, self._upload.id, seconds=0)
                while batch := await asyncio.to_thread(next, batches, None):
                    corrected = await self._compare(connection, rows, batch, mistakes)
                    if len(mistakes) >= MISTAKES_SHOWN:
                        break
                    await statements.insert_rows(connection, correction.id, corrected)
                    read += len(batch)
                    total += len(corrected)
                if mistakes:
                    raise _refused(mistakes)
                return await statements.describe_correction(
                    connection,
                    correction.id,
                    total=total,
                    unchanged=read - total,
                    ignored_columns=storable(columns.ignored),
                )

    async def _compare(
        self, connection: AsyncConnection, rows: ReportRows, batch: Sequence[Record], mistakes: list[Mistake]
    ) -> list[NewRow]:
        corrected: list[NewRow] = []
        numbered: list[NumberedRecord] = []
        for record in batch:
            found = rows.numbered(record)
            if isinstance(found, Mistake):
                mistakes.append(found)
            else:
                numbered.append(found)
        async for part, rejects in statements.rejects_in_parts(
            connection, self._upload.id, [each.row_number for each in numbered], most_bytes=BATCH_CHARACTERS
        ):
            for each in numbered:
                if each.row_number not in part:
                    continue
                row = rows.corrected(each, rejects.get(each.row_number))
                if isinstance(row, Mistake):
                    mistakes.append(row)
                elif row is not None:
                    corrected.append(row)
        return corrected


async def correctable_upload(engine: AsyncEngine, upload_id: uuid.UUID) -> Row[Any]:
    """Raises `Problem` unknown_upload, not_finished and rejects_gone."""
    async with engine.connect() as connection:
        upload = await require_upload(connection, upload_id)
        require_correctable(upload)
        if upload.rejected and not await statements.has_rejects(connection, upload_id):
            raise rejects_gone()
    return upload


def _batches(records: Iterator[Record]) -> Iterator[list[Record]]:
    batch: list[Record] = []
    characters = 0
    for record in records:
        batch.append(record)
        characters += sum(map(len, record.cells))
        if len(batch) >= BATCH_ROWS or characters >= BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _refused(mistakes: Sequence[Mistake]) -> Problem:
    shown = sorted(mistakes)[:MISTAKES_SHOWN]
    return Problem(
        ProblemCode.INVALID_CORRECTIONS,
        "Nothing was done: correct the lines that `errors` names, or remove them, and send the file again.",
        errors=[{"location": f"line {line_number}", "detail": detail} for line_number, detail in shown],
    )
