"""The bodies that the routes of lease queues take and give."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from pydantic import Field
from sqlalchemy import Row

from api_service.http.cursors import BIGINT_MAX
from api_service.http.json_model import JsonModel
from api_service.lease_queues.messages import (
    CONSUMER_PATTERN,
    KEY_PATTERN,
    MAX_DEDUPLICATION_SECONDS,
    MAX_DELAY_SECONDS,
    MAX_MESSAGES,
    MAX_PRIORITY,
    MAX_RETENTION_SECONDS,
    MAX_TIMEOUT_SECONDS,
    MAX_WAIT_SECONDS,
    QUEUE_NAME_PATTERN,
    LeasedMessage,
)
from api_service.lease_queues.push.addresses import MAX_URL_CHARACTERS
from api_service.lease_queues.push.signature import SECRET_PATTERN
from api_service.lease_queues.queue_queries import MessageState

Seconds = Annotated[int, msgspec.Meta(ge=0, le=MAX_TIMEOUT_SECONDS)]
DelaySeconds = Annotated[int, msgspec.Meta(ge=0, le=MAX_DELAY_SECONDS)]
DeliveryTime = Annotated[datetime, msgspec.Meta(tz=True, description="Instead of a delay; at most 90 days from now.")]
Key = Annotated[
    str, msgspec.Meta(pattern=KEY_PATTERN.removesuffix("$") + r"\Z", extra_json_schema={"pattern": KEY_PATTERN})
]
LeaseSeconds = Annotated[int, msgspec.Meta(ge=1, le=MAX_TIMEOUT_SECONDS)]


QueueNameText = Annotated[
    str,
    msgspec.Meta(
        pattern=QUEUE_NAME_PATTERN.removesuffix("$") + r"\Z", extra_json_schema={"pattern": QUEUE_NAME_PATTERN}
    ),
]
MessageIdNumber = Annotated[int, msgspec.Meta(ge=1, le=BIGINT_MAX)]
DeduplicationSeconds = Annotated[int, msgspec.Meta(ge=1, le=MAX_DEDUPLICATION_SECONDS)]
RetentionSeconds = Annotated[int, msgspec.Meta(ge=1, le=MAX_RETENTION_SECONDS)]
MaxReceives = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class JsonStruct(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A body: camelCase, and a misspelt field is an error."""


class NoBody(JsonStruct):
    """For requests that take none: what somebody believes to have asked for must not be ignored."""


class MessageOptions(JsonStruct):
    """What can be said of a message beside its payload."""

    delay_seconds: DelaySeconds | None = None
    deliver_at: DeliveryTime | None = None
    group_id: Key | None = None
    priority: Annotated[int, msgspec.Meta(ge=0, le=MAX_PRIORITY)] | None = None
    headers: Annotated[dict[str, str], msgspec.Meta(description="8 KiB in all, as JSON.")] | None = None
    deduplication_id: Key | None = None


class NewMessageBody(MessageOptions, kw_only=True):
    payload: msgspec.Raw


class SendBody(MessageOptions):
    """One message (`payload`), or many (`messages`)."""

    payload: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)
    messages: Annotated[tuple[NewMessageBody, ...], msgspec.Meta(min_length=1, max_length=MAX_MESSAGES)] | None = None


class ReceiveBody(JsonStruct):
    # Python's `$` lets a line feed pass behind the text, which that of JSON Schema does not.
    consumer_id: Annotated[
        str,
        msgspec.Meta(
            pattern=CONSUMER_PATTERN.removesuffix("$") + r"\Z", extra_json_schema={"pattern": CONSUMER_PATTERN}
        ),
    ]
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_MESSAGES)] = 1
    visibility_timeout_seconds: LeaseSeconds | None = None
    wait_seconds: Annotated[int, msgspec.Meta(ge=0, le=MAX_WAIT_SECONDS)] = 0


class ReceiptsBody(JsonStruct):
    """What is no receipt has an outcome of its own, and the others theirs."""

    receipts: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=MAX_MESSAGES)]


class LeaseChangeBody(JsonStruct):
    visibility_timeout_seconds: Seconds


class LeaseChangeEntry(LeaseChangeBody):
    receipt: str


class LeaseChangesBody(JsonStruct):
    """What is no receipt has an outcome of its own, and the others theirs."""

    entries: Annotated[tuple[LeaseChangeEntry, ...], msgspec.Meta(min_length=1, max_length=MAX_MESSAGES)]


