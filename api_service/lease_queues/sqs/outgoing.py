"""Turns what is sent into messages of a lease queue, by the rules of SQS."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from api_service.lease_queues.messages import NewMessage
from api_service.lease_queues.sqs import bodies, message_attributes
from api_service.lease_queues.sqs.errors import EntryError, invalid_parameter, missing_parameter
from api_service.lease_queues.sqs.message_attributes import RESERVED, TRACE_HEADER, Attributes
from api_service.lease_queues.sqs.queue_attributes import MAX_DELAY_SECONDS, MAX_MESSAGE_BYTES
from api_service.lease_queues.sqs.queue_records import SqsQueue
from api_service.lease_queues.sqs.requests import OutgoingMessage

TRACE: Final = f"{RESERVED}TraceHeader"
GROUP: Final = f"{RESERVED}MessageGroupId"
DEDUPLICATION: Final = f"{RESERVED}MessageDeduplicationId"
NOT_FOR_QUEUE: Final = "The request include parameter that is not valid for this queue type."
_key = re.compile(r"[!-~]{1,128}")


class Prepared(NamedTuple):
    """`size` is what counts towards the limits of messages and batches."""

    message: NewMessage
    size: int
    digests: Mapping[str, str]


def prepare(queue: SqsQueue, given: OutgoingMessage) -> Prepared:
    """Raises `EntryError`."""
    attributes = given.message_attributes or {}
    system = given.message_system_attributes or {}
    _check_body(given.message_body)
    message_attributes.check(attributes)
    _check_system(system)
    size = len(given.message_body.encode()) + message_attributes.size_of(attributes)
    if size > queue.number("MaximumMessageSize", MAX_MESSAGE_BYTES):
        most = queue.number("MaximumMessageSize", MAX_MESSAGE_BYTES)
        reason = f"One or more parameters are invalid. Reason: Message must be shorter than {most} bytes."
        raise EntryError("InvalidParameterValue", reason)
    headers = message_attributes.as_headers(attributes)
    if TRACE_HEADER in system:
        headers[TRACE] = system[TRACE_HEADER].string_value or ""
    digests = {
        "MD5OfMessageBody": bodies.md5_of(given.message_body),
        "MD5OfMessageAttributes": message_attributes.digest(attributes),
        "MD5OfMessageSystemAttributes": message_attributes.digest(system),
    }
    plain = NewMessage(bodies.as_payload(given.message_body), 0, _delay_seconds(queue, given))
    message = _grouped(queue, given, plain, headers) if queue.is_fifo else _standard(given, plain, headers)
    return Prepared(_with_headers(message, headers), size, {name: md5 for name, md5 in digests.items() if md5})


def _check_body(body: str) -> None:
    if not body:
        raise missing_parameter("MessageBody")
    if not message_attributes.is_storable(body):
        message = "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to "
        raise EntryError("InvalidMessageContents", f"{message}#xFFFD | #x10000 to #x10FFFF")


def _check_system(attributes: Attributes) -> None:
    for name, value in attributes.items():
        if name != TRACE_HEADER:
            raise EntryError("InvalidParameterValue", f"Message system attribute name '{name}' is invalid.")
        if (
            value.data_type != "String"
            or not value.string_value
            or not message_attributes.is_storable(value.string_value)
        ):
            raise EntryError("InvalidParameterValue", f"The message system attribute '{name}' must be a String.")


def _delay_seconds(queue: SqsQueue, given: OutgoingMessage) -> int:
    delay = given.delay_seconds
    if delay is None:
        return queue.number("DelaySeconds", 0)
    if queue.is_fifo and delay > 0:
        raise invalid_parameter("DelaySeconds", delay, NOT_FOR_QUEUE)
    if not 0 <= delay <= MAX_DELAY_SECONDS:
        raise invalid_parameter("DelaySeconds", delay, f"DelaySeconds must be >= 0 and <= {MAX_DELAY_SECONDS}.")
    return delay


def _standard(given: OutgoingMessage, message: NewMessage, headers: dict[str, str]) -> NewMessage:
    """A group is told to whoever receives the message, and keeps nothing back."""
    if given.message_deduplication_id is not None:
        raise invalid_parameter("MessageDeduplicationId", given.message_deduplication_id, NOT_FOR_QUEUE)
    if given.message_group_id is not None:
        headers[GROUP] = checked_key("MessageGroupId", given.message_group_id)
    return message


def _grouped(queue: SqsQueue, given: OutgoingMessage, message: NewMessage, headers: dict[str, str]) -> NewMessage:
    if given.message_group_id is None:
        raise missing_parameter("MessageGroupId")
    group = checked_key("MessageGroupId", given.message_group_id)
    key = given.message_deduplication_id
    if key is None:
        if queue.text("ContentBasedDeduplication", "false") != "true":
            text = "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided "
            raise EntryError("InvalidParameterValue", f"{text}explicitly")
        key = hashlib.sha256(given.message_body.encode()).hexdigest()
    headers[DEDUPLICATION] = checked_key("MessageDeduplicationId", key)
    if queue.text("DeduplicationScope", "queue") == "messageGroup":
        # Lengths first, so that no two pairs are one key.
        key = f"{len(group)}:{group}{key}"
    return message._replace(group_id=group, deduplication_id=key)


def checked_key(name: str, key: str) -> str:
    if _key.fullmatch(key) is None:
        reason = f"{name} can only include alphanumeric and punctuation characters. 1 to 128 in length."
        raise invalid_parameter(name, key, reason)
    return key


def _with_headers(message: NewMessage, headers: Mapping[str, str]) -> NewMessage:
    text = msgspec.json.encode(headers).decode() if headers else None
    return message._replace(headers=text, payload_bytes=len(message.payload) + len(text or ""))


def sent(queue: SqsQueue, prepared: Prepared, message_id: int) -> dict[str, Any]:
    answer: dict[str, Any] = {"MessageId": bodies.message_uuid(message_id), **prepared.digests}
    if queue.is_fifo:
        answer["SequenceNumber"] = bodies.sequence_number(message_id)
    return answer
