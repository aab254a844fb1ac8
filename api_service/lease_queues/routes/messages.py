"""The routes that move messages: send, receive, acknowledge, change a lease. /v1/queues/{queue}/…"""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from api_service.http.dependencies import SettingsDep
from api_service.http.direct_route import DirectRoute, path_arguments
from api_service.http.disconnect import cancel_on_disconnect
from api_service.http.json_response import json_response
from api_service.http.problems import DATABASE_PROBLEMS, Problem, ProblemCode, problem_responses
from api_service.lease_queues.messages import QUEUE_NAME_PATTERN, RECEIPT_PATTERN, LeaseChange, Receipt, ReceiveOrder
from api_service.lease_queues.routes.dependencies import LeaseQueuesDep
from api_service.lease_queues.routes.documents import (
    AcknowledgeOutcome,
    ExtendedLease,
    ExtendOutcome,
    LeaseChangeBody,
    LeaseChangesBody,
    MessageOptions,
    NewMessageBody,
    ReceiptsBody,
    ReceiveBody,
    ReceivedMessages,
    SendBody,
    SentMessages,
    received_messages,
)
from api_service.lease_queues.routes.parameters import refuse_idempotency_key
from api_service.lease_queues.routes.request_body import held_payloads, read_body
from api_service.lease_queues.routes.sending import send_payloads
from shared.service.request_body import described_body, invalid_body

router = APIRouter(prefix="/v1/queues", tags=["lease queues"])

PATHS = (f"{router.prefix}/",)

BODY_PROBLEMS = (
    ProblemCode.INVALID_REQUEST,
    ProblemCode.TOO_LARGE,
    ProblemCode.BODY_TIMEOUT,
    ProblemCode.SERVICE_BUSY,
    *DATABASE_PROBLEMS,
)

QueueName = Annotated[str, Path(alias="queue", pattern=QUEUE_NAME_PATTERN, examples=["emails"])]
ReceiptText = Annotated[
    str, Path(alias="receipt", pattern=RECEIPT_PATTERN, examples=["17-9ec5862decac4130857f7eeb48e8d5d5"])
]


@router.post(
    "/{queue}/messages",
    summary="Send a message, or up to a thousand",
    description="All of them or none, durable with the answer. The first message creates its queue. A payload is any "
    "JSON of at most 256 KiB and comes back byte for byte.",
    operation_id="sendMessages",
    status_code=201,
    response_model=SentMessages,
    responses=problem_responses(*BODY_PROBLEMS),
    openapi_extra=described_body(SendBody),
)
async def send_messages(queue: QueueName, request: Request, queues: LeaseQueuesDep, settings: SettingsDep) -> Response:
    refuse_idempotency_key(request)
    async with held_payloads(request, settings, SendBody) as order:
        return json_response({"ids": await send_payloads(queues, queue, _ordered(order))}, 201)


@router.post(
    "/{queue}/receive",
    summary="Lease the messages that are first in line",
    description="First in, first out. A message whose lease runs out is back where it was in the line. With "
    "`waitSeconds` an empty queue is waited at; the first message that comes ends the wait. An answer holds about 2 "
    "MiB of payloads at most.",
    operation_id="receiveMessages",
    response_model=ReceivedMessages,
    responses=problem_responses(*BODY_PROBLEMS),
    openapi_extra=described_body(ReceiveBody),
)
async def receive_messages(
    queue: QueueName, request: Request, queues: LeaseQueuesDep, settings: SettingsDep
) -> Response:
    asked = await read_body(request, settings, ReceiveBody)
    order = ReceiveOrder(asked.consumer_id, asked.limit, asked.visibility_timeout_seconds)
    # Without a wait too: a claim can take its time, and a client that has gone must not be leased what it finds.
    messages = await cancel_on_disconnect(request, queues.receive(queue, order, asked.wait_seconds))
    return json_response(received_messages(messages))


@router.delete(
    "/{queue}/messages/{receipt}",
    summary="Acknowledge: the message is done and gone",
    operation_id="acknowledgeMessage",
    status_code=204,
    responses=problem_responses(ProblemCode.INVALID_REQUEST, ProblemCode.LEASE_LOST, *DATABASE_PROBLEMS),
)
async def acknowledge_message(queue: QueueName, receipt: ReceiptText, queues: LeaseQueuesDep) -> Response:
    (acknowledged,) = await queues.acknowledge(queue, [Receipt.parse(receipt)])
    if not acknowledged:
        raise lease_lost()
    return Response(status_code=204)


