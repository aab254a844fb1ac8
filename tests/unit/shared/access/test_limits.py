"""What one caller has in hand is counted, and given back however it ends."""

from __future__ import annotations

import contextlib

import pytest

from shared.access.limits import KeyLimits, TooMany


def test_one_more_than_its_share_is_refused_and_takes_nothing() -> None:
    limits = KeyLimits(requests=3, uploads=1)
    with limits.holding("a", "requests", "uploads"), limits.holding("a", "requests"):
        with pytest.raises(TooMany) as refused, limits.holding("a", "requests", "uploads"):
            raise AssertionError
        assert (refused.value.kind, refused.value.most) == ("uploads", 1)
        # The refused one holds no request either.
        with limits.holding("a", "requests"):
            with pytest.raises(TooMany), limits.holding("a", "requests"):
                raise AssertionError
            # Another caller has a share of its own.
            with limits.holding("b", "requests", "uploads"):
                pass


def test_what_fails_gives_back_what_it_held() -> None:
    limits = KeyLimits(requests=1, uploads=1)
    for _ in range(3):
        with contextlib.suppress(ZeroDivisionError), limits.holding("a", "requests"):
            raise ZeroDivisionError
    with limits.holding("a", "requests", "uploads"):
        pass
    # Nothing is kept of callers who have nothing in hand.
    assert not limits._in_hand
