"""The operations of SQS on messages: send, receive, delete, change visibility, and the batches of these."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, Protocol, TypeVar

from api_service.lease_queues.messages import LeasedMessage, Receipt, ReceiveOrder
from api_service.lease_queues.sqs import incoming, lease_queries, outgoing
from api_service.lease_queues.sqs.endpoint import Call
from api_service.lease_queues.sqs.errors import EntryError, SqsError, invalid_parameter, invalid_receipt
from api_service.lease_queues.sqs.lease_queries import Outcome, VisibilityChange
from api_service.lease_queues.sqs.queue_attributes import MAX_MESSAGE_BYTES
from api_service.lease_queues.sqs.queue_records import SqsQueue
from api_service.lease_queues.sqs.requests import (
    ChangeMessageVisibility,
    ChangeMessageVisibilityBatch,
    DeleteMessage,
    DeleteMessageBatch,
    ReceiveMessage,
    SendMessage,
    SendMessageBatch,
    VisibilityEntry,
)

MAX_ENTRIES: Final = 10
MAX_WAIT_SECONDS: Final = 20
MAX_VISIBILITY_SECONDS: Final = 43_200
# Requests of SQS do not say who receives.
CONSUMER: Final = "sqs"
_entry_id = re.compile(r"[A-Za-z0-9_-]{1,80}")

Answer = dict[str, Any]
_EntryT = TypeVar("_EntryT", bound="_Entry")


class _Entry(Protocol):
    id: str


async def send_message(call: Call, request: SendMessage) -> Answer:
    queue = await call.queue(request.queue_url)
    prepared = outgoing.prepare(queue, request)
    (message_id,) = await call.endpoint.lease_queues.send(queue.name, [prepared.message])
    return outgoing.sent(queue, prepared, message_id)


async def send_message_batch(call: Call, request: SendMessageBatch) -> Answer:
    """Of an entry that is refused the others know nothing; those that are sent are sent together."""
    queue = await call.queue(request.queue_url)
    _check_entries(request.entries, "SendMessageBatchRequestEntry")
    failed: list[Answer] = []
    prepared: dict[str, outgoing.Prepared] = {}
    for entry in request.entries:
        try:
            prepared[entry.id] = outgoing.prepare(queue, entry)
        except EntryError as error:
            failed.append(_failed(entry.id, error))
    size = sum(each.size for each in prepared.values())
    if size > MAX_MESSAGE_BYTES:
        message = f"Batch requests cannot be longer than {MAX_MESSAGE_BYTES} bytes. You have sent {size} bytes."
        raise SqsError("BatchRequestTooLong", message)
    messages = [each.message for each in prepared.values()]
    ids = await call.endpoint.lease_queues.send(queue.name, messages) if messages else ()
    successful = [
        {"Id": entry_id, **outgoing.sent(queue, each, message_id)}
        for (entry_id, each), message_id in zip(prepared.items(), ids, strict=True)
    ]
    return {"Successful": successful, "Failed": failed}


async def receive_message(call: Call, request: ReceiveMessage) -> Answer:
    queue = await call.queue(request.queue_url)
    system = incoming.wanted_system_attributes(request)
    limit = _within("MaxNumberOfMessages", request.max_number_of_messages, 1, 1, MAX_ENTRIES)
    default_wait = queue.number("ReceiveMessageWaitTimeSeconds", 0)
    wait_seconds = _within("WaitTimeSeconds", request.wait_time_seconds, default_wait, 0, MAX_WAIT_SECONDS)
    hidden_seconds = request.visibility_timeout
    if hidden_seconds is not None:
        _within("VisibilityTimeout", hidden_seconds, 0, 0, MAX_VISIBILITY_SECONDS)
    consumer = _consumer(queue, request)
    order = ReceiveOrder(consumer, limit, hidden_seconds)
    messages = await _received_before(call, queue, order) if consumer != CONSUMER else ()
    if not messages:
        messages = await call.endpoint.lease_queues.receive(queue.name, order, wait_seconds)
    wanted = request.message_attribute_names or ()
    found = [incoming.received(queue, message, call.addresses, wanted, system) for message in messages]
    return {"Messages": found} if found else {}


async def delete_message(call: Call, request: DeleteMessage) -> None:
    queue = await call.queue(request.queue_url)
    (is_done,) = await call.endpoint.delete(queue, [_receipt(request.receipt_handle)])
    if not is_done:
        raise _expired(request.receipt_handle)


async def delete_message_batch(call: Call, request: DeleteMessageBatch) -> Answer:
    queue = await call.queue(request.queue_url)
    _check_entries(request.entries, "DeleteMessageBatchRequestEntry")
    failed: list[Answer] = []
    receipts: dict[str, Receipt] = {}
    for entry in request.entries:
        try:
            receipts[entry.id] = _receipt(entry.receipt_handle)
        except EntryError as error:
            failed.append(_failed(entry.id, error))
    outcomes = await call.endpoint.delete(queue, list(receipts.values())) if receipts else ()
    successful = []
    for (entry_id, receipt), is_done in zip(receipts.items(), outcomes, strict=True):
        if is_done:
            successful.append({"Id": entry_id})
        else:
            failed.append(_failed(entry_id, _expired(str(receipt))))
    return {"Successful": successful, "Failed": failed}


async def change_message_visibility(call: Call, request: ChangeMessageVisibility) -> None:
    queue = await call.queue(request.queue_url)
    change = _change(request.receipt_handle, request.visibility_timeout)
    (outcome,) = await call.endpoint.change_visibility(queue, [change])
    if outcome != "done":
        raise _unchanged(request.receipt_handle, outcome)


async def change_message_visibility_batch(call: Call, request: ChangeMessageVisibilityBatch) -> Answer:
    queue = await call.queue(request.queue_url)
    _check_entries(request.entries, "ChangeMessageVisibilityBatchRequestEntry")
    failed: list[Answer] = []
    changes: dict[str, VisibilityChange] = {}
    for entry in request.entries:
        try:
            changes[entry.id] = _entry_change(queue, entry)
        except EntryError as error:
            failed.append(_failed(entry.id, error))
    outcomes = await call.endpoint.change_visibility(queue, list(changes.values())) if changes else ()
    successful = []
    for (entry_id, change), outcome in zip(changes.items(), outcomes, strict=True):
        if outcome == "done":
            successful.append({"Id": entry_id})
        else:
            failed.append(_failed(entry_id, _unchanged(str(change.receipt), outcome)))
    return {"Successful": successful, "Failed": failed}


def _consumer(queue: SqsQueue, request: ReceiveMessage) -> str:
    """An attempt that has a name is a consumer of its own, so that what it was given is found again."""
    attempt = request.receive_request_attempt_id
    if attempt is None:
        return CONSUMER
    if not queue.is_fifo:
        raise invalid_parameter("ReceiveRequestAttemptId", attempt, outgoing.NOT_FOR_QUEUE)
    return f"{CONSUMER} {outgoing.checked_key('ReceiveRequestAttemptId', attempt)}"


async def _received_before(call: Call, queue: SqsQueue, order: ReceiveOrder) -> Sequence[LeasedMessage]:
    given = order.visibility_timeout_seconds
    seconds = queue.visibility_timeout_seconds if given is None else given
    async with call.endpoint.lease_queues.moving() as connection:
        return await lease_queries.receive_again(connection, queue.id, order.consumer_id, seconds)


def _entry_change(queue: SqsQueue, entry: VisibilityEntry) -> VisibilityChange:
    seconds = queue.visibility_timeout_seconds if entry.visibility_timeout is None else entry.visibility_timeout
    return _change(entry.receipt_handle, seconds)


def _change(receipt: str, seconds: int) -> VisibilityChange:
    seconds = _within("VisibilityTimeout", seconds, 0, 0, MAX_VISIBILITY_SECONDS)
    return VisibilityChange(_receipt(receipt), seconds)


def _within(name: str, given: int | None, default: int, least: int, most: int) -> int:
    if given is None:
        return default
    if not least <= given <= most:
        raise invalid_parameter(name, given, f"Must be between {least} and {most}, if provided.")
    return given


def _receipt(text: str) -> Receipt:
    try:
        return Receipt.parse(text)
    except ValueError:
        raise invalid_receipt(text) from None


def _expired(receipt: str) -> EntryError:
    return invalid_parameter("ReceiptHandle", receipt, "The receipt handle has expired.")


def _unchanged(receipt: str, outcome: Outcome) -> EntryError:
    if outcome == "expired":
        return EntryError("MessageNotInflight", f"The message of the receipt handle {receipt} is not in flight.")
    reason = "Message does not exist or is not available for visibility timeout change."
    return invalid_parameter("ReceiptHandle", receipt, reason)


def _check_entries(entries: Sequence[_EntryT], what: str) -> None:
    if not entries:
        raise SqsError("EmptyBatchRequest", f"There should be at least one {what} in the request.")
    if len(entries) > MAX_ENTRIES:
        message = f"Maximum number of entries per request are {MAX_ENTRIES}. You have sent {len(entries)}."
        raise SqsError("TooManyEntriesInBatchRequest", message)
    seen: set[str] = set()
    for entry in entries:
        if _entry_id.fullmatch(entry.id) is None:
            message = (
                "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at "
            )
            raise SqsError("InvalidBatchEntryId", f"{message}most 80 letters long.")
        if entry.id in seen:
            raise SqsError("BatchEntryIdsNotDistinct", f"Id {entry.id} repeated.")
        seen.add(entry.id)


def _failed(entry_id: str, error: EntryError) -> Answer:
    return {
        "Id": entry_id,
        "SenderFault": error.is_senders_fault,
        "Code": error.query_code,
        "Message": error.message,
    }
