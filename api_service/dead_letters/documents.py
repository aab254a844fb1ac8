"""Dead letters as the API shows them, and the orders that it takes for them."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StrictBool, model_validator
from sqlalchemy import Row

from api_service.dead_letters.bulk_jobs import Job, JobKind, JobState
from api_service.http.cursors import BIGINT_MAX
from api_service.http.json_model import JsonModel
from api_service.http.moment import Moment
from api_service.http.pagination import Listing
from api_service.http.row_faults import RowFaultDocument, row_faults
from shared.dead_letters.identity import Letter, MalformedLetter, RowLetter, letter_id, letter_named
from shared.errors import RowCode

LetterCode = RowCode | Literal["malformed_message"]
CHOOSE: Final = 'Say which: a filter, or {"all": true}'


MAX_MESSAGE_IDS: Final = 1000


def _known_form(message_id: str) -> str:
    if letter_named(message_id) is None:
        raise ValueError("Give the messageId of a dead letter as the listing says it")
    return message_id


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
    faults: list[RowFaultDocument] = Field(
        description="All that is wrong with the row; `code`, `field` and `message` are those of the first."
    )
    cells: list[str] | None = Field(description="The record as it stood in the file.")
    dead_at: datetime


class DeadLetterListing(Listing[DeadLetterDocument]):
    """One page of the dead letters."""

    depth: int | None = Field(description="Messages in the queue `employees.dead-letters`; null: no broker answers.")


class _Order(JsonModel):
    """Nothing is chosen by saying nothing: a filter that was sent elsewhere, or misspelt, must not mean everything."""

    model_config = ConfigDict(extra="forbid")

    upload_id: UUID | None = Field(None, description="Only those of this upload.")
    dead_from: Moment | None = Field(None, description="Only those that died then or later.")
    dead_before: Moment | None = Field(None, description="Only those that died before.")
    message_ids: list[Annotated[str, AfterValidator(_known_form)]] | None = Field(
        None,
        min_length=1,
        max_length=MAX_MESSAGE_IDS,
        description="These alone, by `messageId`. One whose row has moved on is left out.",
        examples=[["6f2c6f4e-3b55-4c76-9a0d-5a3a9d2f6a10:17:1"]],
    )
    choose_all: StrictBool = Field(False, alias="all", description="Needed where nothing else is said.")

    @model_validator(mode="after")
    def _check_choice(self) -> Self:
        filters = self.model_dump(exclude={"choose_all", "limit"}, exclude_none=True)
        if self.choose_all and filters:
            raise ValueError("Give either all or a filter, not both")
        if self.message_ids is not None and len(self.model_dump(exclude={"choose_all"}, exclude_none=True)) > 1:
            raise ValueError("Give either messageIds or a filter, not both")
        if not self.choose_all and not self.model_dump(exclude={"choose_all"}, exclude_none=True):
            raise ValueError(CHOOSE)
        return self

    @property
    def letters(self) -> Sequence[Letter] | None:
        if self.message_ids is None:
            return None
        return [letter for each in self.message_ids if (letter := letter_named(each)) is not None]


class RedriveOrder(_Order):
    """Chooses rows to try again, the oldest first. A limit alone will do, too."""

    code: RowCode | None = Field(None, description="Only those that were rejected with this code.")
    limit: int | None = Field(None, ge=1, le=BIGINT_MAX)

    @model_validator(mode="after")
    def _check_letters(self) -> Self:
        if any(isinstance(each, MalformedLetter) for each in self.letters or ()):
            raise ValueError("A malformed message is no row that could be tried again: delete it")
        return self


class DeletionOrder(_Order):
    """Chooses dead letters to delete."""

    code: LetterCode | None = Field(None, description="Only those with this code.")


class JobDocument(JsonModel):
    """Work on dead letters that goes on by itself, in small steps: look at it again, or stop it."""

    id: UUID
    kind: JobKind
    state: JobState = Field(description="`succeeded` and `cancelled` are final.")
    upload_id: UUID | None
    code: str | None
    dead_from: datetime | None
    dead_before: datetime | None
    message_ids: list[str] | None
    limit: int | None
    total: int = Field(description="Letters that it takes: those that matched when it was ordered, up to the limit.")
    done: int = Field(
        description="Letters that it is done with. Of a redrive: rows that were tried again, whatever became of them."
    )
    left: int = Field(description="Letters that matched and are left alone because of the limit.")
    created_at: datetime
    finished_at: datetime | None


def job_document(job: Job) -> JobDocument:
    return JobDocument(
        id=job.id,
        kind=job.kind,
        state=job.state,
        upload_id=job.matching.upload_id,
        code=job.matching.code,
        dead_from=job.matching.dead_from,
        dead_before=job.matching.dead_before,
        message_ids=None if job.matching.letters is None else [letter_id(each) for each in job.matching.letters],
        limit=job.most,
        total=job.total,
        done=job.done,
        left=job.left_over,
        created_at=job.created_at,
        finished_at=job.finished_at,
    )


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
        faults=row_faults(row),
        cells=json.loads(row.cells) if is_row else None,
        dead_at=row.dead_at,
    )
