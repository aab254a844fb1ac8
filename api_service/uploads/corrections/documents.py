"""Corrections as the API takes and shows them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field, StrictStr
from sqlalchemy import Row

from api_service.http.cursors import BIGINT_MAX
from api_service.http.json_model import JsonModel
from api_service.uploads.corrections.row_correction import RowCorrected
from api_service.uploads.corrections.statements import Correction, CorrectionState, RowOutcome
from api_service.uploads.documents import RejectDocument, reject_document
from api_service.uploads.report_columns import FileColumns


class RowCorrection(JsonModel):
    """The corrected cells of a rejected row."""

    model_config = ConfigDict(extra="forbid")

    cells: dict[StrictStr, StrictStr] | list[StrictStr] = Field(
        description="By the name of a column, or of a field, and those that are not named stay; or all of them, in the "
        "order of the upload's `columns`. Each is a text, as in a file.",
        examples=[{"email": "asha.rao@example.com"}],
    )
    attempt: int | None = Field(
        None,
        ge=1,
        le=BIGINT_MAX,
        description="The `attempt` of the row that was looked at, unless `If-Match` says it. If it is another by now, "
        "somebody else was faster, and the answer is 409 `row_changed`. Without it the row is taken as it is now.",
    )


class CorrectionDocument(JsonModel):
    """What somebody corrected, a row or a file of them, and what became of it."""

    id: uuid.UUID
    upload_id: uuid.UUID
    state: CorrectionState = Field(description="`succeeded` and `cancelled` are final.")
    total: int = Field(description="Rows that are corrected, and those that could not be.")
    waiting: int = Field(description="Rows of which nobody knows yet.")
    inserted: int
    updated: int
    duplicates: int
    rejected: int = Field(description="Rows that are dead again, with the corrected cells and their new faults.")
    row_changed: int = Field(description="Rows that somebody else moved meanwhile; nothing was done to them.")
    cancelled: int = Field(description="Rows that were not tried because the correction was stopped.")
    no_reject: int = Field(description="Rows of the file that were no rejects, or no more, and were passed over.")
    letter_deleted: int = Field(description="Rows that were settled by the deletion of their letters, and passed over.")
    unchanged: int = Field(description="Rows of the file that stand there as they were, and were left out.")
    ignored_columns: list[str] = Field(description="Columns of the file that the upload does not have.")
    created_at: datetime
    finished_at: datetime | None


class CorrectedRowDocument(JsonModel):
    """What became of one corrected row."""

    row_number: int = Field(examples=[17])
    attempt: int | None = Field(description="The attempt that was corrected; null for a row that was no reject.")
    outcome: RowOutcome | None = Field(description="Null while it waits.")


class RowCorrectedDocument(JsonModel):
    """What became of a corrected row, as far as it is known."""

    row_number: int = Field(examples=[17])
    correction_id: uuid.UUID
    outcome: RowOutcome | None = Field(description="`inserted`, `updated`, `duplicate` or `rejected`; null: not yet.")
    reject: RejectDocument | None = Field(description="The row as it stands now, if it is rejected again.")


def correction_address(upload_id: uuid.UUID, correction_id: uuid.UUID) -> str:
    return f"/v1/uploads/{upload_id}/corrections/{correction_id}"


def correction_document(correction: Correction, counts: Mapping[RowOutcome | None, int]) -> CorrectionDocument:
    return CorrectionDocument(
        id=correction.id,
        upload_id=correction.upload_id,
        state=correction.state,
        total=correction.total,
        waiting=counts.get(None, 0),
        inserted=counts.get("inserted", 0),
        updated=counts.get("updated", 0),
        duplicates=counts.get("duplicate", 0),
        rejected=counts.get("rejected", 0),
        row_changed=counts.get("row_changed", 0),
        cancelled=counts.get("cancelled", 0),
        no_reject=counts.get("no_reject", 0),
        letter_deleted=counts.get("letter_deleted", 0),
        unchanged=correction.unchanged,
        ignored_columns=correction.ignored_columns,
        created_at=correction.created_at,
        finished_at=correction.finished_at,
    )


def corrected_row_document(row: Row[Any, Any, Any]) -> CorrectedRowDocument:
    """From a row of `statements.list_rows`."""
    return CorrectedRowDocument(row_number=row.row_number, attempt=row.attempt, outcome=row.outcome)


def row_corrected_document(row_number: int, corrected: RowCorrected) -> RowCorrectedDocument:
    columns = FileColumns.of(corrected.upload.columns, is_sheet=corrected.upload.sheet is not None)
    return RowCorrectedDocument(
        row_number=row_number,
        correction_id=corrected.correction.id,
        outcome=corrected.outcome,
        reject=None if corrected.reject is None else reject_document(corrected.reject, columns),
    )
