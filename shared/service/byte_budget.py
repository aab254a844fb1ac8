"""Memory that work asks for before it takes it: so many bytes in all, a line for those that wait, an end to waiting."""

from __future__ import annotations

import asyncio
from collections import deque

from shared.errors import TryAgainLater


class BudgetSpent(TryAgainLater):
    """There is no room, and none came in time, or too many wait for it already."""


class ByteBudget:
    """At most so many bytes are held at a time. Who asks for more than is left waits, first come, first served.

    So what is held must be given back without asking for more of the same budget. One that asks for more than there is
    gets all of it, alone. Without `wait_seconds` waiting has no end. For one event loop.
    """

    def __init__(self, total_bytes: int, *, longest_line: int, wait_seconds: float | None) -> None:
        self._total = total_bytes
        self._left = total_bytes
        self._longest_line = longest_line
        self._wait_seconds = wait_seconds
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def is_short(self) -> bool:
        """Somebody waits."""
        return bool(self._waiting)

    def has_room_for(self, size: int) -> bool:
        return not self._waiting and min(size, self._total) <= self._left

    def holding(self, size: int) -> Holding:
        """Entering raises `BudgetSpent`."""
        return Holding(self, size)

    async def take(self, size: int) -> int:
        """The bytes to be given back later, in one or more parts. Raises `BudgetSpent`."""
        size = min(size, self._total)
        if self.has_room_for(size):
            self._left -= size
            return size
        if len(self._waiting) >= self._longest_line:
            raise BudgetSpent("too many wait for memory")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            async with asyncio.timeout(self._wait_seconds):
                await turn
        except (TimeoutError, asyncio.CancelledError) as error:
            if turn.done() and not turn.cancelled():
                # It came in the very same moment.
                self._left += size
            turn.cancel()
            self._serve()
            if isinstance(error, TimeoutError):
                raise BudgetSpent("no memory came free in time") from None
            raise
        return size

    def give_back(self, size: int) -> None:
        self._left += size
        self._serve()

    def _serve(self) -> None:
        while self._waiting:
            size, turn = self._waiting[0]
            if not turn.done() and size > self._left:
                return
            self._waiting.popleft()
            if not turn.done():
                self._left -= size
                turn.set_result(None)


class Holding:
    """So many bytes of a budget, until the block ends."""

    def __init__(self, budget: ByteBudget, size: int) -> None:
        self._budget = budget
        self._size = size

    async def __aenter__(self) -> None:
        self._size = await self._budget.take(self._size)

    async def __aexit__(self, *_: object) -> None:
        self._budget.give_back(self._size)
