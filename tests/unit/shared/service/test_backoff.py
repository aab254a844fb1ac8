"""Pauses grow to the last one, which repeats, and begin anew after a success."""

from shared.service.backoff import Backoff


def test_pauses_grow_and_the_last_one_repeats() -> None:
    backoff = Backoff((1, 2, 5))

    assert [backoff.next_seconds() for _ in range(5)] == [1, 2, 5, 5, 5]


def test_after_a_success_pauses_begin_anew() -> None:
    backoff = Backoff((1, 2, 5))
    backoff.next_seconds()
    backoff.next_seconds()

    backoff.reset()

    assert backoff.next_seconds() == 1
