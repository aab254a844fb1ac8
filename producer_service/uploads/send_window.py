"""The send window bounds how many chunks are read or unanswered at a time; the uploads in progress share it evenly.

However many uploads there are, no more of their chunks than that stand in the queue in front of another's (P6), and
no more are in memory. Those that wait for a place get one in turn.
"""

from __future__ import annotations

import asyncio
from collections import deque


class SendWindow:
    def __init__(self, places: int) -> None:
        self._places = places
        self._free = places
        self._shares: set[WindowShare] = set()
        # Those with somebody who waits for a place.
        self._line: deque[WindowShare] = deque()

    def share(self, *, at_most: int | None = None) -> WindowShare:
        """A new share of at most so many places; all others shrink."""
        share = WindowShare(self, at_most)
        self._shares.add(share)
        return share

    def places_a_share(self) -> int:
        return max(1, self._places // max(1, len(self._shares)))

    def resize(self, places: int) -> None:
        """A place too many is taken away when it is given back."""
        self._free += places - self._places
        self._places = places
        self._hand_out()

    def line_up(self, share: WindowShare) -> None:
        if share not in self._line:
            self._line.append(share)
        self._hand_out()

    def give_back(self, places: int) -> None:
        self._free += places
        self._hand_out()

    def leave(self, share: WindowShare) -> None:
        self._shares.discard(share)
        self._hand_out()

    def _hand_out(self) -> None:
        """One place to each in line, the first one first; whoever has its whole share stays where it is."""
        passed_over: list[WindowShare] = []
        while self._free > 0 and self._line:
            share = self._line.popleft()
            if not share.has_room:
                passed_over.append(share)
            elif share.take_place():
                self._free -= 1
                if share.is_waiting:
                    self._line.append(share)
        self._line.extendleft(reversed(passed_over))


class WindowShare:
    """One upload's part of the window. Every `acquire` is answered by one `release`, or all by `leave`."""

    def __init__(self, send_window: SendWindow, at_most: int | None) -> None:
        self._send_window = send_window
        self._at_most = at_most
        self._in_use = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def has_room(self) -> bool:
        places = self._send_window.places_a_share()
        return self._in_use < (places if self._at_most is None else min(self._at_most, places))

    @property
    def is_waiting(self) -> bool:
        return any(not turn.done() for turn in self._waiting)

    def take_place(self) -> bool:
        """False when nobody waits for one."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                self._in_use += 1
                turn.set_result(None)
                return True
        return False

    async def acquire(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._send_window.line_up(self)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release()
            raise

    def release(self) -> None:
        # One that left has nothing to give back any more.
        if self._in_use > 0:
            self._in_use -= 1
            self._send_window.give_back(1)

    def leave(self) -> None:
        """Give back every place, too."""
        places, self._in_use = self._in_use, 0
        self._send_window.leave(self)
        self._send_window.give_back(places)
