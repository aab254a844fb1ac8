"""A timer for many short pieces of work, of which few last so long that it strikes for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class SharedTimer:
    """Calls back after `seconds`, or up to twice that.

    One timer of the event loop goes round for all that wait: to start and cancel one for each took a tenth of the time
    of a search.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._new: set[Callable[[], None]] = set()
        self._due: set[Callable[[], None]] = set()
        self._striking: set[Callable[[], None]] = set()
        self._goes_round = False

    def start(self, callback: Callable[[], None]) -> None:
        """Once, unless it is stopped before."""
        self._new.add(callback)
        if not self._goes_round:
            self._goes_round = True
            self._wind_up()

    def stop(self, callback: Callable[[], None]) -> None:
        self._new.discard(callback)
        self._due.discard(callback)
        self._striking.discard(callback)

    def _wind_up(self) -> None:
        asyncio.get_running_loop().call_later(self._seconds, self._strike)

    def _strike(self) -> None:
        self._striking, self._due, self._new = self._due, self._new, set()
        self._goes_round = bool(self._due)
        if self._goes_round:
            self._wind_up()
        while self._striking:
            self._striking.pop()()
