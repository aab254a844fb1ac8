"""The routes of one message, by the id that its send was answered with. /v1/queues/{queue}/messages/by-id/{id}"""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from api_service.http.cursors import BIGINT_MAX
from api_service.http.json_response import json_response
from api_service.http.problems import DATABASE_PROBLEMS, Problem, ProblemCode, problem_responses
from api_service.lease_queues import single_message_queries
from api_service.lease_queues.metrics import MESSAGES
from api_service.lease_queues.routes.dependencies import LeaseQueuesDep
from api_service.lease_queues.routes.documents import QueuedMessage, queued_message
from api_service.lease_queues.routes.messages import QueueName
from api_service.lease_queues.routes.queues import existing_queue

router = APIRouter(prefix="/v1/queues", tags=["lease queues"])

MessageId = Annotated[int, Path(alias="id", ge=1, le=BIGINT_MAX)]


@router.get(
    "/{queue}/messages/by-id/{id}",
    summary="Look at one message without leasing it",
    operation_id="getMessage",
    response_model=QueuedMessage,
    responses=problem_responses(
        ProblemCode.INVALID_REQUEST, ProblemCode.UNKNOWN_QUEUE, ProblemCode.UNKNOWN_MESSAGE, *DATABASE_PROBLEMS
    ),
)
async def get_message(queue: QueueName, message_id: MessageId, queues: LeaseQueuesDep) -> Response:
    async with queues.inspecting() as connection:
        found = await single_message_queries.message(connection, await existing_queue(connection, queue), message_id)
    if found is None:
        raise _unknown_message()
    return json_response(queued_message(found))


@router.delete(
    "/{queue}/messages/by-id/{id}",
    summary="Cancel a message: it is gone, unless somebody works on it",
    operation_id="cancelMessage",
    status_code=204,
    responses=problem_responses(
        ProblemCode.INVALID_REQUEST,
        ProblemCode.UNKNOWN_QUEUE,
        ProblemCode.UNKNOWN_MESSAGE,
        ProblemCode.MESSAGE_LEASED,
        *DATABASE_PROBLEMS,
    ),
)
async def cancel_message(queue: QueueName, message_id: MessageId, queues: LeaseQueuesDep) -> Response:
    async with queues.inspecting() as connection:
        queue_id = await existing_queue(connection, queue)
        is_cancelled = await single_message_queries.cancel(connection, queue_id, message_id)
        found = None if is_cancelled else await single_message_queries.message(connection, queue_id, message_id)
    if is_cancelled:
        MESSAGES.labels("cancelled").inc()
        return Response(status_code=204)
    if found is None:
        raise _unknown_message()
    detail = "Somebody works on it. Try again when its lease has ended, or acknowledge it with its receipt."
    raise Problem(ProblemCode.MESSAGE_LEASED, detail)


def _unknown_message() -> Problem:
    return Problem(ProblemCode.UNKNOWN_MESSAGE, "It was acknowledged or deleted, or the id is another queue's.")
