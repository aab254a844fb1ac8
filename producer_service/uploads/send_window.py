"""The send window bounds how many chunks may be unanswered; the uploads in progress share it evenly.

So no upload puts many chunks into the queue in front of the others (P6), and the chunks that wait for an answer take
little memory.
"""

from __future__ import annotations

import asyncio
from collections import deque


class SendWindow:
    def __init__(self, chunks: int) -> None:
        self._chunks = chunks
        self._shares: set[WindowShare] = set()

    def share(self, *, at_most: int | None = None) -> WindowShare:
        """A new share; all others shrink. With `at_most` 1 an upload's chunks go one at a time, in file order."""
        share = WindowShare(self, at_most)
        self._shares.add(share)
        return share

    def chunks_a_share(self) -> int:
        return max(1, self._chunks // max(1, len(self._shares)))

    def leave(self, share: WindowShare) -> None:
        self._shares.discard(share)
        for other in self._shares:
            other.wake()


class WindowShare:
    """One upload's part of the window. Every `acquire` is answered by one `release`."""

    def __init__(self, send_window: SendWindow, at_most: int | None) -> None:
        self._send_window = send_window
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
        self._send_window.leave(self)

    def _limit(self) -> int:
        chunks = self._send_window.chunks_a_share()
        return chunks if self._at_most is None else min(self._at_most, chunks)
