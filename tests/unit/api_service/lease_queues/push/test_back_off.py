"""What failed waits longer each time, never at one moment with the rest, and as long as the endpoint asks for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from api_service.lease_queues.messages import MAX_TIMEOUT_SECONDS
from api_service.lease_queues.push.back_off import (
    endpoint_pause_seconds,
    is_about_the_message,
    message_wait_seconds,
)
from api_service.lease_queues.push.post import seconds_of


def test_message_waits_twice_as_long_each_time_up_to_an_hour() -> None:
    for receives, longest in [(1, 5), (2, 10), (3, 20), (8, 640), (11, 3600), (1_000_000, 3600)]:
        waits = {message_wait_seconds(receives, None) for _ in range(500)}
        assert min(waits) >= longest // 2
        assert max(waits) <= longest
        assert len(waits) > 2


def test_message_waits_for_as_long_as_the_endpoint_asks_for_within_what_a_lease_can_be() -> None:
    assert message_wait_seconds(1, 120) == 120
    assert message_wait_seconds(11, 1) >= 1800
    assert message_wait_seconds(1, 10**9) == MAX_TIMEOUT_SECONDS


def test_endpoint_is_left_alone_for_longer_with_each_failure_up_to_a_minute() -> None:
    for failures, longest in [(1, 1), (2, 2), (7, 60), (1_000_000, 60)]:
        pauses = {endpoint_pause_seconds(failures, None) for _ in range(100)}
        assert longest / 2 <= min(pauses) < max(pauses) <= longest
    assert endpoint_pause_seconds(1, 90) == 90
    assert endpoint_pause_seconds(1, 10**9) == 3600


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (301, False),
        (400, True),
        (404, True),
        (408, False),
        (422, True),
        (429, False),
        (499, True),
        (500, False),
        (503, False),
    ],
)
def test_refusals_of_a_message_say_nothing_about_the_endpoint(status: int, expected: bool) -> None:
    assert is_about_the_message(status) == expected


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("", None),
        ("120", 120),
        (" 7 ", 7),
        ("9" * 5000, 9_999_999_999),
        ("Fri, 27 Nov 99999 12:01:30 GMT", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("²", None),
        ("Fri, 27 Nov 2026 12:01:30 GMT", 90),
        ("Fri, 27 Nov 2026 11:00:00 GMT", 0),
        ("Fri, 27 Nov 2026 12:01:30", 90),
    ],
)
def test_retry_after_is_seconds_or_a_time(retry_after: str, seconds: int | None) -> None:
    assert seconds_of(retry_after, datetime(2026, 11, 27, 12, tzinfo=UTC)) == seconds
