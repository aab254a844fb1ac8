"""How long a message waits after a push that came to nothing, and how long the endpoint is left alone."""

from __future__ import annotations

import random
from typing import Final

from api_service.lease_queues.messages import MAX_TIMEOUT_SECONDS

FIRST_WAIT_SECONDS: Final = 5
LONGEST_WAIT_SECONDS: Final = 3600
LONGEST_PAUSE_SECONDS: Final = 60


def message_wait_seconds(receive_count: int, retry_after_seconds: int | None) -> int:
    """Twice as long each time, by the half at random, so that what failed together does not come back together.

    What the endpoint asks for is the least, within what a lease can be.
    """
    grown = min(FIRST_WAIT_SECONDS * 2.0 ** min(receive_count - 1, 20), LONGEST_WAIT_SECONDS)
    wait = max(_with_jitter(grown), retry_after_seconds or 0)
    return min(max(1, round(wait)), MAX_TIMEOUT_SECONDS)


def endpoint_pause_seconds(failures: int, retry_after_seconds: int | None) -> float:
    """After so many failures in a row. Meanwhile no other message is tried, which would only use up its receives."""
    grown = min(2.0 ** min(failures - 1, 20), LONGEST_PAUSE_SECONDS)
    return min(max(_with_jitter(grown), retry_after_seconds or 0), LONGEST_WAIT_SECONDS)


def is_about_the_message(status: int) -> bool:
    """The endpoint works, and does not want this one. All else (no answer, a redirect, 408, 429, 5xx) is its own."""
    return 400 <= status < 500 and status not in {408, 429}


def _with_jitter(seconds: float) -> float:
    return seconds * random.uniform(0.5, 1.0)  # noqa: S311 - spreads, and hides nothing
