"""The services' failpoints, as the environment variables that set them."""

from __future__ import annotations

import json
from typing import Any, Final

API: Final = "ROLLCALL_API_FAILPOINTS"
CONSUMER: Final = "ROLLCALL_CONSUMER_FAILPOINTS"
PRODUCER: Final = "ROLLCALL_PRODUCER_FAILPOINTS"
ROW_TIMEOUT: Final = "ROLLCALL_CONSUMER_ROW_TIMEOUT_SECONDS"
FOR_EVER: Final = 1_000_000


def killing_api(place: str, *, after: int = 0) -> dict[str, str]:
    return _setting(API, {place: {"action": "kill", "after": after}})


def killing_consumer(place: str, *, after: int) -> dict[str, str]:
    return _setting(CONSUMER, {place: {"action": "kill", "after": after}})


def killing_producer(place: str, *, after: int) -> dict[str, str]:
    return _setting(PRODUCER, {place: {"action": "kill", "after": after}})


def file_that_kills(cell: str) -> dict[str, str]:
    """The file with this cell makes the producer kill itself, each time that it reads so far."""
    return _setting(PRODUCER, {"producer.row": {"action": "kill", "text": cell}})


def stopping_consumer(place: str, *, after: int) -> dict[str, str]:
    """It stops itself there as by SIGSTOP, once, and goes on where it was by SIGCONT, however long that takes."""
    return _setting(CONSUMER, {place: {"action": "stop", "after": after}}) | {ROW_TIMEOUT: "3600"}


def stopping_producer(place: str, *, after: int = 0) -> dict[str, str]:
    return _setting(PRODUCER, {place: {"action": "stop", "after": after}})


def row_that_raises(cell: str) -> dict[str, str]:
    """The row with this cell makes the consumer fail, each time."""
    return _setting(CONSUMER, {"consumer.row": {"action": "raise", "text": cell}})


def row_that_kills(cell: str, *, chunk_seconds: float) -> dict[str, str]:
    """The row with this cell makes the consumer kill itself, each time, so long after it took any chunk."""
    return _setting(CONSUMER, {"consumer.row": {"action": "kill", "text": cell}, **_pause(chunk_seconds)})


def row_that_hangs(cell: str) -> dict[str, str]:
    """The row with this cell makes the consumer stand still, each time, for longer than any test runs."""
    return _setting(CONSUMER, {"consumer.row": {"action": "pause", "text": cell, "seconds": 3_600}})


def slow_consumer(chunk_seconds: float) -> dict[str, str]:
    """So much longer for each chunk: there is time to disturb a small upload."""
    return _setting(CONSUMER, _pause(chunk_seconds))


def _pause(seconds: float) -> dict[str, Any]:
    return {"consumer.before_transaction": {"action": "pause", "seconds": seconds, "times": FOR_EVER}}


def _setting(variable: str, actions: dict[str, Any]) -> dict[str, str]:
    return {variable: json.dumps(actions)}
