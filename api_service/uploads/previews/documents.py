"""A preview as the API shows it, beside the counts of its upload."""

from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict, Field, StrictBool
from sqlalchemy import Row

from api_service.http.json_model import JsonModel
from api_service.uploads.leavers.documents import AbsenceDocument


class PreviewDocument(JsonModel):
    """What the upload would do, or would have done as it was previewed. None of it was done."""

    requested_at: datetime
    rows_read: int = Field(description="Rows of the file so far, bad ones too.")
    blank_rows: int
    rows_done: int = Field(description="Rows that were checked.")
    inserted: int | None = Field(description="Null, as the next two are, as long as it is `previewing`.")
    updated: int | None
    duplicates: int | None
    rejected: int = Field(description="Once it is `previewed`, those too that are refused for who is there.")
    rejected_by: dict[str, int] = Field(description="Rejected rows by code.", examples=[{"invalid_email": 3}])
    deactivated: int | None = Field(
        description="Employees whom the file does not name, and who would get `leftAt`. Null while it is "
        "`previewing`, without `absent=deactivate`, and where a service of an earlier release had a part in it."
    )
    absence: AbsenceDocument | None = Field(description="What was found for that; null as `deactivated` is.")
    unprocessed: int = Field(description="Rows that would be left undone, because it would fail before them.")
    progress: float = Field(ge=0, le=1, examples=[0.5])
    outcome: Literal["succeeded", "partially_succeeded", "failed"] | None = Field(
        description="The state that the upload would end in; null as long as it is `previewing`."
    )
    problem: dict[str, Any] | None = Field(
        description="Why it would fail, or why nobody would be deactivated.",
        examples=[{"code": "too_many_rejects", "detail": "More than 100 rows were rejected, …"}],
    )


class StartOptions(JsonModel):
    """How a draft is started."""

    model_config = ConfigDict(extra="forbid")

    if_unchanged: StrictBool = Field(
        False,
        description="Only if the upload would still do what its preview says: its rows are held against the employees "
        "once more, and if a count differs, it is not started (`preview_drifted`).",
    )


def preview_document(row: Row[Any]) -> PreviewDocument | None:
    """From a row of `uploads`; null for one that was never previewed, or was changed since."""
    if row.preview_requested_at is None:
        return None
    preview: dict[str, Any] = row.preview or {}
    outcome = preview.get("outcome")
    done = preview.get("bytes_done", 0) / row.byte_count
    return PreviewDocument(
        requested_at=row.preview_requested_at,
        rows_read=preview.get("rows_read", 0),
        blank_rows=preview.get("blank_rows", 0),
        rows_done=preview.get("rows_done", 0),
        inserted=preview.get("inserted"),
        updated=preview.get("updated"),
        duplicates=preview.get("duplicates"),
        rejected=preview.get("rejected", 0),
        rejected_by=preview.get("rejected_by", {}),
        deactivated=preview.get("deactivated"),
        absence=preview.get("absence"),
        unprocessed=preview.get("unprocessed", 0),
        # A file of a header alone has no chunks, and is done all the same.
        progress=min(1.0, done) if outcome in (None, "failed") else 1.0,
        outcome=outcome,
        problem=preview.get("problem"),
    )
