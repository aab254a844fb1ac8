"""What the service answers, as typed values: one struct for each schema of its OpenAPI document.

Names are the service's, in Python's way of writing. States, outcomes and codes are plain texts, and what is not known
here is passed over, so that this client goes on reading what a newer service says.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from shared.rows.fields import FIELDS

Item = TypeVar("Item")


class Document(msgspec.Struct, rename="camel"):
    """An answer of the service; attributes are its fields, `row_number` for `rowNumber`."""


class Listing(Document, Generic[Item]):
    """One page of a list."""

    data: list[Item]
    page: int | None
    limit: int
    size: int
    total_data: int
    total_pages: int
    total_is_estimate: bool
    next_cursor: str | None


class RowFault(Document):
    """One of the things that are wrong with a row."""

    code: str
    field: str | None
    message: str


class FieldSource(Document):
    """Which columns of the file a field comes from, and why these."""

    columns: list[str]
    why: str | None
    passed_over: list[str] = []


class Absence(Document):
    """What an upload found of employees whom its file does not name."""

    in_scope: int
    absent: int
    at_most: int
    unreadable_rows: int


class Preview(Document):
    """What the upload would do, or would have done as it was previewed. None of it was done."""

    requested_at: datetime
    rows_read: int
    blank_rows: int
    rows_done: int
    inserted: int | None
    updated: int | None
    duplicates: int | None
    rejected: int
    rejected_by: dict[str, int]
    unprocessed: int
    progress: float
    outcome: str | None
    problem: dict[str, Any] | None
    deactivated: int | None = None
    absence: Absence | None = None


class UploadFields(Document):
    """One uploaded file and what became of its rows."""

    id: str
    filename: str
    status: str
    on_duplicate: str
    max_rejects: int | None
    bytes: int
    sha256: str
    converted_from: str | None
    sheet: str | None
    options: dict[str, Any] | None
    encoding: str | None
    encoding_guessed: bool
    delimiter: str | None
    columns: list[str]
    header_line: int | None
    preamble: list[str]
    optional: list[str]
    fields: dict[str, FieldSource]
    rows_read: int
    blank_rows: int
    rows_done: int
    inserted: int
    updated: int
    duplicates: int
    rejected: int
    rejected_by: dict[str, int]
    unprocessed: int
    undoable: bool
    deleted: int
    restored: int
    kept: int
    deactivated: int
    absence: Absence | None
    preview: Preview | None
    progress: float
    revision: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    waited_seconds: float | None
    read_seconds: float | None
    undo_requested_at: datetime | None
    undone_at: datetime | None
    uploaded_by: str | None
    problem: dict[str, Any] | None


class Reject(Document):
    """One rejected row, as it stands in the file or was corrected last."""

    row_number: int
    line_number: int
    code: str
    field: str | None
    message: str
    faults: list[RowFault]
    cells: list[str]
    original_cells: list[str] | None
    attempt: int
    deleted_at: datetime | None


class Result(Document):
    """One row of the file, and what became of it."""

    row_number: int
    line_number: int
    outcome: str
    faults: list[RowFault]
    same_as: str | None
    corrected: bool
    cells: list[str]


class KeptRow(Document):
    """A row of an undone upload whose employee stays as another upload has changed it since."""

    row_number: int | None
    employee_id: int
    changed_by: str | None
    outcome: str = "kept"


class Deactivated(Document):
    """An employee whom the file does not name. There is no row of it."""

    employee_id: int
    email: str | None
    employee_name: str | None = msgspec.field(name="employee_name")
    outcome: str = "deactivated"


class SampleRow(Document):
    """One of a file's first rows, and what would become of it."""

    row_number: int
    line_number: int
    cells: list[str]
    values: dict[str, str | None] | None
    faults: list[RowFault]


class Sample(Document):
    """How the first rows of a file read."""

    sheet: str | None
    encoding: str | None
    encoding_guessed: bool
    delimiter: str | None
    columns: list[str]
    header_line: int | None
    preamble: list[str]
    fields: dict[str, FieldSource]
    rows: list[SampleRow]
    problem: dict[str, Any] | None


class Correction(Document):
    """What somebody corrected, a row or a file of them, and what became of it."""

    id: str
    upload_id: str
    state: str
    total: int
    waiting: int
    inserted: int
    updated: int
    duplicates: int
    rejected: int
    row_changed: int
    cancelled: int
    no_reject: int
    letter_deleted: int
    unchanged: int
    ignored_columns: list[str]
    created_at: datetime
    finished_at: datetime | None

    @property
    def is_finished(self) -> bool:
        return self.finished_at is not None


class CorrectedRow(Document):
    """What became of one corrected row; `outcome` is None while it waits."""

    row_number: int
    attempt: int | None
    outcome: str | None


class RowCorrected(Document):
    """What became of a corrected row, as far as it is known; `reject` as it stands now if it is rejected again."""

    row_number: int
    correction_id: str
    outcome: str | None
    reject: Reject | None


