"""The routes of a queue's subscription, which pushes its messages to a URL. /v1/queues/{queue}/subscription"""

from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy import Row

from api_service.http.dependencies import EngineDep, SettingsDep
from api_service.http.problems import DATABASE_PROBLEMS, Problem, ProblemCode, problem_responses
from api_service.lease_queues.push import subscription_queries
from api_service.lease_queues.push.addresses import PushRefused, PushUrl
from api_service.lease_queues.push.signature import key_of
from api_service.lease_queues.routes.dependencies import LeaseQueuesDep, PushesDep
from api_service.lease_queues.routes.documents import NoBody, Subscription, SubscriptionBody
from api_service.lease_queues.routes.messages import BODY_PROBLEMS, QueueName
from api_service.lease_queues.routes.queues import existing_queue
from api_service.lease_queues.routes.request_body import read_body
from shared.service.request_body import described_body, invalid_body

router = APIRouter(prefix="/v1/queues", tags=["lease queues"])


@router.put(
    "/{queue}/subscription",
    summary="Push a queue's messages to a URL, or to another one",
    description="Each is POSTed there, its payload as the body, signed with the secret as Standard Webhooks has it; "
    "with a 2xx it is acknowledged, and with anything else it comes again later, up to the queue's `maxReceives`. What "
    "was set before is replaced, with what was wrong with it.",
    operation_id="subscribe",
    responses=problem_responses(ProblemCode.UNKNOWN_QUEUE, ProblemCode.TOO_MANY_SUBSCRIPTIONS, *BODY_PROBLEMS),
    openapi_extra=described_body(SubscriptionBody),
)
async def subscribe(
    queue: QueueName,
    request: Request,
    engine: EngineDep,
    queues: LeaseQueuesDep,
    pushes: PushesDep,
    settings: SettingsDep,
) -> Subscription:
    wanted = await read_body(request, settings, SubscriptionBody)
    try:
        key_of(wanted.secret)
        await pushes.require_allowed(PushUrl.parse(wanted.url))
    except PushRefused as refusal:
        raise invalid_body(f"The url is not pushed to: {refusal}") from None
    except ValueError as error:
        raise invalid_body(f"That cannot be pushed to: {error}") from None
    async with engine.begin() as connection:
        await existing_queue(connection, queue)
        found = await subscription_queries.subscribe(
            connection, queue, url=wanted.url, secret=wanted.secret, at_most=settings.push_subscriptions
        )
    if found is None:
        detail = "Nothing was set. Remove a subscription that nobody needs, or raise ROLLCALL_API_PUSH_SUBSCRIPTIONS."
        raise Problem(ProblemCode.TOO_MANY_SUBSCRIPTIONS, detail)
    pushes.begin(queue)
    return _document(found)


@router.get(
    "/{queue}/subscription",
    summary="Where a queue's messages are pushed to, and how that goes",
    description="The secret is in no answer.",
    operation_id="getSubscription",
    responses=problem_responses(
        ProblemCode.INVALID_REQUEST, ProblemCode.UNKNOWN_QUEUE, ProblemCode.UNKNOWN_SUBSCRIPTION, *DATABASE_PROBLEMS
    ),
)
async def get_subscription(queue: QueueName, queues: LeaseQueuesDep) -> Subscription:
    async with queues.inspecting() as connection:
        await existing_queue(connection, queue)
        found = await subscription_queries.subscription(connection, queue)
    if found is None:
        raise _unknown_subscription()
    return _document(found)


@router.delete(
    "/{queue}/subscription",
    summary="Push no more messages of a queue",
    description="No request begins once this is answered; one that is on its way may still arrive. The messages stay.",
    operation_id="unsubscribe",
    status_code=204,
    responses=problem_responses(ProblemCode.UNKNOWN_QUEUE, ProblemCode.UNKNOWN_SUBSCRIPTION, *BODY_PROBLEMS),
)
async def unsubscribe(
    queue: QueueName, request: Request, engine: EngineDep, pushes: PushesDep, settings: SettingsDep
) -> None:
    await read_body(request, settings, NoBody)
    async with engine.begin() as connection:
        await existing_queue(connection, queue)
        was_there = await subscription_queries.unsubscribe(connection, queue)
    if not was_there:
        raise _unknown_subscription()
    pushes.end(queue)


def _document(row: Row[Any]) -> Subscription:
    return Subscription.model_validate(row, from_attributes=True)


def _unknown_subscription() -> Problem:
    return Problem(ProblemCode.UNKNOWN_SUBSCRIPTION, "PUT sets one.")
