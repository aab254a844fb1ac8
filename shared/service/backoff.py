"""Pauses between tries grow with each failure, up to a longest one that then repeats."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Backoff:
    """The pauses of one thing that is tried again and again; `reset` after a success."""

    def __init__(self, pauses_seconds: Sequence[float]) -> None:
        self._pauses_seconds = pauses_seconds
        self._failures = 0

    def next_seconds(self) -> float:
        """To be called once for each failure."""
        pause = self._pauses_seconds[min(self._failures, len(self._pauses_seconds) - 1)]
        self._failures += 1
        return pause

    def reset(self) -> None:
        self._failures = 0
