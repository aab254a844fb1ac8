"""The attributes of queues: which there are, what they may be, and where each is kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from api_service.lease_queues.sqs.addresses import Addresses
from api_service.lease_queues.sqs.errors import (
    SqsError,
    invalid_attribute_name,
    invalid_attribute_value,
    invalid_parameter,
)
from api_service.lease_queues.sqs.queue_records import OwnRecord, SqsQueue

MAX_MESSAGE_BYTES: Final = 1024 * 1024
MAX_DELAY_SECONDS: Final = 900
DEFAULT_RETENTION_SECONDS: Final = 345_600
DEFAULT_VISIBILITY_SECONDS: Final = 30
# What the column holds; without a redrive policy SQS hands a message out without end.
UNLIMITED_RECEIVES: Final = 2**31 - 1
MAX_RECEIVE_COUNT: Final = 1000

COUNTS: Final = {
    "ApproximateNumberOfMessages": ("visible", "blocked"),
    "ApproximateNumberOfMessagesNotVisible": ("in_flight",),
    "ApproximateNumberOfMessagesDelayed": ("delayed",),
}
_READ_ONLY: Final = frozenset({"QueueArn", "CreatedTimestamp", "LastModifiedTimestamp", *COUNTS})
_FIFO_ONLY: Final = frozenset({"FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"})


class RedrivePolicy(NamedTuple):
    dead_letter_queue: str
    max_receive_count: int


def _between(least: int, most: int) -> Callable[[str], bool]:
    return lambda text: text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most


def _one_of(*values: str) -> Callable[[str], bool]:
    return lambda text: text in values


def _is_document(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _is_redrive_allowance(text: str) -> bool:
    if not _is_document(text):
        return False
    document = json.loads(text)
    permission = document.get("redrivePermission")
    return permission in ("allowAll", "denyAll") or (permission == "byQueue" and "sourceQueueArns" in document)


_RULES: Final[Mapping[str, Callable[[str], bool]]] = {
    "VisibilityTimeout": _between(0, 43_200),
    "MessageRetentionPeriod": _between(60, 1_209_600),
    "MaximumMessageSize": _between(1024, MAX_MESSAGE_BYTES),
    "DelaySeconds": _between(0, MAX_DELAY_SECONDS),
    "ReceiveMessageWaitTimeSeconds": _between(0, 20),
    "KmsDataKeyReusePeriodSeconds": _between(60, 86_400),
    "KmsMasterKeyId": lambda _: True,
    "SqsManagedSseEnabled": _one_of("true", "false"),
    "FifoQueue": _one_of("true"),
    "ContentBasedDeduplication": _one_of("true", "false"),
    "DeduplicationScope": _one_of("queue", "messageGroup"),
    "FifoThroughputLimit": _one_of("perQueue", "perMessageGroupId"),
    "Policy": _is_document,
    "RedrivePolicy": _is_document,
    "RedriveAllowPolicy": _is_redrive_allowance,
}
# An empty text takes these away.
_REMOVABLE: Final = frozenset({"Policy", "RedrivePolicy", "RedriveAllowPolicy", "KmsMasterKeyId"})
NAMES: Final = frozenset(_RULES) | _READ_ONLY


def new_queue(name: str, attributes: Mapping[str, str]) -> SqsQueue:
    """Raises `SqsError`."""
    plain = SqsQueue(
        0, name, UNLIMITED_RECEIVES, DEFAULT_VISIBILITY_SECONDS, DEFAULT_RETENTION_SECONDS, None, 0, OwnRecord()
    )
    if plain.is_fifo != ("FifoQueue" in attributes):
        reason = "The name of a FIFO queue ends in .fifo, and only such a queue has the attribute FifoQueue."
        raise SqsError("InvalidParameterValue", reason)
    return changed(plain, attributes)


def changed(queue: SqsQueue, attributes: Mapping[str, str]) -> SqsQueue:
    """The queue with these attributes set, and all others as they are. Raises `SqsError`."""
    _check(queue, attributes)
    kept = queue.own.attributes | {name: value for name, value in attributes.items() if name not in _COLUMNS}
    for name in _REMOVABLE:
        if kept.get(name) == "":
            del kept[name]
    columns: dict[str, Any] = {_COLUMNS[name]: int(value) for name, value in attributes.items() if name in _COLUMNS}
    if "RedrivePolicy" in attributes:
        policy = redrive_policy(attributes["RedrivePolicy"])
        columns["max_receives"] = UNLIMITED_RECEIVES if policy is None else policy.max_receive_count
        columns["dead_letter_queue"] = None if policy is None else policy.dead_letter_queue
    return queue._replace(own=msgspec.structs.replace(queue.own, attributes=kept), **columns)


# Kept where the lease queues keep them too.
_COLUMNS: Final = {"VisibilityTimeout": "visibility_timeout_seconds", "MessageRetentionPeriod": "retention_seconds"}


def redrive_policy(text: str | None) -> RedrivePolicy | None:
    """Raises `SqsError`."""
    if not text:
        return None
    document = json.loads(text)
    if not document:
        return None
    arn, count = document.get("deadLetterTargetArn"), document.get("maxReceiveCount")
    if not isinstance(arn, str) or len(arn.split(":")) != 6:
        raise invalid_parameter("RedrivePolicy", text, "It must contain deadLetterTargetArn, the ARN of a queue.")
    if isinstance(count, bool) or not _between(1, MAX_RECEIVE_COUNT)(str(count)):
        raise invalid_parameter("RedrivePolicy", text, f"maxReceiveCount must be between 1 and {MAX_RECEIVE_COUNT}.")
    return RedrivePolicy(arn.rpartition(":")[2], int(count))


def _check(queue: SqsQueue, attributes: Mapping[str, str]) -> None:
    for name, value in attributes.items():
        if name not in _RULES or (name in _FIFO_ONLY and not queue.is_fifo):
            raise invalid_attribute_name(name)
        if "\0" in value or not ((value == "" and name in _REMOVABLE) or _RULES[name](value)):
            raise invalid_attribute_value(name)
    if queue.is_fifo and attributes.get("DelaySeconds", "0") != "0":
        # Of a group one message at a time is to be had, which a delay would hold up.
        raise invalid_attribute_value("DelaySeconds")


def described(queue: SqsQueue, counts: Any, addresses: Addresses) -> dict[str, str]:
    """All attributes of a queue, with those counts of messages that are known."""
    own = queue.own.attributes
    found: dict[str, str | None] = {
        "QueueArn": addresses.arn(queue.name),
        "CreatedTimestamp": str(queue.created_at),
        "LastModifiedTimestamp": str(queue.own.modified_at),
        "VisibilityTimeout": str(queue.visibility_timeout_seconds),
        "MaximumMessageSize": own.get("MaximumMessageSize", str(MAX_MESSAGE_BYTES)),
        "MessageRetentionPeriod": None if queue.retention_seconds is None else str(queue.retention_seconds),
        "DelaySeconds": own.get("DelaySeconds", "0"),
        "ReceiveMessageWaitTimeSeconds": own.get("ReceiveMessageWaitTimeSeconds", "0"),
        "SqsManagedSseEnabled": own.get("SqsManagedSseEnabled", "false"),
        **{name: own.get(name) for name in ("Policy", "RedrivePolicy", "RedriveAllowPolicy")},
    }
    if "KmsMasterKeyId" in own:
        found["KmsMasterKeyId"] = own["KmsMasterKeyId"]
        found["KmsDataKeyReusePeriodSeconds"] = own.get("KmsDataKeyReusePeriodSeconds", "300")
    if queue.is_fifo:
        found["FifoQueue"] = "true"
        found["ContentBasedDeduplication"] = own.get("ContentBasedDeduplication", "false")
        found["DeduplicationScope"] = own.get("DeduplicationScope", "queue")
        found["FifoThroughputLimit"] = own.get("FifoThroughputLimit", "perQueue")
    if counts is not None:
        for name, states in COUNTS.items():
            found[name] = str(sum(getattr(counts, state) for state in states))
    return {name: value for name, value in found.items() if value is not None}
