"""The routes that bring dead messages back: at once, or slowly as a task. /v1/queues/{queue}/redrive…"""

from uuid import UUID

from fastapi import APIRouter, Request, Response

from api_service.http.dependencies import SettingsDep
from api_service.http.json_response import json_response
from api_service.http.problems import DATABASE_PROBLEMS, Problem, ProblemCode, problem_responses
from api_service.lease_queues.routes.dependencies import LeaseQueuesDep
from api_service.lease_queues.routes.documents import RedriveBody, RedrivenMessages, RedriveTask, redrive_task
from api_service.lease_queues.routes.messages import BODY_PROBLEMS, QueueName
from api_service.lease_queues.routes.queues import existing_queue
from api_service.lease_queues.routes.request_body import read_body
from api_service.lease_queues.routes.targets import require_target
from shared.service.request_body import described_body, invalid_body

router = APIRouter(prefix="/v1/queues", tags=["lease queues"])

TASK_PROBLEMS = problem_responses(
    ProblemCode.INVALID_REQUEST, ProblemCode.UNKNOWN_QUEUE, ProblemCode.UNKNOWN_JOB, *DATABASE_PROBLEMS
)


@router.post(
    "/{queue}/redrive",
    summary="Put dead messages back into the line, or into another queue",
    description="To where they were, as if never received; with `to` to the end of another queue. All of them, or "
    "those of `ids` that are dead. A redrive of very many ends after some seconds with `complete` false: ask again "
    "for the rest. With `rate` it is a task (202) that brings back so many a second of those that are dead now.",
    operation_id="redriveMessages",
    response_model=RedrivenMessages,
    responses={
        202: {"model": RedriveTask, "description": "With `rate`: where it can be followed is its `Location`."},
        **problem_responses(ProblemCode.UNKNOWN_QUEUE, *BODY_PROBLEMS),
    },
    openapi_extra=described_body(RedriveBody, required=False),
)
async def redrive_messages(
    queue: QueueName, request: Request, queues: LeaseQueuesDep, settings: SettingsDep
) -> Response:
    wanted = await read_body(request, settings, RedriveBody)
    require_target(request, queue, wanted.to)
    async with queues.inspecting() as connection:
        queue_id = await existing_queue(connection, queue)
    if wanted.rate is not None:
        if wanted.ids is not None:
            raise invalid_body("Give either ids or a rate")
        task = redrive_task(await queues.redrives.begin(queue_id, wanted.to, wanted.rate))
        headers = {"Location": f"/v1/queues/{queue}/redrives/{task.id}"}
        return json_response(task.model_dump(by_alias=True), 202, headers=headers)
    if wanted.ids is not None:
        redriven = await queues.redrives.chosen(queue, wanted.ids, wanted.to)
    elif wanted.to is not None:
        redriven = await queues.redrives.to_another(queue, wanted.to)
    else:
        redriven = await queues.redrive(queue_id, queue)
    return json_response({"redriven": redriven.changed, "complete": redriven.complete})


@router.get(
    "/{queue}/redrives/{job_id}",
    summary="Follow a redrive that takes its time",
    operation_id="getRedrive",
    responses=TASK_PROBLEMS,
)
async def get_redrive(queue: QueueName, job_id: UUID, queues: LeaseQueuesDep) -> RedriveTask:
    async with queues.inspecting() as connection:
        queue_id = await existing_queue(connection, queue)
    task = await queues.redrives.task(queue_id, job_id)
    if task is None:
        raise _unknown_task()
    return redrive_task(task)


@router.delete(
    "/{queue}/redrives/{job_id}",
    summary="Cancel a redrive: what is not back stays dead",
    description="One that has ended is answered as it ended.",
    operation_id="cancelRedrive",
    responses=TASK_PROBLEMS,
)
async def cancel_redrive(queue: QueueName, job_id: UUID, queues: LeaseQueuesDep) -> RedriveTask:
    async with queues.inspecting() as connection:
        queue_id = await existing_queue(connection, queue)
    task = await queues.redrives.cancel(queue_id, job_id)
    if task is None:
        raise _unknown_task()
    return redrive_task(task)


def _unknown_task() -> Problem:
    return Problem(ProblemCode.UNKNOWN_JOB, "Look at the Location of the answer that began it.")
