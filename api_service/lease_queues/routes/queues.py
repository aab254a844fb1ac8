"""The routes that look after queues: list, look into, settings, redrive, purge. /v1/queues…"""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from api_service.http.dependencies import EngineDep, SettingsDep
from api_service.http.pagination import Listing, PagingDep, Total
from api_service.http.problems import DATABASE_PROBLEMS, Problem, ProblemCode, problem_responses
from api_service.lease_queues import queue_queries
from api_service.lease_queues.deletion import QueueNotEmpty
from api_service.lease_queues.messages import MAX_PAGE_BYTES
from api_service.lease_queues.queue_queries import MessageState
from api_service.lease_queues.routes.dependencies import LeaseQueuesDep
from api_service.lease_queues.routes.documents import (
    NoBody,
    PurgedMessages,
    Queue,
    QueueChangesBody,
    QueuedMessage,
    QueueSettingsBody,
    queue_document,
    queued_message,
)
from api_service.lease_queues.routes.messages import BODY_PROBLEMS, QueueName
from api_service.lease_queues.routes.request_body import read_body
from api_service.lease_queues.routes.targets import require_target
from shared.service.request_body import described_body

router = APIRouter(prefix="/v1/queues", tags=["lease queues"])

StateFilter = Annotated[MessageState | None, Query(description="Only messages in this state.")]


@router.get(
    "",
    summary="List queues by name",
    operation_id="listQueues",
    responses=problem_responses(ProblemCode.INVALID_REQUEST, ProblemCode.INVALID_CURSOR, *DATABASE_PROBLEMS),
)
async def list_queues(queues: LeaseQueuesDep, paging: PagingDep) -> Listing[Queue]:
    (after,) = paging.after(tuple[str]) or ("",)
    async with queues.inspecting() as connection:
        found = await queue_queries.list_queues(connection, after=after, offset=paging.offset, limit=paging.limit + 1)
        total = await queue_queries.count_queues(connection)
    return paging.listing(found, Total(total), key=lambda row: (row.name,), item=queue_document)


@router.get(
    "/{queue}",
    summary="A queue: how many messages are in each state, and its settings",
    operation_id="getQueue",
    responses=problem_responses(ProblemCode.INVALID_REQUEST, ProblemCode.UNKNOWN_QUEUE, *DATABASE_PROBLEMS),
)
async def get_queue(queue: QueueName, queues: LeaseQueuesDep) -> Queue:
    async with queues.inspecting() as connection:
        found = await queue_queries.queue_with_counts(connection, queue)
    if found is None:
        raise unknown_queue()
    return queue_document(found)


@router.put(
    "/{queue}",
    summary="Create a queue, or change its settings",
    description="What is not given is set to its default; whether it is paused stays. Leases that are out keep what "
    "they have.",
    operation_id="configureQueue",
    responses=problem_responses(*BODY_PROBLEMS),
    openapi_extra=described_body(QueueSettingsBody, required=False),
)
async def configure_queue(
    queue: QueueName, request: Request, engine: EngineDep, queues: LeaseQueuesDep, settings: SettingsDep
) -> Queue:
    wanted = await read_body(request, settings, QueueSettingsBody)
    require_target(request, queue, wanted.dead_letter_queue)
    async with engine.begin() as connection:
        await queue_queries.configure(connection, queue, msgspec.structs.asdict(wanted))
    return await get_queue(queue, queues)


@router.patch(
    "/{queue}",
    summary="Change some of a queue's settings, pause or resume it",
    description="A field that is not named stays. Leases that are out keep what they have. A queue that is `paused` "
    "hands nothing out: receivers wait or get nothing, and everything else goes on.",
    operation_id="changeQueue",
    responses=problem_responses(ProblemCode.UNKNOWN_QUEUE, *BODY_PROBLEMS),
    openapi_extra=described_body(QueueChangesBody, required=False),
)
async def change_queue(
    queue: QueueName, request: Request, engine: EngineDep, queues: LeaseQueuesDep, settings: SettingsDep
) -> Queue:
    given = msgspec.structs.asdict(await read_body(request, settings, QueueChangesBody))
    if isinstance(given["dead_letter_queue"], str):
        require_target(request, queue, given["dead_letter_queue"])
    changes = {name: value for name, value in given.items() if value is not msgspec.UNSET}
    async with engine.begin() as connection:
        is_known = await queue_queries.change(connection, queue, changes)
    if not is_known:
        raise unknown_queue()
    if changes.get("paused") is False:
        queues.announce(queue)
    return await get_queue(queue, queues)


