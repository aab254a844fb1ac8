"""The operations of SQS on queues: create, find, list, describe, change, purge, delete, tags, permissions."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from api_service.lease_queues import queue_queries
from api_service.lease_queues.sqs import queue_attributes, queue_records
from api_service.lease_queues.sqs.addresses import is_queue_name
from api_service.lease_queues.sqs.endpoint import Call
from api_service.lease_queues.sqs.errors import (
    QueueMissing,
    SqsError,
    invalid_attribute_name,
    invalid_parameter,
    missing_parameter,
)
from api_service.lease_queues.sqs.queue_records import SqsQueue
from api_service.lease_queues.sqs.requests import (
    AddPermission,
    CreateQueue,
    GetQueueAttributes,
    GetQueueUrl,
    ListDeadLetterSourceQueues,
    ListQueues,
    OfQueue,
    RemovePermission,
    SetQueueAttributes,
    TagQueue,
    UntagQueue,
)

MAX_NAMES: Final = 1000
MAX_TAGS: Final = 50
# Of ten seconds each; SDKs wait for an answer for a minute.
PURGES: Final = 5
_queue_name = re.compile(r"[A-Za-z0-9_-]{1,80}|[A-Za-z0-9_-]{1,75}\.fifo")

Answer = dict[str, Any]


async def create_queue(call: Call, request: CreateQueue) -> Answer:
    """The same once more is no error; with another value of an attribute it is."""
    if _queue_name.fullmatch(request.queue_name) is None:
        message = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
        raise SqsError("InvalidParameterValue", message)
    call.allowed(request.queue_name)
    attributes, tags = request.attributes or {}, request.tags or {}
    wanted = queue_attributes.new_queue(request.queue_name, attributes)
    _check_tags(tags)
    async with call.endpoint.engine.begin() as connection:
        await _check_target(call, wanted, attributes)
        created = await queue_records.create(connection, _with_tags(wanted, tags))
    if not created:
        await _check_same(call, wanted, attributes)
    return {"QueueUrl": call.addresses.url(request.queue_name)}


async def get_queue_url(call: Call, request: GetQueueUrl) -> Answer:
    queue = await call.named(request.queue_name)
    return {"QueueUrl": call.addresses.url(queue.name)}


async def list_queues(call: Call, request: ListQueues) -> Answer:
    limit, after = _page(request.max_results, request.next_token)
    prefix = request.queue_name_prefix or ""
    if prefix and not is_queue_name(prefix):
        return {}
    async with call.endpoint.lease_queues.inspecting() as connection:
        names = await queue_records.names(connection, prefix, after, limit + 1)
    urls = [call.addresses.url(name) for name in names[:limit] if call.caller.reaches_queue(name)]
    answer: Answer = {"QueueUrls": urls} if urls else {}
    # As SQS does, only for whoever asks for pages.
    if len(names) > limit and request.max_results is not None:
        answer["NextToken"] = _token(names[limit - 1])
    return answer


async def list_dead_letter_source_queues(call: Call, request: ListDeadLetterSourceQueues) -> Answer:
    queue = await call.queue(request.queue_url)
    limit, after = _page(request.max_results, request.next_token)
    async with call.endpoint.lease_queues.inspecting() as connection:
        names = await queue_records.sources(connection, queue.name, after, limit + 1)
    answer: Answer = {"queueUrls": [call.addresses.url(name) for name in names[:limit]]}
    if len(names) > limit and request.max_results is not None:
        answer["NextToken"] = _token(names[limit - 1])
    return answer


async def get_queue_attributes(call: Call, request: GetQueueAttributes) -> Answer:
    wanted = set(request.attribute_names or ())
    for name in sorted(wanted - queue_attributes.NAMES - {"All"}):
        raise invalid_attribute_name(name)
    queue = await call.queue(request.queue_url)
    counts = None
    if wanted & {"All", *queue_attributes.COUNTS}:
        async with call.endpoint.lease_queues.inspecting() as connection:
            counts = await queue_queries.queue_with_counts(connection, queue.name)
        if counts is None:
            raise QueueMissing
    known = queue_attributes.described(queue, counts, call.addresses)
    found = {name: value for name, value in known.items() if "All" in wanted or name in wanted}
    return {"Attributes": found} if found else {}


async def set_queue_attributes(call: Call, request: SetQueueAttributes) -> None:
    if "FifoQueue" in request.attributes:
        raise invalid_attribute_name("FifoQueue")
    async with call.endpoint.engine.begin() as connection:
        queue = await queue_records.locked(connection, call.name_in(request.queue_url))
        wanted = queue_attributes.changed(queue, request.attributes)
        await _check_target(call, wanted, request.attributes)
        await queue_records.change(connection, wanted)


async def purge_queue(call: Call, request: OfQueue) -> None:
    """Answers when all that was there is gone."""
    queue = await call.queue(request.queue_url)
    for _ in range(PURGES):
        if (await call.endpoint.lease_queues.purge(queue.id, None)).complete:
            return
    message = f"The queue {queue.name} has more messages than a purge can delete in time: ask again for the rest."
    raise SqsError("PurgeQueueInProgress", message)


async def delete_queue(call: Call, request: OfQueue) -> None:
    """The name is free at once; of very many messages the last go afterwards."""
    if await call.endpoint.lease_queues.delete(call.name_in(request.queue_url), only_if_empty=False) is None:
        raise QueueMissing


async def tag_queue(call: Call, request: TagQueue) -> None:
    if not request.tags:
        raise missing_parameter("Tags")
    await _change_tags(call, request.queue_url, lambda tags: tags | request.tags)


async def untag_queue(call: Call, request: UntagQueue) -> None:
    if not request.tag_keys:
        raise SqsError("InvalidParameterValue", "Tag keys must be between 1 and 128 characters in length.")
    gone = set(request.tag_keys)
    await _change_tags(call, request.queue_url, lambda tags: {key: tags[key] for key in tags if key not in gone})


async def list_queue_tags(call: Call, request: OfQueue) -> Answer:
    queue = await call.queue(request.queue_url)
    return {"Tags": queue.own.tags}


async def add_permission(call: Call, request: AddPermission) -> None:
    """Accepted so that programs which ask for it run, and without effect: keys are given elsewhere."""
    if not request.actions:
        raise missing_parameter("Actions")
    await call.queue(request.queue_url)


async def remove_permission(call: Call, request: RemovePermission) -> None:
    await call.queue(request.queue_url)


async def _change_tags(call: Call, url: str, change: Any) -> None:
    async with call.endpoint.engine.begin() as connection:
        queue = await queue_records.locked(connection, call.name_in(url))
        tags = change(queue.own.tags)
        _check_tags(tags)
        await queue_records.change(connection, _with_tags(queue, tags))


def _with_tags(queue: SqsQueue, tags: Mapping[str, str]) -> SqsQueue:
    return queue._replace(own=msgspec.structs.replace(queue.own, tags=dict(tags)))


def _check_tags(tags: Mapping[str, str]) -> None:
    if len(tags) > MAX_TAGS:
        raise SqsError("InvalidParameterValue", f"Too many tags: a queue has at most {MAX_TAGS}.")
    for key, value in tags.items():
        if not 1 <= len(key) <= 128 or len(value) > 256 or "\0" in key + value:
            raise SqsError("InvalidParameterValue", "Tag keys have 1 to 128 characters, and values at most 256.")


async def _check_target(call: Call, wanted: SqsQueue, attributes: Mapping[str, str]) -> None:
    """A dead-letter queue has to be there, and of the same kind."""
    target = wanted.dead_letter_queue
    if target is None or "RedrivePolicy" not in attributes:
        return
    try:
        found = await call.named(target)
    except QueueMissing:
        text = attributes["RedrivePolicy"]
        raise invalid_parameter("RedrivePolicy", text, "Dead letter target does not exist.") from None
    if found.is_fifo != wanted.is_fifo:
        reason = "Dead-letter queue must be same type of queue as the source."
        raise invalid_parameter("RedrivePolicy", attributes["RedrivePolicy"], reason)


async def _check_same(call: Call, wanted: SqsQueue, attributes: Mapping[str, str]) -> None:
    existing = await call.endpoint.queue(wanted.name)
    now = queue_attributes.described(existing, None, call.addresses)
    then = queue_attributes.described(wanted, None, call.addresses)
    for name in attributes:
        if now.get(name) != then.get(name):
            message = f"A queue already exists with the same name and a different value for attribute {name}"
            raise SqsError("QueueNameExists", message)


def _page(max_results: int | None, token: str | None) -> tuple[int, str]:
    """How many names, and after which."""
    if max_results is not None and not 1 <= max_results <= MAX_NAMES:
        raise invalid_parameter("MaxResults", max_results, f"Must be between 1 and {MAX_NAMES}.")
    try:
        after = base64.b64decode(token or "", altchars=b"-_", validate=True).decode()
    except ValueError:
        raise invalid_parameter("NextToken", token, "It is none that was given out.") from None
    if "\0" in after:
        raise invalid_parameter("NextToken", token, "It is none that was given out.")
    return max_results or MAX_NAMES, after


def _token(last: str) -> str:
    return base64.urlsafe_b64encode(last.encode()).decode()