@router.post(
    "/{queue}/acknowledge",
    summary="Acknowledge up to a thousand messages, each with its own outcome",
    operation_id="acknowledgeMessages",
    response_model=AcknowledgeOutcome,
    responses=problem_responses(*BODY_PROBLEMS),
    openapi_extra=described_body(ReceiptsBody),
)
async def acknowledge_messages(
    queue: QueueName, request: Request, queues: LeaseQueuesDep, settings: SettingsDep
) -> Response:
    receipts = (await read_body(request, settings, ReceiptsBody)).receipts
    parsed = [_receipt_in(text) for text in receipts]
    valid = [receipt for receipt in parsed if receipt is not None]
    held = iter(await queues.acknowledge(queue, valid) if valid else ())
    outcomes = [
        "invalid_receipt" if receipt is None else "acknowledged" if next(held) else "lease_lost" for receipt in parsed
    ]
    pairs = zip(receipts, outcomes, strict=True)
    return json_response({"outcomes": [{"receipt": receipt, "outcome": outcome} for receipt, outcome in pairs]})


@router.patch(
    "/{queue}/messages/{receipt}",
    summary="Extend a lease, counted from now; 0 gives the message back",
    description="A message given back is where it was in the line. Given back from its last lease it is dead.",
    operation_id="changeLease",
    responses=problem_responses(ProblemCode.LEASE_LOST, *BODY_PROBLEMS),
    openapi_extra=described_body(LeaseChangeBody),
)
async def change_lease(
    queue: QueueName, receipt: ReceiptText, request: Request, queues: LeaseQueuesDep, settings: SettingsDep
) -> ExtendedLease:
    seconds = (await read_body(request, settings, LeaseChangeBody)).visibility_timeout_seconds
    lease = Receipt.parse(receipt)
    lease_ends = await queues.extend(queue, [LeaseChange(lease, seconds)])
    if lease not in lease_ends:
        raise lease_lost()
    return ExtendedLease(receipt=receipt, lease_expires_at=lease_ends[lease])


@router.post(
    "/{queue}/extend",
    summary="Extend up to a thousand leases, each with its own outcome",
    description="As a change of one lease. Of several entries with one receipt the last counts.",
    operation_id="changeLeases",
    response_model=ExtendOutcome,
    responses=problem_responses(*BODY_PROBLEMS),
    openapi_extra=described_body(LeaseChangesBody),
)
async def change_leases(queue: QueueName, request: Request, queues: LeaseQueuesDep, settings: SettingsDep) -> Response:
    entries = (await read_body(request, settings, LeaseChangesBody)).entries
    leases = [_receipt_in(entry.receipt) for entry in entries]
    changes = [
        LeaseChange(lease, entry.visibility_timeout_seconds)
        for lease, entry in zip(leases, entries, strict=True)
        if lease is not None
    ]
    lease_ends = await queues.extend(queue, changes) if changes else {}
    outcomes = []
    for lease, entry in zip(leases, entries, strict=True):
        end = None if lease is None else lease_ends.get(lease)
        outcome = "invalid_receipt" if lease is None else "lease_lost" if end is None else "extended"
        outcomes.append({"receipt": entry.receipt, "outcome": outcome, "leaseExpiresAt": end})
    return json_response({"outcomes": outcomes})


def _ordered(order: SendBody) -> Sequence[NewMessageBody]:
    if bool(order.payload) == (order.messages is not None):
        raise invalid_body("Give either payload or messages")
    options = {name: getattr(order, name) for name in MessageOptions.__struct_fields__}
    if order.messages is None:
        return (NewMessageBody(**options, payload=order.payload),)
    if any(given is not None for given in options.values()):
        raise invalid_body("Give each of the messages its own options, such as delaySeconds")
    return order.messages


def _receipt_in(text: str) -> Receipt | None:
    try:
        return Receipt.parse(text)
    except ValueError:
        return None


def lease_lost() -> Problem:
    return Problem(ProblemCode.LEASE_LOST, "The message is not yours any more: drop what you did with it.")


_FORMS = {"queue": QUEUE_NAME_PATTERN, "receipt": RECEIPT_PATTERN}
_DIRECT = {send_messages, receive_messages, acknowledge_message, acknowledge_messages}
DIRECT_ROUTES: list[BaseRoute] = [
    DirectRoute(route, path_arguments(route, _FORMS))
    for route in router.routes
    if isinstance(route, APIRoute) and route.endpoint in _DIRECT
]
