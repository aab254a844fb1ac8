"""The operations of SQS on move tasks: start, list, cancel."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row

from api_service.lease_queues import queue_queries
from api_service.lease_queues.sqs.addresses import is_queue_name
from api_service.lease_queues.sqs.endpoint import Call
from api_service.lease_queues.sqs.errors import QueueMissing, SqsError, invalid_parameter
from api_service.lease_queues.sqs.move_tasks import TaskIsRunning
from api_service.lease_queues.sqs.queue_records import SqsQueue
from api_service.lease_queues.sqs.requests import CancelMessageMoveTask, ListMessageMoveTasks, StartMessageMoveTask

MAX_RATE: Final = 500
MAX_RESULTS: Final = 10

Answer = dict[str, Any]


async def start_message_move_task(call: Call, request: StartMessageMoveTask) -> Answer:
    rate = request.max_number_of_messages_per_second
    if rate is not None and not 1 <= rate <= MAX_RATE:
        raise invalid_parameter("MaxNumberOfMessagesPerSecond", rate, f"Must be between 1 and {MAX_RATE}.")
    source = await _queue(call, "SourceArn", request.source_arn)
    target = None
    if request.destination_arn is not None:
        target = await _queue(call, "DestinationArn", request.destination_arn)
        if target.id == source.id or target.is_fifo != source.is_fifo:
            raise invalid_parameter(
                "DestinationArn", request.destination_arn, "Must be another queue of the same kind."
            )
    async with call.endpoint.lease_queues.inspecting() as connection:
        counts = await queue_queries.queue_with_counts(connection, source.name)
    to_move = 0 if counts is None else counts.visible
    try:
        task_id = await call.endpoint.moves.begin(source.id, None if target is None else target.name, rate, to_move)
    except TaskIsRunning:
        message = "There is already a task running. Only one active task is allowed for a source queue arn at a time."
        raise SqsError("UnsupportedOperation", message) from None
    return {"TaskHandle": str(task_id)}


async def list_message_move_tasks(call: Call, request: ListMessageMoveTasks) -> Answer:
    limit = 1 if request.max_results is None else request.max_results
    if not 1 <= limit <= MAX_RESULTS:
        raise invalid_parameter("MaxResults", limit, f"Must be between 1 and {MAX_RESULTS}.")
    source = await _queue(call, "SourceArn", request.source_arn)
    tasks = await call.endpoint.moves.tasks(source.id, limit)
    return {"Results": [_described(call, source, task) for task in tasks]} if tasks else {}


async def cancel_message_move_task(call: Call, request: CancelMessageMoveTask) -> Answer:
    try:
        task_id = UUID(request.task_handle)
    except ValueError:
        raise invalid_parameter("TaskHandle", request.task_handle, "It is none that was given out.") from None
    source = await call.endpoint.moves.source_of(task_id)
    moved = None
    if source is not None:
        call.allowed(source)
        moved = await call.endpoint.moves.cancel(task_id)
    if moved is None:
        raise SqsError("ResourceNotFoundException", "There is no such task, or it has ended.", status=404)
    return {"ApproximateNumberOfMessagesMoved": moved}


async def _queue(call: Call, name: str, arn: str) -> SqsQueue:
    queue = arn.rpartition(":")[2]
    if not arn.startswith("arn:") or len(arn.split(":")) != 6 or not is_queue_name(queue):
        raise invalid_parameter(name, arn, "Must be the ARN of a queue.")
    try:
        return await call.named(queue)
    except QueueMissing:
        message = f"The resource that you specified for the {name} parameter doesn't exist."
        raise SqsError("ResourceNotFoundException", message, status=404) from None


def _described(call: Call, source: SqsQueue, task: Row[Any]) -> Answer:
    found = {
        # As at AWS: only what can be cancelled has a handle.
        "TaskHandle": str(task.id) if task.state == "RUNNING" else None,
        "Status": task.state,
        "SourceArn": call.addresses.arn(source.name),
        "DestinationArn": None if task.target is None else call.addresses.arn(task.target),
        "MaxNumberOfMessagesPerSecond": task.rate,
        "ApproximateNumberOfMessagesMoved": task.moved,
        "ApproximateNumberOfMessagesToMove": task.to_move,
        "FailureReason": task.failure,
        "StartedTimestamp": int(task.created_at.timestamp() * 1000),
    }
    return {name: value for name, value in found.items() if value is not None}
