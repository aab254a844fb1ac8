"""A row of a finished upload and what became of it: its cells from the file, its outcome from the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncEngine

from api_service.http.row_faults import RowFaultDocument, row_faults
from api_service.uploads.results import queries
from api_service.uploads.results.fates import Outcome, Span
from shared.errors import RowCode
from shared.rows.csv_format import CsvFormat
from shared.rows.employee_row import email_key
from shared.rows.employee_rows import check_rows
from shared.rows.fields import KEY
from shared.rows.record import Record


class NumberedRecord(NamedTuple):
    row_number: int
    record: Record


class Result(NamedTuple):
    """`faults` are those of a rejected row; `same_as` names the row or employee that stands instead of this one.

    The cells are those of the file, or of the row's correction.
    """

    row_number: int
    line_number: int
    outcome: Outcome
    faults: list[RowFaultDocument]
    same_as: str | None
    cells: Sequence[str]
    is_corrected: bool


async def results_of(
    engine: AsyncEngine, upload: Row[Any], csv_format: CsvFormat, records: Sequence[NumberedRecord], span: Span
) -> list[Result]:
    """What became of these rows, all of one span."""
    outcomes = {each.row_number: span.outcome_of(each.row_number) for each in records}
    rejected = [row_number for row_number, outcome in outcomes.items() if outcome == "rejected"]
    rejects: dict[int, Row[Any]] = {}
    if rejected:
        async with engine.connect() as connection:
            rejects = await queries.rejects_by_number(connection, upload, rejected)
    corrected: dict[int, list[str]] = {}
    if upload.has_corrections:
        async with engine.connect() as connection:
            corrected = await queries.corrected_cells(connection, upload.id, list(outcomes))
        records = [
            NumberedRecord(number, record._replace(cells=corrected.get(number, record.cells)))
            for number, record in records
        ]
    repeated = [
        each
        for each in records
        if outcomes[each.row_number] == "duplicate"
        or (each.row_number in rejects and rejects[each.row_number].code == RowCode.DUPLICATE_EMAIL)
    ]
    same_as = await _what_stands_instead(engine, upload, csv_format, repeated)
    return [
        Result(
            row_number,
            record.line_number,
            outcomes[row_number],
            row_faults(rejects[row_number]) if row_number in rejects else [],
            same_as.get(row_number),
            record.cells,
            row_number in corrected,
        )
        for row_number, record in records
    ]


async def _what_stands_instead(
    engine: AsyncEngine, upload: Row[Any], csv_format: CsvFormat, records: Sequence[NumberedRecord]
) -> dict[int, str]:
    """By the number of a repeated row, unless nobody has its email any more."""
    if not records:
        return {}
    previewed: dict[int, int] = {}
    if upload.preview_id is not None:
        async with engine.connect() as connection:
            numbers = [each.row_number for each in records]
            previewed = await queries.standing_rows(connection, upload.preview_id, numbers)
        records = [each for each in records if each.row_number not in previewed]
    checked = check_rows([each.record.cells for each in records], csv_format.layout.require_known())
    keys = {
        records[index].row_number: email_key(employee[KEY])
        for index, employee in zip(checked.indices, checked.employees, strict=True)
    }
    async with engine.connect() as connection:
        found = await queries.employees_by_key(connection, list(set(keys.values())))
    known = {row_number: _name(found[key], upload) for row_number, key in keys.items() if key in found}
    return known | {row_number: f"row {standing_row}" for row_number, standing_row in previewed.items()}


def _name(employee: Row[Any], upload: Row[Any]) -> str:
    # With the name, because people who share a mailbox are no duplicates of each other.
    if employee.upload_sequence == upload.sequence:
        return f"row {employee.row_number}: {employee.employee_name}"
    return f"employee {employee.id}: {employee.employee_name}"
