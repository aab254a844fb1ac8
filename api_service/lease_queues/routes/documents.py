"""The bodies that the routes of lease queues take and give."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from pydantic import Field
from sqlalchemy import Row

from api_service.http.json_model import JsonModel
from api_service.lease_queues.messages import (
    CONSUMER_PATTERN,
    MAX_MESSAGES,
    MAX_TIMEOUT_SECONDS,
    MAX_WAIT_SECONDS,
    LeasedMessage,
)
from api_service.lease_queues.queue_queries import MessageState

Seconds = Annotated[int, msgspec.Meta(ge=0, le=MAX_TIMEOUT_SECONDS)]
LeaseSeconds = Annotated[int, msgspec.Meta(ge=1, le=MAX_TIMEOUT_SECONDS)]


class JsonStruct(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A body: camelCase, and a misspelt field is an error."""


class NoBody(JsonStruct):
    """For requests that take none: what somebody believes to have asked for must not be ignored."""


class NewMessageBody(JsonStruct):
    payload: msgspec.Raw
    delay_seconds: Seconds = 0


class SendBody(JsonStruct):
    """One message (`payload`), or many (`messages`)."""

    payload: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)
    delay_seconds: Seconds | None = None
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


class QueueSettingsBody(JsonStruct):
    max_receives: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10
    visibility_timeout_seconds: LeaseSeconds = 30


class SentMessages(JsonModel):
    """Durable, in the order in which they were given."""

    ids: list[int] = Field(examples=[[17]])


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


class Queue(JsonModel):
    """A queue, how many messages are in each state, and its settings."""

    name: str
    visible: int = Field(description="Can be received now.")
    in_flight: int = Field(description="Under a lease.")
    delayed: int = Field(description="Not due yet.")
    dead: int = Field(description="Received `maxReceives` times without an acknowledgement.")
    oldest_age_seconds: float | None = Field(description="Of the first visible message; null: there is none.")
    max_receives: int
    visibility_timeout_seconds: int = Field(description="Of a lease whose receiver names none.")
    created_at: datetime


class QueuedMessage(JsonModel):
    """A message as it stands in its queue; looking does not touch it."""

    id: int
    payload: Any
    state: MessageState
    receive_count: int
    consumer_id: str | None = Field(description="Who received it last.")
    enqueued_at: datetime
    visible_at: datetime | None = Field(description="When it becomes visible, or did; null: always, or never again.")
    lease_expires_at: datetime | None


class RedrivenMessages(JsonModel):
    """Dead messages that can be received again."""

    redriven: int
    complete: bool = Field(description="False: it ended before its time, and others are left.")


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
            }
            for message in messages
        ]
    }


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
    }
