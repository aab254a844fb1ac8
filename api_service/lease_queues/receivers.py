"""Receivers that wait: one line of them a queue, served by one claim at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple

from api_service.lease_queues.message_queries import Claim, ClaimStart
from api_service.lease_queues.messages import MAX_MESSAGES, LeasedMessage, Receipt, ReceiveOrder
from api_service.lease_queues.metrics import RECEIVERS_WAITING

# Receivers look by themselves after so long, which is what a missed notification costs at most.
CHECK_SECONDS: Final = 1.0
# A claim trusts for so long where the line began, because that can become untrue (see `ClaimStart`).
START_SECONDS: Final = 30.0

ClaimMessages = Callable[[str, Sequence[ReceiveOrder], ClaimStart], Awaitable[Claim]]
UndoClaim = Callable[[str, Sequence[Receipt]], None]


class _Call(NamedTuple):
    order: ReceiveOrder
    deadline: float
    answered: asyncio.Future[Sequence[LeasedMessage]]


class Receivers:
    """Serves the receivers of one queue in the order in which they came.

    Nobody who waits holds a connection. Receivers that come while a claim runs share the next one. One that is
    cancelled gets nothing: what was claimed for it meanwhile goes back at once.
    """

    def __init__(self, queue: str, claim: ClaimMessages, undo: UndoClaim) -> None:
        self._queue = queue
        self._claim = claim
        self._undo = undo
        self._calls: list[_Call] = []
        self._news = asyncio.Event()
        # Set when the news is one that a claim must look into.
        self._must_claim = False
        self._serving: asyncio.Task[None] | None = None
        self._start = ClaimStart()
        self._start_learned = 0.0

    @property
    def is_idle(self) -> bool:
        return self._serving is None

    def wake(self) -> None:
        """Something may have come into the queue."""
        self._must_claim = True
        self._news.set()

    async def receive(self, order: ReceiveOrder, wait_seconds: float) -> Sequence[LeasedMessage]:
        """At least one message, or none once that time is over. Database errors pass through."""
        loop = asyncio.get_running_loop()
        call = _Call(order, loop.time() + wait_seconds, loop.create_future())
        self._calls.append(call)
        self.wake()
        if self._serving is None:
            self._serving = asyncio.create_task(self._serve())
        try:
            return await call.answered
        except asyncio.CancelledError:
            if call.answered.done() and not call.answered.cancelled() and call.answered.exception() is None:
                self._give_back(call.answered.result())
            # So that the line does not go on for one that is gone.
            self._news.set()
            raise

    async def close(self) -> None:
        """Everyone who waits gets nothing, now."""
        for call in self._calls:
            self._answer(call, ())
        self._news.set()
        if self._serving is not None:
            await asyncio.wait({self._serving})

    async def _serve(self) -> None:
        try:
            while self._drop_answered():
                self._must_claim = False
                pause = await self._claim_once()
                if self._drop_answered() and pause > 0:
                    RECEIVERS_WAITING.inc(waiting := len(self._calls))
                    await self._pause(pause)
                    RECEIVERS_WAITING.dec(waiting)
        finally:
            self._serving = None

    def _drop_answered(self) -> bool:
        self._calls = [call for call in self._calls if not call.answered.done()]
        return bool(self._calls)

    async def _claim_once(self) -> float:
        """One claim for as many as it can serve. How long to wait before the next one, unless something comes."""
        waiting = list(self._calls)
        calls = self._first_calls()
        try:
            claim = await self._claim(self._queue, [call.order for call in calls], self._claim_start())
        except Exception as error:  # whatever it is, it is the answer to those who wait here
            for call in waiting:
                if not call.answered.done():
                    call.answered.set_exception(error)
            return 0
        self._learn(claim)
        now = asyncio.get_running_loop().time()
        for call, messages in zip(calls, claim.messages, strict=True):
            if call.answered.done():
                self._give_back(messages)
            elif messages or call.deadline <= now:
                self._answer(call, messages)
        if claim.total:
            return 0
        # What held nothing for the first held nothing for those behind them either.
        self._answer_overdue(waiting)
        due = CHECK_SECONDS if claim.next_due_seconds is None else max(claim.next_due_seconds, 0.001)
        return min(CHECK_SECONDS, due)

    def _first_calls(self) -> list[_Call]:
        """Those that one claim can serve in full, and always one."""
        calls, wanted = self._calls[:1], self._calls[0].order.limit
        for call in self._calls[1:]:
            wanted += call.order.limit
            if wanted > MAX_MESSAGES:
                break
            calls.append(call)
        return calls

    async def _pause(self, seconds: float) -> None:
        """Until something comes, or it is time to look. Deadlines on the way are met without a claim."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while not self._must_claim and self._drop_answered() and loop.time() < end:
            self._news.clear()
            try:
                async with asyncio.timeout_at(min(end, *(call.deadline for call in self._calls))):
                    await self._news.wait()
            except TimeoutError:
                self._answer_overdue(self._calls)

    def _answer_overdue(self, calls: Sequence[_Call]) -> None:
        now = asyncio.get_running_loop().time()
        for call in calls:
            if call.deadline <= now:
                self._answer(call, ())

    def _claim_start(self) -> ClaimStart:
        expired = asyncio.get_running_loop().time() - self._start_learned > START_SECONDS
        return ClaimStart() if expired else self._start

    def _learn(self, claim: Claim) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._start_learned > START_SECONDS:
            self._start_learned = now
        self._start = claim.next_start

    def _answer(self, call: _Call, messages: Sequence[LeasedMessage]) -> None:
        if not call.answered.done():
            call.answered.set_result(messages)

    def _give_back(self, messages: Sequence[LeasedMessage]) -> None:
        if messages:
            self._undo(self._queue, [message.receipt for message in messages])
