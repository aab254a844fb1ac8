"""Uploads and rejects as the API shows them."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import Field
from sqlalchemy import Row

from api_service.http.json_model import JsonModel
from api_service.http.row_faults import RowFaultDocument, row_faults
from api_service.uploads.leavers.documents import AbsenceDocument
from api_service.uploads.previews.documents import PreviewDocument, preview_document
from api_service.uploads.report_columns import FileColumns
from shared.database.upload_layout import optional_fields
from shared.duplicate_mode import DuplicateMode
from shared.rows.fields import FIELD_NAMES, FIELDS
from shared.rows.layout import name_columns
from shared.upload_status import FINAL_STATES, UNDO_STATES, WELL_FINISHED_STATES, UploadStatus


class FieldSource(JsonModel):
    """Where a field comes from."""

    columns: list[str] = Field(examples=[["Mobile Phone"]])
    why: str | None = Field(description="Null for an upload of before this was known.", examples=["alias"])
    passed_over: list[str] = Field(
        default=[],
        description="Columns that could have been it; left out if there are none.",
        examples=[["Business Phone"]],
        exclude_if=lambda names: not names,
    )


class UploadDocument(JsonModel):
    """One uploaded file and what became of its rows."""

    id: uuid.UUID
    filename: str = Field(examples=["employees.csv"])
    status: UploadStatus
    on_duplicate: DuplicateMode = Field(description="What an email that is known already does.")
    max_rejects: int | None = Field(
        description="Past so many rejected rows it ends `failed`, `too_many_rejects`; null: an older release took it.",
        examples=[100_000],
    )
    bytes: int = Field(description="Of the file that was sent.", examples=[1048576])
    sha256: str = Field(description="Of the file that was sent.")
    converted_from: str | None = Field(
        description="What the file is, if it was unpacked or is a workbook: gzip, xlsx, xlsm, xlsb, xls or ods. Its "
        "text is what was read, and what `encoding`, `delimiter` and line numbers speak of.",
        examples=["xlsx"],
    )
    sheet: str | None = Field(description="The sheet of a workbook that was read.", examples=["Staff"])
    options: dict[str, Any] | None = Field(
        description="What was said of the file, by the names of the form, as it was sent or in changes of the draft; "
        "null for an upload of before it was kept.",
        examples=[{"encoding": "cp1250", "mapping": {"mobile_no": "Cell"}}],
    )
    encoding: str | None = Field(
        description="Null for a draft whose `problem` leaves it unknown, as `delimiter` is.", examples=["utf-8"]
    )
    encoding_guessed: bool = Field(
        description="Whether the file did not say, and neither did the sender: it is plainly cp1252, or `encoding` was "
        "`guess`."
    )
    delimiter: str | None = Field(examples=[","])
    columns: list[str] = Field(
        description="Without those that a report of rejects had added.", examples=[list(FIELD_NAMES)]
    )
    header_line: int | None = Field(
        description="The line of the file that the header is on; null for a file without one.", examples=[1]
    )
    preamble: list[str] = Field(
        description="The lines above the header, of which no row was made; the first hundred.",
        examples=[["Staff list, November"]],
    )
    optional: list[str] = Field(
        description="Fields that the file may lack and whose cells may be empty.", examples=[["mobile_no"]]
    )
    fields: dict[str, FieldSource] = Field(
        description="For each field the columns that it is joined from, in this order, and why these.",
        examples=[{"mobile_no": {"columns": ["Mobile Phone"], "why": "alias", "passedOver": ["Business Phone"]}}],
    )
    rows_read: int = Field(description="Rows of the file so far, bad ones too.")
    blank_rows: int = Field(
        description="Rows so far whose cells are all empty. They are no rows, and count nowhere else."
    )
    rows_done: int = Field(description="Rows whose chunk is committed.")
    inserted: int
    updated: int
    duplicates: int
    rejected: int
    rejected_by: dict[str, int] = Field(description="Rejected rows by code.", examples=[{"invalid_email": 3}])
    unprocessed: int = Field(description="Rows that a cancel or a failure left undone.")
    undoable: bool = Field(
        description="Whether `POST /v1/uploads/{id}/undo` takes back what it did: from its end until its file's "
        "retention is over."
    )
    deleted: int = Field(description="Of an undo: employees that stood as this upload had inserted them.")
    restored: int = Field(description="Of an undo: employees that are again what this upload had replaced.")
    kept: int = Field(
        description="Of an undo: employees that were changed or deleted since. When it is `undone`, `deleted` + "
        "`restored` + `kept` = `inserted` + `updated` + `deactivated`."
    )
    deactivated: int = Field(
        description="Employees whom the file does not name, and who got `leftAt`. They have no row in it."
    )
    absence: AbsenceDocument | None = Field(
        description="With `absent=deactivate`, once all rows were in: what was found. Else null."
    )
    preview: PreviewDocument | None = Field(
        description="What the upload would do, as it was previewed last; it stays beside the counts, so that a drift "
        "is seen. Null without a preview, or when the draft was changed since."
    )
    progress: float = Field(ge=0, le=1, description="Bytes of finished chunks / bytes.", examples=[0.5])
    revision: int = Field(description="Grows with each change that can be seen here.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    waited_seconds: float | None = Field(
        description="From when it was sent, or its draft started, until a producer began with it.", examples=[0.4]
    )
    read_seconds: float | None = Field(
        description="What the producer that finished it spent on reading its file; the rest of the time it waited for "
        "its rows to be written. Null until then, and for uploads that an older release finished.",
        examples=[4.1],
    )
    undo_requested_at: datetime | None
    undone_at: datetime | None
    uploaded_by: str | None = Field(
        description="The name of the key that it came with; null where authentication was off.", examples=["payroll"]
    )
    problem: dict[str, Any] | None = Field(
        description="Why the upload failed, or what keeps a draft from its start: `code`, `detail` and what belongs to "
        "them, such as the `candidates` of `encoding_unclear`.",
        examples=[{"code": "unclosed_quote", "detail": "A quote opens on line 17 and is never closed."}],
    )


class RejectDocument(JsonModel):
    """One rejected row, as it stands in the file."""

    row_number: int = Field(description="Counts the records after the header, from 1.", examples=[17])
    line_number: int = Field(description="The line of the file on which the record starts.", examples=[18])
    code: str = Field(examples=["invalid_email"])
    field: str | None = Field(examples=["email"])
    message: str = Field(examples=["email must look like name@example.com."])
    faults: list[RowFaultDocument] = Field(
        description="All that is wrong with the row; `code`, `field` and `message` are those of the first."
    )
    cells: list[str] = Field(
        description="As they stand in the file, or as they were corrected last.",
        examples=[[field.example.partition("@")[0] for field in FIELDS]],
    )
    original_cells: list[str] | None = Field(
        description="As they stand in the file, where the row was corrected since; else null."
    )
    attempt: int = Field(description="Grows each time that the row is tried again. Say it with a correction.")
    deleted_at: datetime | None = Field(
        description="When its dead letter was deleted: then it is settled, and can be neither redriven nor corrected."
    )


def upload_document(row: Row[Any]) -> UploadDocument:
    """From a row of `uploads`."""
    finished_well = row.status in WELL_FINISHED_STATES or (
        row.status in UNDO_STATES and row.problem is None and not row.unprocessed
    )
    return UploadDocument(
        id=row.id,
        filename=row.filename,
        status=row.status,
        on_duplicate=row.on_duplicate,
        max_rejects=row.max_rejects,
        bytes=row.original_bytes or row.byte_count,
        sha256=row.original_sha256 or row.sha256,
        converted_from=row.original_kind,
        sheet=row.sheet,
        options=row.options,
        encoding=row.encoding,
        encoding_guessed=row.encoding_guessed,
        delimiter=row.delimiter,
        columns=FileColumns.of(row.columns).names,
        header_line=row.header_line,
        preamble=row.preamble,
        optional=list(optional_fields(row.field_columns)),
        fields={
            name: field_source(row.columns, places, row.column_sources.get(name, {}))
            for name, places in field_places(row).items()
        },
        rows_read=row.rows_read,
        blank_rows=row.blank_rows,
        rows_done=row.rows_done,
        inserted=row.inserted,
        updated=row.updated,
        duplicates=row.duplicates,
        rejected=row.rejected,
        rejected_by=row.rejected_by,
        unprocessed=row.unprocessed,
        undoable=row.status in FINAL_STATES and row.undo_expired_at is None,
        deleted=row.deleted,
        restored=row.restored,
        kept=row.kept,
        preview=preview_document(row),
        deactivated=row.deactivated,
        absence=None if row.absence is None else AbsenceDocument.model_validate(row.absence),
        # A file of a header alone has no chunks, and is done all the same.
        progress=1.0 if finished_well else min(1.0, row.bytes_done / row.byte_count),
        revision=row.revision,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        waited_seconds=_waited_seconds(row),
        read_seconds=row.read_seconds,
        undo_requested_at=row.undo_requested_at,
        undone_at=row.undone_at,
        uploaded_by=row.uploaded_by,
        problem=row.problem,
    )


def _waited_seconds(row: Row[Any]) -> float | None:
    if row.started_at is None:
        return None
    waited: timedelta = row.started_at - (row.accepted_at or row.created_at)
    return waited.total_seconds()


def field_places(row: Row[Any]) -> dict[str, list[int]]:
    """By the name of each field its columns. Releases before 0.2.0 stored lists without names."""
    stored = row.field_columns
    named = stored if isinstance(stored, dict) else {name: list(at) for name, at in name_columns(stored).items()}
    return {name: places for name, places in named.items() if places}


def field_source(columns: Sequence[str], places: Sequence[int], stored: Mapping[str, Any]) -> FieldSource:
    """From a value of `column_sources`; uploads of before there was a choice do not know why."""
    return FieldSource(
        columns=[columns[place] for place in places],
        why=stored.get("why"),
        passed_over=[columns[place] for place in stored.get("passed_over", ())],
    )


def reject_document(row: Row[Any], columns: FileColumns) -> RejectDocument:
    """From a row of `rejected_rows`, and the columns of its upload."""
    return RejectDocument(
        row_number=row.row_number,
        line_number=row.line_number,
        code=row.code,
        field=row.field,
        message=row.message,
        faults=row_faults(row),
        cells=columns.own_cells(row.cells),
        original_cells=None if row.original_cells is None else columns.own_cells(row.original_cells),
        attempt=row.attempt,
        deleted_at=row.discarded_at,
    )
