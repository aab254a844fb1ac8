"""For asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Final

from rollcall.connection import retry_pause
from rollcall.errors import RollcallError
from rollcall.models import ReceivedMessage
from rollcall.problem_codes import LeaseLost

if TYPE_CHECKING:
    from rollcall._async.queue import AsyncQueue

Handler = Callable[[ReceivedMessage], Awaitable[object]]

log = logging.getLogger("rollcall")
# A lease is extended so often in its time, so that one request may fail.
EXTENSIONS_A_LEASE: Final = 3
LONGEST_PAUSE_SECONDS: Final = 10.0


class AsyncConsumption:
    """One consumer of a queue. What it holds is leased, be it worked on or waiting for that."""

    def __init__(
        self, queue: AsyncQueue, *, concurrency: int, lease_seconds: int, wait_seconds: int, stop_when_empty: bool
    ) -> None:
        self._queue = queue
        self._concurrency = concurrency
        self._lease_seconds = lease_seconds
        self._wait_seconds = 0 if stop_when_empty else wait_seconds
        self._stop_when_empty = stop_when_empty
        self._consumer_id = f"client-{uuid.uuid4()}"
        self._held: dict[str, ReceivedMessage] = {}
        self._waiting: deque[ReceivedMessage] = deque()
        self._receiving = asyncio.Lock()
        self._generator: AsyncGenerator[ReceivedMessage] | None = None

    def messages(self) -> AsyncIterator[ReceivedMessage]:
        self._generator = self._messages()
        return self._generator

    async def work(self, handler: Handler) -> None:
        async with self._extending(), asyncio.TaskGroup() as workers:
            for _ in range(self._concurrency):
                workers.create_task(self._work(handler))

    async def aclose(self) -> None:
        if self._generator is not None:
            await self._generator.aclose()

    async def _messages(self) -> AsyncGenerator[ReceivedMessage]:
        async with self._extending():
            while (message := await self._next()) is not None:
                # Left by an exception or a break, it is closed here, and what it holds is given back.
                yield message
                await self._acknowledge(message)

    async def _work(self, handler: Handler) -> None:
        while (message := await self._next()) is not None:
            try:
                await handler(message)
            except Exception as error:
                # Its text may quote the message.
                log.warning("message %s of %s failed: %s", message.id, self._queue.name, type(error).__name__)
                await self._give_back(message)
            else:
                await self._acknowledge(message)

    async def _next(self) -> ReceivedMessage | None:
        async with self._receiving:
            while not self._waiting:
                for message in await self._received():
                    self._held[message.receipt] = message
                    self._waiting.append(message)
                if not self._waiting and self._stop_when_empty:
                    return None
            return self._waiting.popleft()

    async def _received(self) -> list[ReceivedMessage]:
        """Raises what the service says when it has been away for too long."""
        away_since, seconds = time.monotonic(), 0.2
        while True:
            try:
                return await self._queue.receive(
                    max(1, self._concurrency - len(self._held)),
                    wait_seconds=self._wait_seconds,
                    visibility_timeout_seconds=self._lease_seconds,
                    consumer_id=self._consumer_id,
                )
            except RollcallError as error:
                # An answer that was lost costs the messages in it the time of a lease.
                is_over = time.monotonic() - away_since > self._queue.reconnect_seconds
                if is_over or not retry_pause(error, is_safe=True):
                    raise
            await asyncio.sleep(seconds)
            seconds = min(2 * seconds, LONGEST_PAUSE_SECONDS)

    @contextlib.asynccontextmanager
    async def _extending(self) -> AsyncIterator[None]:
        extender = asyncio.create_task(self._extend_for_ever())
        try:
            yield
        finally:
            extender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await extender
            for message in list(self._held.values()):
                await self._give_back(message)
            self._queue.forget(self)

    async def _extend_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._lease_seconds / EXTENSIONS_A_LEASE)
            for receipt in list(self._held):
                try:
                    await self._queue.extend(receipt, self._lease_seconds)
                except LeaseLost:
                    self._lose(receipt)
                except RollcallError:
                    log.info("the lease of a message of %s could not be extended yet", self._queue.name)

    def _lose(self, receipt: str) -> None:
        message = self._held.pop(receipt, None)
        with contextlib.suppress(ValueError):
            if message is not None:
                self._waiting.remove(message)

    async def _acknowledge(self, message: ReceivedMessage) -> None:
        self._held.pop(message.receipt, None)
        try:
            await self._queue.acknowledge(message)
        except LeaseLost:
            log.warning("message %s of %s was another's before it was done", message.id, self._queue.name)

    async def _give_back(self, message: ReceivedMessage) -> None:
        self._held.pop(message.receipt, None)
        # Else its lease runs out.
        with contextlib.suppress(RollcallError):
            await self._queue.give_back(message)
