"""The services' failpoints, as the environment variables that set them."""

from __future__ import annotations

import json
from typing import Any, Final

CONSUMER: Final = "ROLLCALL_CONSUMER_FAILPOINTS"
PRODUCER: Final = "ROLLCALL_PRODUCER_FAILPOINTS"
FOR_EVER: Final = 1_000_000


def killing_consumer(place: str, *, after: int) -> dict[str, str]:
    return _setting(CONSUMER, place, action="kill", after=after)


def killing_producer(place: str, *, after: int) -> dict[str, str]:
    return _setting(PRODUCER, place, action="kill", after=after)


def row_that(action: str, cell: str) -> dict[str, str]:
    """For a consumer: the row with this cell makes it `kill` itself or `raise`, each time."""
    return _setting(CONSUMER, "consumer.row", action=action, cell=cell)


def slow_consumer(seconds: float) -> dict[str, str]:
    """So much longer for each chunk: there is time to disturb a small upload."""
    return _setting(CONSUMER, "consumer.before_transaction", action="pause", seconds=seconds, times=FOR_EVER)


def _setting(variable: str, place: str, **action: Any) -> dict[str, str]:
    return {variable: json.dumps({place: action})}
