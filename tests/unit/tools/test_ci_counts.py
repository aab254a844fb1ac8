"""The runner's counts are read from what pytest prints."""

from __future__ import annotations

import pytest

from tools.ci.counts import Counts, counts_in


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        ("============ 3 passed in 0.12s ============", Counts(3)),
        ("= 2 failed, 10 passed, 1 skipped, 4 warnings in 70.20s (0:01:10) =", Counts(10, 2, 1)),
        ("=== 1 failed, 5 passed, 2 errors in 3.00s ===", Counts(5, 3)),
        ("= 4 passed, 1 xfailed, 7 deselected in 3.00s =", Counts(4, 0, 1)),
        ("12 deselected in 0.50s", Counts()),
        ("12 passed in 3.21s", Counts(12)),
    ],
)
def test_summary_is_read(line: str, counts: Counts) -> None:
    assert counts_in(line + "\n") == counts


@pytest.mark.parametrize(
    "line", ["", "3 rows in 4.20s", "3 passed", "FAILED tests/a.py - 3 passed in 0.12s", "=== slowest 10 durations ==="]
)
def test_other_lines_have_no_counts(line: str) -> None:
    assert counts_in(line) is None


def test_sum_is_said_as_pytest_says_it() -> None:
    assert str(Counts(3, 1) + Counts(2, 0)) == "5 passed, 1 failed"
    assert str(Counts(3, 1) + Counts(2, 0, 4)) == "5 passed, 1 failed, 4 skipped"