if TYPE_CHECKING:

    class EmployeeVersion(Document):
        """An employee as it was, until an upload replaced it: the declared fields, and where they came from."""

        employee_name: str
        company_name: str | None
        mobile_no: str | None
        email: str
        upload_id: str | None
        row_number: int | None
        updated_at: datetime
        left_at: datetime | None

        def __getattr__(self, field: str) -> str | None: ...

    class Employee(Document):
        """An employee: the declared fields, and where they come from."""

        id: int
        employee_name: str
        company_name: str | None
        mobile_no: str | None
        email: str
        upload_id: str | None
        created_at: datetime
        updated_at: datetime
        left_at: datetime | None

        def __getattr__(self, field: str) -> str | None: ...

else:
    # A field that is declared in shared/rows/fields.py is an attribute without a line here.
    Employee = msgspec.defstruct(
        "Employee",
        [
            ("id", int),
            *((field.name, str | None, msgspec.field(name=field.name)) for field in FIELDS),
            ("upload_id", str | None),
            ("created_at", datetime),
            ("updated_at", datetime),
            ("left_at", datetime | None),
        ],
        bases=(Document,),
        namespace={"__doc__": "An employee: the declared fields, and where they come from."},
        module=__name__,
        rename="camel",
        kw_only=True,
    )

    EmployeeVersion = msgspec.defstruct(
        "EmployeeVersion",
        [
            *((field.name, str | None, msgspec.field(name=field.name)) for field in FIELDS),
            ("upload_id", str | None),
            ("row_number", int | None),
            ("updated_at", datetime),
            ("left_at", datetime | None),
        ],
        bases=(Document,),
        namespace={"__doc__": "An employee as it was, until an upload replaced it."},
        module=__name__,
        rename="camel",
        kw_only=True,
    )


class EmployeeHistory(Document):
    """Earlier versions of an employee, the latest first, and the row of its upload that it stands as now."""

    row_number: int | None
    data: list[EmployeeVersion]


class DeadLetter(Document):
    """A rejected row, or a message on the request queue that was no request (then most of it is None)."""

    message_id: str
    upload_id: str | None
    row_number: int | None
    line_number: int | None
    code: str
    field: str | None
    message: str
    faults: list[RowFault]
    cells: list[str] | None
    dead_at: datetime


class DeadLetterListing(Listing[DeadLetter]):
    """One page of the dead letters; `depth` counts the messages in the queue, None when no broker answers."""

    depth: int | None


class Job(Document):
    """Work on dead letters that goes on by itself: look at it again, or stop it."""

    id: str
    kind: str
    state: str
    upload_id: str | None
    code: str | None
    dead_from: datetime | None
    dead_before: datetime | None
    message_ids: list[str] | None
    limit: int | None
    total: int
    done: int
    left: int
    created_at: datetime
    finished_at: datetime | None

    @property
    def is_finished(self) -> bool:
        return self.finished_at is not None


class QueueState(Document):
    """A queue, how many messages are in each state, and its settings."""

    name: str
    visible: int
    in_flight: int
    delayed: int
    blocked: int
    dead: int
    oldest_age_seconds: float | None
    max_receives: int
    visibility_timeout_seconds: int
    deduplication_seconds: int
    retention_seconds: int | None
    dead_letter_queue: str | None
    paused: bool
    created_at: datetime


class MovedFrom(Document):
    """What a message was in the queue where it died."""

    queue: str
    id: int
    receive_count: int
    enqueued_at: datetime


class NewMessage(msgspec.Struct, rename="camel", omit_defaults=True):
    """A message to be sent with what can be said of it, for `Queue.send_many`."""

    payload: Any
    delay_seconds: int | None = None
    deliver_at: datetime | None = None
    group_id: str | None = None
    priority: int | None = None
    headers: Mapping[str, str] | None = None
    deduplication_id: str | None = None


class QueuedMessage(Document):
    """A message as it stands in its queue; looking does not touch it."""

    id: int
    payload: Any
    state: str
    receive_count: int
    consumer_id: str | None
    enqueued_at: datetime
    visible_at: datetime | None
    lease_expires_at: datetime | None
    group_id: str | None
    priority: int
    headers: dict[str, str] | None
    moved_from: MovedFrom | None


class SentMessages(Document):
    """Durable, in the order in which they were given."""

    ids: list[int]


class ReceivedMessage(Document):
    """A message under a lease, which `receipt` names."""

    id: int
    payload: Any
    receipt: str
    receive_count: int
    enqueued_at: datetime
    lease_expires_at: datetime
    group_id: str | None = None
    priority: int | None = None
    headers: dict[str, str] | None = None
    moved_from: MovedFrom | None = None


class ReceivedMessages(Document):
    """First in, first out."""

    messages: list[ReceivedMessage]


class ReceiptOutcome(Document):
    """`acknowledged`, `lease_lost` or `invalid_receipt`."""

    receipt: str
    outcome: str


class AcknowledgeOutcome(Document):
    """In the order in which the receipts were given."""

    outcomes: list[ReceiptOutcome]


