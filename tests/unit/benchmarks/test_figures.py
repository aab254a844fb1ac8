"""Medians, ratios, percentiles and bounds."""

from __future__ import annotations

import pytest

from benchmarks.figures import Figure, at_least, at_most, in_turns, percentile, ratio, rounded, spelled


def test_median_is_the_middle_sample_and_the_mean_of_two() -> None:
    assert Figure("a", "s", (5.0, 1.0, 2.0)).median == 2
    assert Figure("a", "s", (1.0, 2.0)).median == 1.5


def test_ratio_is_that_of_the_medians() -> None:
    assert ratio(Figure("ours", "rows/s", (60, 10, 50)), Figure("theirs", "rows/s", (1000, 20, 25))) == 2


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 50), (0.99, 99), (0.991, 100), (1.0, 100), (0.0, 1), (0.01, 1), (0.011, 2)]
)
def test_percentile_is_a_value_that_so_many_do_not_exceed(share: float, expected: int) -> None:
    assert percentile(list(range(100, 0, -1)), share) == expected


def test_percentile_of_one_value_is_that_value() -> None:
    assert percentile([7.0], 0.5) == percentile([7.0], 0.99) == 7.0


def test_a_bound_itself_is_still_within() -> None:
    assert at_least("ratio", 1.0, 1.0).holds
    assert not at_least("ratio", 0.999, 1.0).holds
    assert at_most("seconds", 3.0, 3.0).holds
    assert not at_most("seconds", 3.001, 3.0).holds


async def test_measures_take_turns() -> None:
    order: list[str] = []

    async def first() -> float:
        order.append("first")
        return len(order)

    async def second() -> float:
        order.append("second")
        return len(order)

    figures = await in_turns(3, "s", {"first": first, "second": second})
    assert order == ["first", "second"] * 3
    assert figures["first"] == Figure("first", "s", (1, 3, 5))
    assert figures["second"] == Figure("second", "s", (2, 4, 6))


def test_figures_are_kept_and_spelled_with_the_digits_that_count() -> None:
    assert [rounded(value) for value in (29573.391217, 0.123456789)] == [29573.0, 0.12346]
    assert [spelled(value) for value in (1234567.0, 123.4, 12.34, 1.234, 0.1234)] == [
        "1,234,567",
        "123",
        "12.3",
        "1.23",
        "0.123",
    ]
