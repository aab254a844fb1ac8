"""Dead letters as the API shows them, and the orders that it takes for them."""

import json
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field
from sqlalchemy import Row

from api_service.http.cursors import BIGINT_MAX
from api_service.http.json_model import JsonModel
from api_service.http.pagination import Listing
from shared.dead_letters.identity import MalformedLetter, RowLetter, letter_id
from shared.errors import RowCode


class DeadLetterDocument(JsonModel):
    """A rejected row, or a message on the request queue that was no request (then most of it is null)."""

    message_id: str = Field(
        description="Of the message in the queue: `upload:row:attempt`, or `malformed:` and an id.",
        examples=["6f2c6f4e-3b55-4c76-9a0d-5a3a9d2f6a10:17:1"],
    )
    upload_id: UUID | None
    row_number: int | None
    line_number: int | None
    code: str = Field(examples=["invalid_email"])
    field: str | None
    message: str = Field(examples=["The email needs an @ with a domain behind it."])
    cells: list[str] | None = Field(description="The record as it stood in the file.")
    dead_at: datetime


class DeadLetterListing(Listing[DeadLetterDocument]):
    """One page of the dead letters."""

    depth: int | None = Field(description="Messages in the queue `employees.dead-letters`; null: no broker answers.")


class RedriveOrder(JsonModel):
    """Chooses rows to try again, the oldest first; all of them without a limit."""

    # A misspelt filter would be none at all.
    model_config = ConfigDict(extra="forbid")

    upload_id: UUID | None = None
    code: RowCode | None = None
    limit: int | None = Field(None, ge=1, le=BIGINT_MAX)


class RedriveOutcome(JsonModel):
    """The rows are on their way; what became of them is in their uploads' counts."""

    redriven: int = Field(description="Rows put back on the request queue.")
    left: int = Field(description="Rows that match and were not, because of the limit.")


class DeletionOrder(JsonModel):
    """Chooses dead letters to delete; all of them without a filter."""

    model_config = ConfigDict(extra="forbid")

    upload_id: UUID | None = None
    code: RowCode | Literal["malformed_message"] | None = None


class DeletionOutcome(JsonModel):
    """The dead letters that were deleted."""

    removed: int


def dead_letter_document(row: Row[Any]) -> DeadLetterDocument:
    """From a row of `queries.list_letters`."""
    is_row = row.upload_id is not None
    return DeadLetterDocument(
        message_id=letter_id(
            RowLetter(row.upload_id, row.row_number, row.attempt) if is_row else MalformedLetter(row.key_id)
        ),
        upload_id=row.upload_id,
        row_number=row.row_number,
        line_number=row.line_number,
        code=row.code,
        field=row.field,
        message=row.message,
        cells=json.loads(row.cells) if is_row else None,
        dead_at=row.dead_at,
    )