@router.get(
    "/{queue}/messages",
    summary="Look at a queue's messages without leasing them",
    description="A page ends early, with a `nextCursor`, where its payloads would be more than 4 MiB.",
    operation_id="listMessages",
    response_model=Listing[QueuedMessage],
    responses=problem_responses(
        ProblemCode.INVALID_REQUEST, ProblemCode.INVALID_CURSOR, ProblemCode.UNKNOWN_QUEUE, *DATABASE_PROBLEMS
    ),
)
async def list_messages(
    queue: QueueName,
    queues: LeaseQueuesDep,
    paging: PagingDep,
    state: StateFilter = None,
) -> Response:
    (after,) = paging.after(tuple[int]) or (0,)
    async with queues.inspecting() as connection:
        queue_id = await existing_queue(connection, queue)
        found = await queue_queries.list_messages(
            connection, queue_id, state, after=after, offset=paging.offset, limit=paging.limit + 1
        )
        total = await queue_queries.count_messages(connection, queue_id, state)
    return paging.answer(
        found.rows,
        Total(total),
        key=lambda row: (row.id,),
        item=queued_message,
        resume_after=(found.rows[-1].id,) if found.was_cut else None,
        # The query has cut it, by its payloads.
        max_bytes=2 * MAX_PAGE_BYTES,
    )


@router.delete(
    "/{queue}/messages",
    summary="Purge: delete a queue's messages, all or those in one state",
    description="Leased ones too, whose receipts are worth nothing then. The queue and its settings stay. A "
    "purge of very many ends after some seconds with `complete` false: ask again for the rest.",
    operation_id="purgeMessages",
    responses=problem_responses(ProblemCode.UNKNOWN_QUEUE, *BODY_PROBLEMS),
)
async def purge_messages(
    queue: QueueName,
    request: Request,
    settings: SettingsDep,
    queues: LeaseQueuesDep,
    state: StateFilter = None,
) -> PurgedMessages:
    await read_body(request, settings, NoBody)
    async with queues.inspecting() as connection:
        queue_id = await existing_queue(connection, queue)
    purged = await queues.purge(queue_id, state)
    return PurgedMessages(removed=purged.changed, complete=purged.complete)


@router.delete(
    "/{queue}",
    summary="Delete a queue with its messages and settings",
    description="With `ifEmpty=true` only if there is no message in it. A message that is sent afterwards begins a new "
    "queue, where no receipt of the old one is known. Of very many messages the last go after the answer, in which "
    "`complete` is then false.",
    operation_id="deleteQueue",
    responses=problem_responses(ProblemCode.UNKNOWN_QUEUE, ProblemCode.QUEUE_NOT_EMPTY, *BODY_PROBLEMS),
)
async def delete_queue(
    queue: QueueName,
    request: Request,
    settings: SettingsDep,
    queues: LeaseQueuesDep,
    if_empty: Annotated[bool, Query(alias="ifEmpty", description="Only if there is no message in it.")] = False,
) -> PurgedMessages:
    await read_body(request, settings, NoBody)
    try:
        deleted = await queues.delete(queue, only_if_empty=if_empty)
    except QueueNotEmpty:
        detail = "Nothing was deleted. Receive or purge its messages first, or leave `ifEmpty` out."
        raise Problem(ProblemCode.QUEUE_NOT_EMPTY, detail) from None
    if deleted is None:
        raise unknown_queue()
    return PurgedMessages(removed=deleted.changed, complete=deleted.complete)


async def existing_queue(connection: AsyncConnection, queue: str) -> int:
    """The queue's id. Raises `unknown_queue`."""
    queue_id = await queue_queries.queue_id(connection, queue)
    if queue_id is None:
        raise unknown_queue()
    return queue_id


def unknown_queue() -> Problem:
    return Problem(ProblemCode.UNKNOWN_QUEUE, "A queue begins with its first message, or with PUT.")
