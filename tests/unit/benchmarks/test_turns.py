"""Two checkouts' bursts as a ratio."""

from __future__ import annotations

import pytest

from benchmarks.turns import HEADER, Turns, take_turns


def test_each_burst_is_held_to_the_one_beside_it() -> None:
    turns = Turns("send", before=[100, 400, 200], now=[90, 400, 220])
    assert turns.ratios == pytest.approx([0.9, 1.0, 1.1])
    assert turns.standard_error == pytest.approx(0.1 / 3**0.5)


def test_line_stands_below_its_header() -> None:
    line = Turns("send", before=[1000, 4000, 2000], now=[900, 4000, 2200]).line()
    assert line.split() == ["send", "2,000", "2,200", "1.000", "0.058"]
    assert len(line) == len(HEADER)


async def test_each_side_comes_first_as_often_as_the_other() -> None:
    bursts = []

    async def burst(side: str) -> float:
        bursts.append(side)
        return len(bursts)

    turns = await take_turns("send", "before", "now", burst, rounds=4)
    assert bursts == ["before", "now", "now", "before"] * 2
    assert (turns.before, turns.now) == ([1, 4, 5, 8], [2, 3, 6, 7])