class QueueSettingsBody(JsonStruct):
    max_receives: MaxReceives = 10
    visibility_timeout_seconds: LeaseSeconds = 30
    deduplication_seconds: DeduplicationSeconds = 300
    retention_seconds: RetentionSeconds | None = None
    dead_letter_queue: QueueNameText | None = None


class QueueChangesBody(JsonStruct):
    """A field that is not named stays as it is."""

    max_receives: MaxReceives | msgspec.UnsetType = msgspec.UNSET
    visibility_timeout_seconds: LeaseSeconds | msgspec.UnsetType = msgspec.UNSET
    deduplication_seconds: DeduplicationSeconds | msgspec.UnsetType = msgspec.UNSET
    retention_seconds: RetentionSeconds | msgspec.UnsetType | None = msgspec.UNSET
    dead_letter_queue: QueueNameText | msgspec.UnsetType | None = msgspec.UNSET
    paused: bool | msgspec.UnsetType = msgspec.UNSET


class RedriveBody(JsonStruct):
    """All that are dead, unless `ids` names some; at once, unless `rate` says how many a second."""

    ids: Annotated[tuple[MessageIdNumber, ...], msgspec.Meta(min_length=1, max_length=MAX_MESSAGES)] | None = None
    rate: Annotated[int, msgspec.Meta(ge=1, le=MAX_MESSAGES)] | None = None
    to: QueueNameText | None = None


class SubscriptionBody(JsonStruct):
    url: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_URL_CHARACTERS)]
    secret: Annotated[
        str,
        msgspec.Meta(
            pattern=SECRET_PATTERN.removesuffix("$") + r"\Z",
            description="`whsec_` and 24 to 64 random bytes in base64.",
            extra_json_schema={"pattern": SECRET_PATTERN},
        ),
    ]


class SentMessages(JsonModel):
    """Durable, in the order in which they were given."""

    ids: list[int] = Field(examples=[[17]])


class MovedFrom(JsonModel):
    """What a message was in the queue where it died."""

    queue: str
    id: int
    receive_count: int
    enqueued_at: datetime


class ReceivedMessage(JsonModel):
    """A message under a lease."""

    id: int
    payload: Any = Field(examples=[{"to": "asha@example.com"}])
    receipt: str = Field(
        description="Names this lease; needed to acknowledge or extend it.",
        examples=["17-9ec5862decac4130857f7eeb48e8d5d5"],
    )
    receive_count: int = Field(description="1 the first time.")
    enqueued_at: datetime
    lease_expires_at: datetime
    group_id: str | None = Field(None, description="Left out where none was sent, as what is behind it.")
    priority: int | None = None
    headers: dict[str, str] | None = None
    moved_from: MovedFrom | None = Field(None, description="Of one that died in another queue.")


class ReceivedMessages(JsonModel):
    """First in, first out."""

    messages: list[ReceivedMessage]


class ReceiptOutcome(JsonModel):
    """The outcome for one receipt."""

    receipt: str
    outcome: Literal["acknowledged", "lease_lost", "invalid_receipt"]


class AcknowledgeOutcome(JsonModel):
    """In the order in which the receipts were given."""

    outcomes: list[ReceiptOutcome]


class ExtendedLease(JsonModel):
    """A lease after a change."""

    receipt: str
    lease_expires_at: datetime


class LeaseChangeOutcome(JsonModel):
    """The outcome for one entry."""

    receipt: str
    outcome: Literal["extended", "lease_lost", "invalid_receipt"]
    lease_expires_at: datetime | None = Field(description="Null unless it was extended.")


class ExtendOutcome(JsonModel):
    """In the order in which the entries were given."""

    outcomes: list[LeaseChangeOutcome]


class Queue(JsonModel):
    """A queue, how many messages are in each state, and its settings."""

    name: str
    visible: int = Field(description="Can be received now.")
    in_flight: int = Field(description="Under a lease.")
    delayed: int = Field(description="Not due yet.")
    blocked: int = Field(description="Behind another message of their group.")
    dead: int = Field(description="Received `maxReceives` times without an acknowledgement.")
    oldest_age_seconds: float | None = Field(description="Of the first visible message; null: there is none.")
    max_receives: int
    visibility_timeout_seconds: int = Field(description="Of a lease whose receiver names none.")
    deduplication_seconds: int = Field(description="How long a `deduplicationId` is remembered.")
    retention_seconds: int | None = Field(description="Age past which messages are dropped; null: none are.")
    dead_letter_queue: str | None = Field(description="Where dead messages move to; null: they stay.")
    paused: bool = Field(description="Receivers get nothing, and wait.")
    created_at: datetime


