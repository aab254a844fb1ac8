"""Erasures as the API takes and shows them: what is shown names nobody."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from api_service.erasures.statements import Erasure, ErasureState
from api_service.http.json_model import JsonModel


class ErasureOrder(JsonModel):
    """Whom to erase."""

    model_config = ConfigDict(extra="forbid")

    email: str = Field(
        min_length=3,
        max_length=1000,
        description="In whatever case; also one that no row would be taken with.",
        examples=["asha.rao@example.com"],
    )


class FoundDocument(JsonModel):
    """How many of each kind were erased, or rid of what they said of the person."""

    employees: int = 0
    before_images: int = Field(0, description="What uploads had replaced, kept so that they could be undone.")
    rejected_rows: int = Field(0, description="In reports. Their dead letters are deleted, in the queue too.")
    corrected_rows: int = 0
    previews: int = Field(0, description="Of drafts, which are drafts again.")
    malformed_messages: int = 0
    request_outcomes: int = Field(0, description="Answers to single requests.")
    uploads: int = Field(0, description="Names of files and columns, lines above headers, and problems.")


class ForeseenDocument(JsonModel):
    """What an erasure would have to do with; it may find a little less."""

    found: FoundDocument
    files_to_search: int = Field(description="Stored files, each of which an erasure reads.")


class ErasedFileDocument(JsonModel):
    """A stored file that named the person."""

    upload_id: UUID
    action: Literal["redacted", "original_deleted", "deleted", "missing"] = Field(
        description="`redacted`: every character of the person's rows is an `x`, and lines and other rows are as they "
        "were. `original_deleted`: only the workbook or packed file named them, not the text that is read. `deleted`: "
        "no text without the person could be made of it. `missing`: the store has no such file."
    )
    rows: int = Field(description="Rows that were the person's.")
    mentions: int = Field(description="Lines of other rows, or above them, in which their email stood.")
    sha256_before: str
    sha256_after: str | None
    original_deleted: bool = Field(description="The workbook or packed file that the text was made of is gone, too.")


class ErasureDocument(JsonModel):
    """What was erased of a person, where, when and at whose wish: once it is `succeeded`, a certificate."""

    id: UUID
    status: ErasureState
    person: str = Field(
        description="A keyed hash of the email (BLAKE2b, with `ROLLCALL_ERASURE_KEY`): who has the key and the email "
        "can tell that this is about them, and nobody else can."
    )
    key_id: str = Field(description="Which key that is; it does not tell the key.")
    requested_by: str | None = Field(description="Null where authentication is off.")
    is_suppressed: bool = Field(description="Whether rows with this email are refused from then on (`erased_person`).")
    found: FoundDocument
    files: list[ErasedFileDocument]
    waits_for: list[str] = Field(description="What has to end before the next step: mostly uploads under way.")
    created_at: datetime
    finished_at: datetime | None


def erasure_document(erasure: Erasure) -> ErasureDocument:
    files: list[dict[str, Any]] = erasure.files
    return ErasureDocument(
        id=erasure.id,
        status=erasure.state,
        person=erasure.person,
        key_id=erasure.key_id,
        requested_by=erasure.requested_by,
        is_suppressed=erasure.is_suppressed,
        found=FoundDocument.model_validate(erasure.found),
        files=[ErasedFileDocument.model_validate(each) for each in files],
        waits_for=erasure.resume_point.waits_for,
        created_at=erasure.created_at,
        finished_at=erasure.finished_at,
    )
