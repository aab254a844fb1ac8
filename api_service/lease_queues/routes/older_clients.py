"""The addresses of two older queue servers, for their clients, on the queue `default`."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import Field

from api_service.http.cursors import BIGINT_MAX
from api_service.http.dependencies import SettingsDep
from api_service.http.disconnect import cancel_on_disconnect
from api_service.http.json_model import JsonModel
from api_service.http.json_response import json_response
from api_service.http.problems import DATABASE_PROBLEMS, ProblemCode, problem_responses
from api_service.lease_queues.messages import (
    CONSUMER_PATTERN,
    DEFAULT_QUEUE,
    MAX_MESSAGES,
    RECEIPT_PATTERN,
    LeasedMessage,
    Receipt,
    ReceiveOrder,
)
from api_service.lease_queues.routes.dependencies import LeaseQueuesDep
from api_service.lease_queues.routes.documents import NewMessageBody
from api_service.lease_queues.routes.messages import BODY_PROBLEMS, lease_lost
from api_service.lease_queues.routes.parameters import refuse_idempotency_key
from api_service.lease_queues.routes.request_body import held_payloads
from api_service.lease_queues.routes.sending import send_payloads
from shared.service.request_body import described_body

router = APIRouter(tags=["lease queues for older clients"])
PATHS = ("/v1/publish", "/message/")

# The consumer of those who do not say who they are.
NOBODY = "message-next"
# A GET that leases: no cache may answer it.
NO_STORE = {"Cache-Control": "no-store"}
RECEIPT_HEADER = "X-Receipt"

ConsumerId = Annotated[
    str, Query(alias="cid", pattern=CONSUMER_PATTERN, description="Who asks: a number, or any other text.")
]
MessageId = Annotated[int, Path(alias="id", ge=1, le=BIGINT_MAX)]


class PayloadBody(msgspec.Struct, frozen=True):
    """Fields beside it are let pass, as these clients are used to."""

    payload: msgspec.Raw


class PublishedMessage(JsonModel):
    """Durable."""

    message_id: int


class NewMessageId(JsonModel):
    """Durable."""

    id: int


class ConsumedMessage(JsonModel):
    """A message under a lease."""

    id: int
    payload: object = Field(examples=["yada yada yada"])


class ConsumedMessages(JsonModel):
    """First in, first out; empty when there is none."""

    messages: list[ConsumedMessage]


@router.post(
    "/v1/publish",
    summary="Publish a message",
    operation_id="publishMessage",
    status_code=201,
    response_model=PublishedMessage,
    responses=problem_responses(*BODY_PROBLEMS),
    openapi_extra=described_body(PayloadBody),
)
async def publish(request: Request, queues: LeaseQueuesDep, settings: SettingsDep) -> Response:
    return json_response({"messageId": await _send(request, queues, settings)}, 201)


@router.get(
    "/v1/consumer",
    summary="Lease up to so many messages for a consumer",
    operation_id="consumeMessages",
    response_model=ConsumedMessages,
    responses=problem_responses(ProblemCode.INVALID_REQUEST, *DATABASE_PROBLEMS),
)
async def consume(
    request: Request,
    queues: LeaseQueuesDep,
    consumer_id: ConsumerId,
    limit: Annotated[int, Query(ge=1, le=MAX_MESSAGES, description="How many at most.")] = 1,
) -> Response:
    messages = await cancel_on_disconnect(request, queues.receive(DEFAULT_QUEUE, ReceiveOrder(consumer_id, limit)))
    return json_response({"messages": [_consumed(message) for message in messages]}, headers=NO_STORE)


@router.delete(
    "/v1/consumer",
    summary="Delete a message that is done",
    description="`true` while this consumer holds the message's lease, else `false`, and nothing happens.",
    operation_id="deleteConsumedMessage",
    response_model=bool,
    responses=problem_responses(ProblemCode.INVALID_REQUEST, *DATABASE_PROBLEMS),
)
async def delete_consumed(
    queues: LeaseQueuesDep,
    consumer_id: ConsumerId,
    message_id: Annotated[int, Query(alias="id", ge=1, le=BIGINT_MAX)],
) -> Response:
    return json_response(await queues.finish(DEFAULT_QUEUE, message_id, consumer_id))


@router.post(
    "/message/new",
    summary="Add a message",
    operation_id="addMessage",
    status_code=201,
    response_model=NewMessageId,
    responses=problem_responses(*BODY_PROBLEMS),
    openapi_extra=described_body(PayloadBody),
)
async def add_message(request: Request, queues: LeaseQueuesDep, settings: SettingsDep) -> Response:
    return json_response({"id": await _send(request, queues, settings)}, 201)


@router.get(
    "/message/next",
    summary="Lease the next message",
    description=f"`{RECEIPT_HEADER}` names the lease.",
    operation_id="nextMessage",
    response_model=ConsumedMessage,
    responses={204: {"description": "The queue is empty."}, **problem_responses(*DATABASE_PROBLEMS)},
)
async def next_message(request: Request, queues: LeaseQueuesDep) -> Response:
    messages = await cancel_on_disconnect(request, queues.receive(DEFAULT_QUEUE, ReceiveOrder(NOBODY, 1)))
    if not messages:
        return Response(status_code=204, headers=NO_STORE)
    return json_response(_consumed(messages[0]), headers={**NO_STORE, RECEIPT_HEADER: str(messages[0].receipt)})


@router.post(
    "/message/{id}/status/done",
    summary="Say that a message is done; it is removed",
    description=f"Without `{RECEIPT_HEADER}` a late consumer cannot be told from the one that has the message now; "
    "with it, it is refused.",
    operation_id="finishMessage",
    status_code=204,
    responses=problem_responses(ProblemCode.INVALID_REQUEST, ProblemCode.LEASE_LOST, *DATABASE_PROBLEMS),
)
async def finish_message(
    message_id: MessageId,
    queues: LeaseQueuesDep,
    receipt: Annotated[str | None, Header(alias=RECEIPT_HEADER, pattern=RECEIPT_PATTERN)] = None,
) -> Response:
    if receipt is None:
        done = await queues.finish(DEFAULT_QUEUE, message_id)
    else:
        lease = Receipt.parse(receipt)
        done = lease.message_id == message_id and (await queues.acknowledge(DEFAULT_QUEUE, [lease]))[0]
    if not done:
        raise lease_lost()
    return Response(status_code=204)


async def _send(request: Request, queues: LeaseQueuesDep, settings: SettingsDep) -> int:
    refuse_idempotency_key(request)
    async with held_payloads(request, settings, PayloadBody) as body:
        (message_id,) = await send_payloads(queues, DEFAULT_QUEUE, [NewMessageBody(payload=body.payload)])
    return message_id


def _consumed(message: LeasedMessage) -> dict[str, object]:
    return {"id": message.id, "payload": msgspec.Raw(message.payload.encode())}
