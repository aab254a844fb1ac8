"""The pages of lease queues: all of them, and one with its messages and what can be done with them."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from api_service.http.cursors import BIGINT_MAX
from api_service.http.pagination import MAX_PAGE
from api_service.http.problems import Problem, ProblemCode
from api_service.lease_queues.messages import DEFAULT_QUEUE, QUEUE_NAME_PATTERN
from api_service.lease_queues.queue_queries import MessageState
from api_service.web.own_api import OwnApi, Refused
from api_service.web.page_route import PageRoute
from api_service.web.rendering import render

router = APIRouter(route_class=PageRoute, include_in_schema=False)

ROWS_A_PAGE: Final = 50
QueueName = Annotated[str, Path(pattern=QUEUE_NAME_PATTERN)]
MessageId = Annotated[int, Path(ge=1, le=BIGINT_MAX)]
PageNumber = Annotated[int, Query(ge=1, le=MAX_PAGE)]


@router.get("/queues")
async def show_queues(request: Request, page: PageNumber = 1) -> Response:
    queues = await OwnApi(request).get("/v1/queues", {"page": page, "limit": ROWS_A_PAGE})
    return render(request, "queues.html", queues=queues)


@router.get("/queues/{queue}")
async def show_queue(
    request: Request, queue: QueueName, state: MessageState | None = None, page: PageNumber = 1
) -> Response:
    """Of a queue that there is none of yet, too: it begins with its first message."""
    api = OwnApi(request)
    counts, messages, subscription = None, None, None
    try:
        counts = await api.get(f"/v1/queues/{queue}")
        asked = {"state": state, "page": page, "limit": ROWS_A_PAGE}
        messages = await api.get(f"/v1/queues/{queue}/messages", asked)
    except Refused as refusal:
        if refusal.document["code"] != ProblemCode.UNKNOWN_QUEUE:
            raise
    if counts is not None:
        subscription = await _subscription(api, queue)
    return render(
        request,
        "queue.html",
        name=queue,
        counts=counts,
        messages=messages,
        subscription=subscription,
        query={"state": state},
    )


@router.post("/queues/{queue}/send")
async def send_message(request: Request, queue: QueueName) -> Response:
    api = OwnApi(request)
    text = str((await api.form()).get("payload", ""))
    try:
        payload = msgspec.Raw(msgspec.json.encode(msgspec.json.decode(text)))
    except (msgspec.DecodeError, RecursionError):
        detail = 'Nothing was sent. Write JSON, such as {"to": "asha@example.com"}, or a text in quotes.'
        raise Problem(ProblemCode.INVALID_REQUEST, detail) from None
    await api.send("POST", f"/v1/queues/{queue}/messages", {"payload": payload})
    return _see(queue)


@router.get("/queues/{queue}/messages/{message_id}")
async def show_message(request: Request, queue: QueueName, message_id: MessageId) -> Response:
    message = await OwnApi(request).get(f"/v1/queues/{queue}/messages/by-id/{message_id}")
    return render(request, "queue_message.html", name=queue, message=message)


@router.post("/queues/{queue}/messages/{message_id}/cancel")
async def cancel_message(request: Request, queue: QueueName, message_id: MessageId) -> Response:
    await OwnApi(request).send("DELETE", f"/v1/queues/{queue}/messages/by-id/{message_id}")
    return _see(queue)


@router.post("/queues/{queue}/messages/{message_id}/redrive")
async def redrive_message(request: Request, queue: QueueName, message_id: MessageId) -> Response:
    await OwnApi(request).send("POST", f"/v1/queues/{queue}/redrive", {"ids": [message_id]})
    return RedirectResponse(f"/queues/{queue}/messages/{message_id}", 303)


@router.post("/queues/{queue}/pause")
async def pause(request: Request, queue: QueueName) -> Response:
    await OwnApi(request).send("PATCH", f"/v1/queues/{queue}", {"paused": True})
    return _see(queue)


@router.post("/queues/{queue}/resume")
async def resume(request: Request, queue: QueueName) -> Response:
    await OwnApi(request).send("PATCH", f"/v1/queues/{queue}", {"paused": False})
    return _see(queue)


@router.post("/queues/{queue}/subscribe")
async def subscribe(request: Request, queue: QueueName) -> Response:
    api = OwnApi(request)
    form = await api.form()
    given = {name: str(form.get(name, "")).strip() for name in ("url", "secret")}
    await api.send("PUT", f"/v1/queues/{queue}/subscription", given)
    return _see(queue)


@router.post("/queues/{queue}/unsubscribe")
async def unsubscribe(request: Request, queue: QueueName) -> Response:
    await OwnApi(request).send("DELETE", f"/v1/queues/{queue}/subscription")
    return _see(queue)


@router.post("/queues/{queue}/delete")
async def delete_queue(request: Request, queue: QueueName) -> Response:
    """With its messages only if the box for that is ticked."""
    api = OwnApi(request)
    with_messages = (await api.form()).get("messages") == "true"
    await api.send("DELETE", f"/v1/queues/{queue}", query={} if with_messages else {"ifEmpty": "true"})
    return RedirectResponse("/queues", 303)


@router.post("/queues/{queue}/redrive")
async def redrive(request: Request, queue: QueueName) -> Response:
    await OwnApi(request).send("POST", f"/v1/queues/{queue}/redrive")
    return _see(queue)


@router.post("/queues/{queue}/purge")
async def purge(request: Request, queue: QueueName) -> Response:
    """What the filter shows: the messages in one state, or all."""
    api = OwnApi(request)
    state = (await api.form()).get("state")
    await api.send("DELETE", f"/v1/queues/{queue}/messages", query={"state": state} if state else None)
    return _see(queue)


@router.get("/info")
async def show_as_older_clients_know_it(
    request: Request,
    queue: Annotated[str, Query(pattern=QUEUE_NAME_PATTERN)] = DEFAULT_QUEUE,
    page: PageNumber = 1,
) -> Response:
    """One of the two servers whose addresses the older clients know had a page here, with all messages."""
    return await show_queue(request, queue, page=page)


async def _subscription(api: OwnApi, queue: str) -> Any:
    """Of a queue without one, or that is gone by now, None."""
    try:
        return await api.get(f"/v1/queues/{queue}/subscription")
    except Refused as refusal:
        if refusal.document["code"] in {ProblemCode.UNKNOWN_SUBSCRIPTION, ProblemCode.UNKNOWN_QUEUE}:
            return None
        raise


def _see(queue: str) -> RedirectResponse:
    return RedirectResponse(f"/queues/{queue}", 303)
