"""How much one caller may have in hand at once, so that none takes the service from the others.

Counted in each process, exactly; several replicas together allow so many times as much. Callers are names, so that a
second key of one's own brings nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal

Kind = Literal["requests", "uploads"]
RETRY_AFTER_SECONDS: Final = 1


class TooMany(Exception):
    """One more than `most` of this kind."""

    def __init__(self, kind: Kind, most: int) -> None:
        super().__init__(kind)
        self.kind = kind
        self.most = most


class KeyLimits:
    def __init__(self, *, requests: int, uploads: int) -> None:
        self._most: dict[Kind, int] = {"requests": requests, "uploads": uploads}
        self._in_hand: Counter[tuple[str, Kind]] = Counter()

    @contextmanager
    def holding(self, name: str, *kinds: Kind) -> Iterator[None]:
        """One of each, until the block ends. Raises `TooMany`, and holds none then."""
        for kind in kinds:
            if self._in_hand[name, kind] >= self._most[kind]:
                raise TooMany(kind, self._most[kind])
        for kind in kinds:
            self._in_hand[name, kind] += 1
        try:
            yield
        finally:
            for kind in kinds:
                self._in_hand[name, kind] -= 1
                if not self._in_hand[name, kind]:
                    del self._in_hand[name, kind]
