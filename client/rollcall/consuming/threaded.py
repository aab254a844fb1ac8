"""For threads."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Final

from rollcall.connection import retry_pause
from rollcall.errors import RollcallError
from rollcall.models import ReceivedMessage
from rollcall.problem_codes import LeaseLost

if TYPE_CHECKING:
    from rollcall._sync.queue import Queue

Handler = Callable[[ReceivedMessage], object]

log = logging.getLogger("rollcall")
EXTENSIONS_A_LEASE: Final = 3
LONGEST_PAUSE_SECONDS: Final = 10.0
# A worker that is to end looks so often whether it is.
LONGEST_WAIT_SECONDS: Final = 2


class Consumption:
    """One consumer of a queue. What it holds is leased, be it worked on or waiting for that."""

    def __init__(
        self, queue: Queue, *, concurrency: int, lease_seconds: int, wait_seconds: int, stop_when_empty: bool
    ) -> None:
        self._queue = queue
        self._concurrency = concurrency
        self._lease_seconds = lease_seconds
        self._wait_seconds = 0 if stop_when_empty else min(wait_seconds, LONGEST_WAIT_SECONDS)
        self._stop_when_empty = stop_when_empty
        self._consumer_id = f"client-{uuid.uuid4()}"
        self._held: dict[str, ReceivedMessage] = {}
        self._waiting: deque[ReceivedMessage] = deque()
        self._receiving = threading.Lock()
        self._ending = threading.Event()
        self._generator: Generator[ReceivedMessage] | None = None

    def messages(self) -> Iterator[ReceivedMessage]:
        self._generator = self._messages()
        return self._generator

    def work(self, handler: Handler) -> None:
        failures: list[BaseException] = []
        with self._extending():
            workers = [threading.Thread(target=self._work, args=(handler, failures)) for _ in range(self._concurrency)]
            for worker in workers:
                worker.start()
            try:
                for worker in workers:
                    worker.join()
            finally:
                # After Ctrl-C: each ends with the message that it has.
                self._ending.set()
                for worker in workers:
                    worker.join()
        if failures:
            raise failures[0]

    def close(self) -> None:
        self._ending.set()
        if self._generator is not None:
            self._generator.close()

    def _messages(self) -> Generator[ReceivedMessage]:
        with self._extending():
            while (message := self._next()) is not None:
                # Left by an exception or a break, it is closed here, and what it holds is given back.
                yield message
                self._acknowledge(message)

    def _work(self, handler: Handler, failures: list[BaseException]) -> None:
        try:
            while (message := self._next()) is not None:
                try:
                    handler(message)
                except Exception as error:
                    # Its text may quote the message.
                    log.warning("message %s of %s failed: %s", message.id, self._queue.name, type(error).__name__)
                    self._give_back(message)
                else:
                    self._acknowledge(message)
        except Exception as error:
            failures.append(error)
            self._ending.set()

    def _next(self) -> ReceivedMessage | None:
        with self._receiving:
            while not self._waiting:
                if self._ending.is_set():
                    return None
                for message in self._received():
                    self._held[message.receipt] = message
                    self._waiting.append(message)
                if not self._waiting and self._stop_when_empty:
                    return None
            return None if self._ending.is_set() else self._waiting.popleft()

    def _received(self) -> list[ReceivedMessage]:
        """Raises what the service says when it has been away for too long."""
        away_since, seconds = time.monotonic(), 0.2
        while True:
            try:
                return self._queue.receive(
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
            if self._ending.wait(seconds):
                return []
            seconds = min(2 * seconds, LONGEST_PAUSE_SECONDS)

    @contextlib.contextmanager
    def _extending(self) -> Iterator[None]:
        is_over = threading.Event()
        extender = threading.Thread(target=self._extend_until, args=(is_over,), daemon=True)
        extender.start()
        try:
            yield
        finally:
            is_over.set()
            extender.join()
            for message in list(self._held.values()):
                self._give_back(message)
            self._queue.forget(self)

    def _extend_until(self, is_over: threading.Event) -> None:
        while not is_over.wait(self._lease_seconds / EXTENSIONS_A_LEASE):
            for receipt in list(self._held):
                try:
                    self._queue.extend(receipt, self._lease_seconds)
                except LeaseLost:
                    self._lose(receipt)
                except RollcallError:
                    log.info("the lease of a message of %s could not be extended yet", self._queue.name)

    def _lose(self, receipt: str) -> None:
        message = self._held.pop(receipt, None)
        with contextlib.suppress(ValueError):
            if message is not None:
                self._waiting.remove(message)

    def _acknowledge(self, message: ReceivedMessage) -> None:
        self._held.pop(message.receipt, None)
        try:
            self._queue.acknowledge(message)
        except LeaseLost:
            log.warning("message %s of %s was another's before it was done", message.id, self._queue.name)

    def _give_back(self, message: ReceivedMessage) -> None:
        self._held.pop(message.receipt, None)
        # Else its lease runs out.
        with contextlib.suppress(RollcallError):
            self._queue.give_back(message)
