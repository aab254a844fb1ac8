"""Pushes the messages of one queue from this process: a receiver like any other, whose work is a request.

Invariants:

* A message that is pushed is under a lease of this process, which outlasts the request; only its receipt acknowledges
  it. So of any number of processes one pushes it at a time, groups keep their order, and what a process that died had
  in hand is pushed again when its leases have run out: at least once.
* Whether there is a subscription, and which, is asked before each request. So nothing goes to an address that was
  replaced, removed or disabled before, nor out of a queue that is paused or deleted.
* A message is leased only by who has a place for it, and what has a place is pushed at once: one message for each
  subscription and those of `Places`, which all share, are all that a process holds.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog

from api_service.lease_queues.messages import LeaseChange, ReceiveOrder
from api_service.lease_queues.metrics import PUSHES, PUSHES_IN_HAND
from api_service.lease_queues.push import subscription_queries
from api_service.lease_queues.push.addresses import PushUrl
from api_service.lease_queues.push.back_off import endpoint_pause_seconds, is_about_the_message, message_wait_seconds
from api_service.lease_queues.push.post import Answered, Poster, PushFailed
from api_service.lease_queues.push.signature import key_of, sign
from api_service.lease_queues.push.subscription_queries import Noted
from shared.database.engine import DATABASE_ERRORS
from shared.service.telemetry import describe_error
from shared.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from api_service.lease_queues.lease_queues import LeaseQueues
    from api_service.lease_queues.messages import LeasedMessage
    from api_service.lease_queues.push.subscription_queries import Target
    from shared.service.failpoints import Failpoints

log = structlog.get_logger(__name__)

CONSUMER_ID: Final = "push"
# How long a pusher waits for a message before it asks again, which changes nothing.
WAIT_SECONDS: Final = 20.0
# What a lease has beyond the request's own time: to find the database away, and be back in time.
LEASE_MARGIN_SECONDS: Final = 15
GONE: Final = 410
# After an error of the database's or of ours.
PAUSE_AFTER_ERROR_SECONDS: Final = 5.0
# What pushes came to is written so often, for all of them together.
NOTE_SECONDS: Final = 1.0


class Places:
    """How many messages a process may have in hand, besides one for each subscription."""

    def __init__(self, number: int) -> None:
        self._free = number

    def take(self) -> bool:
        if not self._free:
            return False
        self._free -= 1
        return True

    def give_back(self) -> None:
        self._free += 1


class Pusher:
    """Begins at once. `is_over` once there was nothing to push to; then it pushes nothing more.

    `at_work` is where its requests are, which it does not cut off when it is stopped.
    """

    def __init__(
        self,
        queue: str,
        lease_queues: LeaseQueues,
        poster: Poster,
        places: Places,
        failpoints: Failpoints,
        at_work: set[asyncio.Task[None]],
        *,
        timeout_seconds: float,
    ) -> None:
        self._queue = queue
        self._lease_queues = lease_queues
        self._poster = poster
        self._places = places
        self._failpoints = failpoints
        self._order = ReceiveOrder(CONSUMER_ID, 1, int(timeout_seconds) + 1 + LEASE_MARGIN_SECONDS)
        self._failures = 0
        self._retry_after: int | None = None
        self._noted: tuple[Target, Noted] | None = None
        self._receiving: set[asyncio.Task[None]] = set()
        self._at_work = at_work
        # As the sweep knows it; None: as it was when somebody asked for it here.
        self.version: str | None = None
        self.is_over = False
        self._begin(self._receiving, self._push_for_ever())

    def stop(self) -> None:
        """Take no other message. What is on its way goes on."""
        self.is_over = True
        for task in self._receiving:
            task.cancel()

    async def _push_for_ever(self) -> None:
        while True:
            try:
                for message in await self._lease_queues.receive(self._queue, self._order, WAIT_SECONDS):
                    self._call_another()
                    await self._until_pushed(message)
            except Exception as error:  # whatever it is, the queue is not left without its pusher
                log.warning("pushes of a lease queue pause", **describe_error(error))
                await asyncio.sleep(PAUSE_AFTER_ERROR_SECONDS)
            if self._failures:
                await asyncio.sleep(endpoint_pause_seconds(self._failures, self._retry_after))

    def _call_another(self) -> None:
        """There may be more than one can push: each who finds a message calls another, for as long as all goes well."""
        if not self._failures and not self.is_over and self._places.take():
            self._begin(self._receiving, self._push_what_is_there())

    async def _push_what_is_there(self) -> None:
        try:
            while not self._failures and (messages := await self._lease_queues.receive(self._queue, self._order)):
                self._call_another()
                await self._until_pushed(messages[0])
        except Exception as error:  # as above, and above they go on
            log.warning("pushes of a lease queue pause", **describe_error(error))
        finally:
            self._places.give_back()

    async def _until_pushed(self, message: LeasedMessage) -> None:
        # In a task of its own: whoever is told to take no other message does not let go of this one.
        pushing = self._begin(self._at_work, self._push(message))
        await asyncio.wait({pushing})
        pushing.result()

    def _begin(self, tasks: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        # Nothing of the request that asked for it: its id would stand in every line of the log.
        task = asyncio.create_task(work, name="push", context=contextvars.Context())
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return task

    async def _push(self, message: LeasedMessage) -> None:
        failures_before = self._failures
        try:
            async with self._lease_queues.moving() as connection:
                target = await subscription_queries.target(connection, self._queue)
            if target is None:
                self._lease_queues.undo_claim(self._queue, [message.receipt])
                self.stop()
                return
            with PUSHES_IN_HAND.track_inprogress():
                answer, failure = await self._post(target, message)
            self._failpoints.hit("api.push_answered")
            self._learn(answer, failures_before)
            await self._settle(target, message, answer, failure)
        except DATABASE_ERRORS as error:
            # The message comes again when its lease has run out.
            log.warning("what became of a push was not noted", **describe_error(error))

    async def _post(self, target: Target, message: LeasedMessage) -> tuple[Answered | None, str | None]:
        """What was answered, or why nothing was."""
        body = message.payload.encode()
        try:
            url = PushUrl.parse(target.url)
            return await self._poster.post(url, _headers(self._queue, target, message, body), body), None
        except PushFailed as failure:
            return None, str(failure)

    async def _settle(
        self, target: Target, message: LeasedMessage, answer: Answered | None, failure: str | None
    ) -> None:
        status = None if answer is None else answer.status
        is_delivered = _is_success(answer)
        PUSHES.labels("delivered" if is_delivered else "unanswered" if status is None else "refused").inc()
        self._note(target, Noted(int(is_delivered), int(not is_delivered), status, failure, not is_delivered))
        if is_delivered:
            await self._lease_queues.acknowledge(self._queue, [message.receipt])
        elif status == GONE and await self._disable(target):
            self._lease_queues.undo_claim(self._queue, [message.receipt])
        else:
            await self._back_off(target, message, answer)

    def _learn(self, answer: Answered | None, failures_before: int) -> None:
        """Whether the endpoint works. Requests that were on their way together, and fail together, are one failure."""
        if _is_success(answer):
            if self._failures:
                log.info("pushes of a lease queue arrive again")
            self._failures = 0
        elif (answer is None or not is_about_the_message(answer.status)) and self._failures == failures_before:
            if not self._failures:
                log.warning("pushes of a lease queue fail", status=None if answer is None else answer.status)
            self._failures += 1
            self._retry_after = None if answer is None else answer.retry_after_seconds

    async def _disable(self, target: Target) -> bool:
        async with self._lease_queues.moving() as connection:
            is_disabled = await subscription_queries.disable(connection, target)
        if is_disabled:
            log.warning("a subscription is disabled: its endpoint says that it is gone")
            self.stop()
        return is_disabled

    async def _back_off(self, target: Target, message: LeasedMessage, answer: Answered | None) -> None:
        seconds = message_wait_seconds(message.receive_count, None if answer is None else answer.retry_after_seconds)
        if message.receive_count >= target.max_receives:
            # It was the last one: to wait would only keep it from being dead.
            seconds = 0
        await self._lease_queues.extend(self._queue, [LeaseChange(message.receipt, seconds)])

    def _note(self, target: Target, noted: Noted) -> None:
        """Later, with what other pushes come to until then. A process that is killed leaves it uncounted."""
        is_awaited = self._noted is not None
        if self._noted is not None and self._noted[0].changed_at == target.changed_at:
            before = self._noted[1]
            noted = noted._replace(delivered=noted.delivered + before.delivered, failed=noted.failed + before.failed)
        self._noted = (target, noted)
        if not is_awaited:
            self._begin(self._at_work, self._write_note())

    async def _write_note(self) -> None:
        await asyncio.sleep(NOTE_SECONDS)
        noted, self._noted = self._noted, None
        if noted is None:
            return
        try:
            async with self._lease_queues.moving() as connection:
                await subscription_queries.note(connection, *noted)
        except DATABASE_ERRORS as error:
            log.warning("what pushes came to was not counted", **describe_error(error))


def _is_success(answer: Answered | None) -> bool:
    return answer is not None and 200 <= answer.status < 300


def _headers(queue: str, target: Target, message: LeasedMessage, body: bytes) -> Mapping[str, str]:
    # The same each time that this message is pushed, and no other's: what a receiver knows that it has had.
    push_id = f"msg_{target.subscription_id.hex}_{message.id}"
    return {
        "content-type": "application/json",
        "user-agent": f"rollcall/{VERSION}",
        "webhook-id": push_id,
        "webhook-timestamp": str(target.now),
        "webhook-signature": sign(key_of(target.secret), push_id, target.now, body),
        "rollcall-message": _described(queue, message),
    }


def _described(queue: str, message: LeasedMessage) -> str:
    """What a receiver of the queue is told beside the payload, as JSON that can be a header."""
    options: dict[str, Any] = {
        "groupId": message.group_id,
        "priority": message.priority or None,
        "headers": None if message.headers is None else msgspec.json.decode(message.headers),
        "movedFrom": None if message.moved_from is None else msgspec.json.decode(message.moved_from),
    }
    described = {
        "queue": queue,
        "id": message.id,
        "receiveCount": message.receive_count,
        "enqueuedAt": msgspec.to_builtins(message.enqueued_at),
        **{name: value for name, value in options.items() if value is not None},
    }
    return json.dumps(described, separators=(",", ":")).replace("\x7f", "\\u007f")
