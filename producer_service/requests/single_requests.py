"""Sends each message as a durable request of its own, and waits for its answer.

An answer carries the correlation id of its request, so that none can be mixed up. When the callback queue is lost,
requests without an answer are sent again with the new one; the consumer answers a repeated request the same.

A window bounds how many stand in the queue in front of an upload, whoever asks for however many (P6).
"""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import TYPE_CHECKING, NamedTuple

import structlog

from producer_service.uploads.send_window import SendWindow
from shared.amqp.connection import BrokerUnavailable
from shared.messages import EmployeeRequest, TextRequest, encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from producer_service.requester import Requester
    from producer_service.uploads.send_window import WindowShare
    from shared.messages import EmployeeOutcome, RequestReply

log = structlog.get_logger(__name__)

BROKER_RETRY_SECONDS = 0.2
# Each takes a consumer a few milliseconds.
WINDOW_REQUESTS = 200


class Answer(NamedTuple):
    """`response` is None when the deadline came first."""

    correlation_id: uuid.UUID
    response: str | EmployeeOutcome | None
    latency_seconds: float


class SingleRequests:
    def __init__(self, requester: Requester, *, timeout_seconds: float) -> None:
        self._requester = requester
        self._timeout_seconds = timeout_seconds
        self._waiting: dict[uuid.UUID, _OpenRequest] = {}
        self._send_window = SendWindow(WINDOW_REQUESTS)
        requester.listen_for_singles(self)

    async def ask_all(self, messages: Sequence[str | dict[str, str]]) -> list[Answer]:
        """Send all messages, texts or employees, as the window lets them. Returns their answers by the deadline."""
        asked = [_OpenRequest(message) for message in messages]
        for waiting in asked:
            self._waiting[waiting.correlation_id] = waiting
        share = self._send_window.share()
        senders = [asyncio.create_task(self._send(waiting, share)) for waiting in asked]
        try:
            await asyncio.wait([waiting.answered for waiting in asked], timeout=self._timeout_seconds)
        finally:
            for sender in senders:
                sender.cancel()
            await asyncio.gather(*senders, return_exceptions=True)
            share.leave()
            for waiting in asked:
                del self._waiting[waiting.correlation_id]
        return [waiting.answer() for waiting in asked]

    def on_reply(self, correlation_id: str | None, reply: RequestReply) -> None:
        try:
            waiting = self._waiting.get(uuid.UUID(correlation_id or ""))
        except ValueError:
            return
        if waiting is not None:
            waiting.take(reply)

    def on_replies_lost(self) -> None:
        for waiting in self._waiting.values():
            waiting.resend.set()

    def on_requests_lost(self) -> None:
        self.on_replies_lost()

    async def _send(self, waiting: _OpenRequest, share: WindowShare) -> None:
        """Send the request, and again each time the callback queue is new. Runs until it is cancelled."""
        await share.acquire()
        waiting.answered.add_done_callback(lambda _: share.release())
        while True:
            waiting.resend.clear()
            try:
                await self._requester.send(waiting.body, correlation_id=str(waiting.correlation_id))
            except BrokerUnavailable:
                await asyncio.sleep(BROKER_RETRY_SECONDS)
            else:
                await waiting.resend.wait()


class _OpenRequest:
    """A request whose answer has not come yet."""

    def __init__(self, message: str | dict[str, str]) -> None:
        self.correlation_id = uuid.uuid4()
        self.answered: asyncio.Future[RequestReply] = asyncio.get_running_loop().create_future()
        self.resend = asyncio.Event()
        self._asked_at = time.perf_counter()
        self._answered_at = self._asked_at
        self.body = encode(
            TextRequest(text=message)
            if isinstance(message, str)
            else EmployeeRequest(correlation_id=self.correlation_id, values=message)
        )

    def take(self, reply: RequestReply) -> None:
        if not self.answered.done():
            self._answered_at = time.perf_counter()
            self.answered.set_result(reply)

    def answer(self) -> Answer:
        if not self.answered.done():
            return Answer(self.correlation_id, None, time.perf_counter() - self._asked_at)
        return Answer(self.correlation_id, self.answered.result().response, self._answered_at - self._asked_at)