class QueuedMessage(JsonModel):
    """A message as it stands in its queue; looking does not touch it."""

    id: int
    payload: Any
    state: MessageState
    receive_count: int
    consumer_id: str | None = Field(description="Who received it last.")
    enqueued_at: datetime
    visible_at: datetime | None = Field(
        description="When it becomes visible, or did; null: always, not before its group's turn, or never again."
    )
    lease_expires_at: datetime | None
    group_id: str | None
    priority: int
    headers: dict[str, str] | None
    moved_from: MovedFrom | None


class Subscription(JsonModel):
    """Where a queue's messages are pushed to, and how that goes. Its secret is in no answer."""

    url: str = Field(examples=["https://mailer.example/hooks/emails"])
    state: Literal["active", "disabled"] = Field(
        description="`disabled` once the URL answered 410: nothing is pushed until it is set anew."
    )
    delivered: int = Field(description="Pushes that were answered with a 2xx, counted within seconds.")
    failed: int = Field(description="Pushes that were not.")
    last_status: int | None = Field(description="Of the last push; null: there was none, or no answer came.")
    last_error: str | None = Field(description="Why no answer came to the last push.")
    last_attempt_at: datetime | None
    failing_since: datetime | None = Field(description="Null while the last push was answered with a 2xx.")
    created_at: datetime
    changed_at: datetime = Field(description="When URL and secret were set last.")


class RedrivenMessages(JsonModel):
    """Dead messages that can be received again."""

    redriven: int
    complete: bool = Field(description="False: it ended before its time, and others are left.")


class RedriveTask(JsonModel):
    """A redrive of so many messages a second."""

    id: UUID
    state: Literal["running", "succeeded", "cancelled"]
    rate: int = Field(description="Messages a second.")
    to: str | None = Field(description="Null: back into their own queue.")
    redriven: int = Field(description="So far.")
    created_at: datetime
    finished_at: datetime | None


def redrive_task(row: Row[Any]) -> RedriveTask:
    """From a row of `queue_redrives`."""
    return RedriveTask(
        id=row.id,
        state=row.state,
        rate=row.rate,
        to=row.target,
        redriven=row.redriven,
        created_at=row.created_at,
        finished_at=row.finished_at,
    )


class PurgedMessages(JsonModel):
    """Messages that are gone."""

    removed: int
    complete: bool = Field(description="False: it ended before its time, and others are left.")


def received_messages(messages: Sequence[LeasedMessage]) -> dict[str, Any]:
    """As `ReceivedMessages`, with the payloads as they were sent."""
    return {
        "messages": [
            {
                "id": message.id,
                "payload": msgspec.Raw(message.payload.encode()),
                "receipt": str(message.receipt),
                "receiveCount": message.receive_count,
                "enqueuedAt": message.enqueued_at,
                "leaseExpiresAt": message.lease_expires_at,
                **_options(message),
            }
            for message in messages
        ]
    }


def _options(message: LeasedMessage) -> dict[str, Any]:
    """What not every message has."""
    options: dict[str, Any] = {}
    if message.group_id is not None:
        options["groupId"] = message.group_id
    if message.priority:
        options["priority"] = message.priority
    if message.headers is not None:
        options["headers"] = msgspec.Raw(message.headers.encode())
    if message.moved_from is not None:
        options["movedFrom"] = msgspec.Raw(message.moved_from.encode())
    return options


def queue_document(row: Row[Any]) -> Queue:
    """From a row of `queues` with its counts."""
    return Queue.model_validate(row, from_attributes=True)


def queued_message(row: Row[Any]) -> dict[str, Any]:
    """As `QueuedMessage`, with the payload as it was sent."""
    return {
        "id": row.id,
        "payload": msgspec.Raw(row.payload.encode()),
        "state": row.state,
        "receiveCount": row.receive_count,
        "consumerId": row.consumer_id,
        "enqueuedAt": row.enqueued_at,
        "visibleAt": row.visible_at,
        "leaseExpiresAt": row.lease_expires_at,
        "groupId": row.group_id,
        "priority": row.priority,
        "headers": None if row.headers is None else msgspec.Raw(row.headers.encode()),
        "movedFrom": None if row.moved_from is None else msgspec.Raw(row.moved_from.encode()),
    }
