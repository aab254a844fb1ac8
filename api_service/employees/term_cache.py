"""Remembers how common search terms are, for a while only, because tables change."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, NamedTuple

from api_service.employees.search_term import SearchTerm

REMEMBERED_SECONDS: Final = 60.0
REMEMBERED_TERMS: Final = 1000


class Weight(NamedTuple):
    """`estimate` is the planner's guess at the number of matches; whether a term is common may be known better."""

    estimate: int
    is_common: bool


class TermCache:
    """Of the last terms only; it lives in the process, and dies with it: what people search for is written nowhere."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._weights: dict[SearchTerm, tuple[Weight, float]] = {}

    def get(self, term: SearchTerm) -> Weight | None:
        weight, forgotten_at = self._weights.get(term, (None, 0.0))
        return weight if self._clock() < forgotten_at else None

    def put(self, term: SearchTerm, weight: Weight) -> Weight:
        self._weights.pop(term, None)
        self._weights[term] = weight, self._clock() + REMEMBERED_SECONDS
        if len(self._weights) > REMEMBERED_TERMS:
            del self._weights[next(iter(self._weights))]
        return weight
