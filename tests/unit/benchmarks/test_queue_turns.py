"""Two checkouts' bursts as a ratio."""

from __future__ import annotations

import pytest

from benchmarks.queue_load import Case
from benchmarks.queue_turns import HEADER, Turns

CASE = Case(batch=10, clients=16, waiting=0, seconds=2)


def test_each_burst_is_held_to_the_one_beside_it() -> None:
    turns = Turns(CASE, "send", before=[100, 400, 200], now=[90, 400, 220])
    assert turns.ratios == pytest.approx([0.9, 1.0, 1.1])
    assert turns.standard_error == pytest.approx(0.1 / 3**0.5)


def test_line_stands_below_its_header() -> None:
    line = Turns(CASE, "send", before=[1000, 4000, 2000], now=[900, 4000, 2200]).line()
    assert line.split() == ["send", "10", "16", "2,000", "2,200", "1.000", "0.058"]
    assert len(line) == len(HEADER)
