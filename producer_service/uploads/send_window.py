"""How many chunks may be unanswered: one window, shared evenly by the uploads in progress.

It bounds what one upload puts into the queue in front of the others (P6), and the memory that waiting chunks take.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Window:
    def __init__(self, chunks: int) -> None:
        self._chunks = chunks
        self._shares: set[Share] = set()

    def share(self, *, at_most: int | None = None) -> Share:
        """A new share; all others shrink. `at_most` 1 sends chunks in file order, one at a time."""
        share = Share(self, at_most)
        self._shares.add(share)
        return share

    def allowance(self) -> int:
        return max(1, self._chunks // max(1, len(self._shares)))

    def leave(self, share: Share) -> None:
        self._shares.discard(share)
        for other in self._shares:
            other.wake()


class Share:
    """One upload's part of the window. Every `acquire` is answered by one `release`."""

    def __init__(self, window: Window, at_most: int | None) -> None:
        self._window = window
        self._at_most = at_most
        self._in_use = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def acquire(self) -> None:
        while self._in_use >= self._limit():
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn
        self._in_use += 1

    def release(self) -> None:
        self._in_use -= 1
        self.wake()

    def wake(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)

    def leave(self) -> None:
        self._window.leave(self)

    def _limit(self) -> int:
        allowance = self._window.allowance()
        return allowance if self._at_most is None else min(self._at_most, allowance)
