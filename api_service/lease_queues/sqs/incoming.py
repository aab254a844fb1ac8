"""Turns messages that were leased into those that SQS hands out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from api_service.lease_queues.messages import LeasedMessage
from api_service.lease_queues.sqs import bodies, message_attributes
from api_service.lease_queues.sqs.addresses import Addresses
from api_service.lease_queues.sqs.errors import invalid_attribute_name
from api_service.lease_queues.sqs.outgoing import DEDUPLICATION, GROUP, TRACE
from api_service.lease_queues.sqs.queue_records import SqsQueue
from api_service.lease_queues.sqs.requests import ReceiveMessage

SYSTEM_NAMES: Final = frozenset(
    {
        "SenderId",
        "SentTimestamp",
        "ApproximateReceiveCount",
        "ApproximateFirstReceiveTimestamp",
        "SequenceNumber",
        "MessageDeduplicationId",
        "MessageGroupId",
        "AWSTraceHeader",
        "DeadLetterQueueSourceArn",
    }
)


class _MovedFrom(msgspec.Struct):
    queue: str
    id: int


def wanted_system_attributes(request: ReceiveMessage) -> frozenset[str]:
    """Raises `SqsError` for a name that is none."""
    named = {*(request.attribute_names or ()), *(request.message_system_attribute_names or ())}
    for name in sorted(named - SYSTEM_NAMES - {"All"}):
        raise invalid_attribute_name(name)
    return SYSTEM_NAMES if "All" in named else frozenset(named)


def received(
    queue: SqsQueue,
    message: LeasedMessage,
    addresses: Addresses,
    attribute_names: Iterable[str],
    system: frozenset[str],
) -> dict[str, Any]:
    headers = msgspec.json.decode(message.headers, type=dict[str, str]) if message.headers else {}
    moved = msgspec.json.decode(message.moved_from, type=_MovedFrom) if message.moved_from else None
    body = bodies.from_payload(message.payload)
    answer: dict[str, Any] = {
        # As it was called where it died, if it did.
        "MessageId": bodies.message_uuid(message.id if moved is None else moved.id),
        "ReceiptHandle": str(message.receipt),
        "MD5OfBody": bodies.md5_of(body),
        "Body": body,
    }
    found = _system_attributes(queue, message, headers, addresses)
    found["DeadLetterQueueSourceArn"] = None if moved is None else addresses.arn(moved.queue)
    if attributes := {name: value for name, value in found.items() if name in system and value is not None}:
        answer["Attributes"] = attributes
    if chosen := message_attributes.chosen(message_attributes.from_headers(headers), attribute_names):
        answer["MessageAttributes"] = chosen
        answer["MD5OfMessageAttributes"] = message_attributes.digest(chosen)
    return answer


def _system_attributes(
    queue: SqsQueue, message: LeasedMessage, headers: Mapping[str, str], addresses: Addresses
) -> dict[str, str | None]:
    return {
        "SenderId": addresses.account_id,
        "SentTimestamp": _milliseconds(message.enqueued_at),
        "ApproximateReceiveCount": str(message.receive_count),
        "ApproximateFirstReceiveTimestamp": _milliseconds(message.first_received_at),
        "SequenceNumber": bodies.sequence_number(message.id) if queue.is_fifo else None,
        "MessageDeduplicationId": headers.get(DEDUPLICATION),
        "MessageGroupId": message.group_id if message.group_id is not None else headers.get(GROUP),
        "AWSTraceHeader": headers.get(TRACE),
    }


def _milliseconds(moment: datetime | None) -> str | None:
    return None if moment is None else str(int(moment.timestamp() * 1000))