class ExtendedLease(Document):
    """A lease after a change."""

    receipt: str
    lease_expires_at: datetime


class LeaseChangeOutcome(Document):
    """`extended`, `lease_lost` or `invalid_receipt`."""

    receipt: str
    outcome: str
    lease_expires_at: datetime | None


class ExtendOutcome(Document):
    """In the order in which the entries were given."""

    outcomes: list[LeaseChangeOutcome]


class RedriveTask(Document):
    """A redrive of so many messages a second; `to` is None where they go back into their own queue."""

    id: str
    state: str
    rate: int
    to: str | None
    redriven: int
    created_at: datetime
    finished_at: datetime | None


class Subscription(Document):
    """Where a queue's messages are pushed to, and how that goes; `state` is active or disabled (by a 410)."""

    url: str
    state: str
    delivered: int
    failed: int
    last_status: int | None
    last_error: str | None
    last_attempt_at: datetime | None
    failing_since: datetime | None
    created_at: datetime
    changed_at: datetime


class RedrivenMessages(Document):
    """Dead messages that can be received again; `complete` is False when others are left."""

    redriven: int
    complete: bool


class PurgedMessages(Document):
    """Messages that are gone; `complete` is False when others are left."""

    removed: int
    complete: bool


class NewMessageId(Document):
    """What `POST /message/new` answers."""

    id: int


class PublishedMessage(Document):
    """What `POST /v1/publish` answers."""

    message_id: int


class ConsumedMessage(Document):
    """A message that an older client's route has leased."""

    id: int
    payload: Any


class ConsumedMessages(Document):
    """First in, first out; empty when there is none."""

    messages: list[ConsumedMessage]


class QueueStatus(Document):
    """A queue of the broker. None, both of them, when no broker answers."""

    messages: int | None
    consumers: int | None


class Trouble(Document):
    """What keeps uploads from being taken or finished."""

    code: str
    detail: str


class Versions(Document):
    """The versions that run."""

    app: str
    schema: str
    postgres: str
    rabbitmq: str | None


class DiskStatus(Document):
    """Bytes on disks."""

    store_free_bytes: int | None
    database_bytes: int


class SystemSample(Document):
    """The system at one time of the last hour."""

    taken_at: datetime
    rows_per_second: float | None
    queues: dict[str, int] | None


class StatusHistory(Document):
    """The last hour, the oldest first."""

    samples: list[SystemSample]


class Status(Document):
    """The system at this moment."""

    broker: str
    queues: dict[str, QueueStatus]
    uploads: dict[str, int]
    oldest_unfinished_upload_seconds: float
    troubles: list[Trouble]
    disk: DiskStatus
    versions: Versions


class ApiKey(Document):
    """A key, without its secret."""

    id: str
    name: str
    scopes: list[str]
    created_at: datetime
    created_by: str | None
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class AwsKeyPair(Document):
    """What AWS SDKs sign with as a key."""

    access_key_id: str
    secret_access_key: str


class CreatedKey(ApiKey):
    """A new key, with its text in `key`, which nobody can ask for again."""

    key: str
    aws: AwsKeyPair | None = None


class OwnKey(Document):
    """Who the caller is to the service."""

    authentication: bool
    id: str | None
    name: str | None
    scopes: list[str]


class AuditEntry(Document):
    """One thing that somebody did, or was refused."""

    id: int
    at: datetime
    action: str
    object: str
    caller: str | None
    key_id: str | None
    address: str | None
    status: int
    outcome: str
    request_id: str | None


class Kept(Document):
    """A kind of thing that goes when its time is over, and how many are due."""

    what: str
    title: str
    setting: str
    kept_seconds: float
    held: int
    due: int
    due_soon: int
    oldest: datetime | None


class Retention(Document):
    """Everything that is not kept for good."""

    interval_seconds: float
    kept: list[Kept]


class Found(Document):
    """How many of each kind were erased, or rid of what they said of a person."""

    employees: int
    before_images: int
    rejected_rows: int
    corrected_rows: int
    previews: int
    malformed_messages: int
    request_outcomes: int
    uploads: int


class Foreseen(Document):
    """What an erasure would have to do with."""

    found: Found
    files_to_search: int


class ErasedFile(Document):
    """A stored file that named a person who was erased."""

    upload_id: str
    action: str
    rows: int
    mentions: int
    sha256_before: str
    sha256_after: str | None
    original_deleted: bool


class Erasure(Document):
    """What was erased of a person; a certificate, once it is finished."""

    id: str
    status: str
    person: str
    key_id: str
    requested_by: str | None
    is_suppressed: bool
    found: Found
    files: list[ErasedFile]
    waits_for: list[str]
    created_at: datetime
    finished_at: datetime | None

    @property
    def is_finished(self) -> bool:
        return self.finished_at is not None


class EncodingCandidate(Document):
    """One way to read a file whose encoding is unclear."""

    encoding: str
    samples: list[str]
