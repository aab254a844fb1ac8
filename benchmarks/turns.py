"""Two checkouts in turns: what one does a second, to what the other does.

A shared machine is faster at one time than at another by more than what is looked for. So both run at once, on one
server with a database each, and take turns in short bursts. Each burst is held to the one beside it, and the more of
them, the surer the middle of the ratios.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from statistics import median, stdev
from typing import TypeVar

Side = TypeVar("Side")

HEADER = "                                         before/s      now/s  ratio error"


@dataclass(frozen=True)
class Turns:
    """What both did a second in bursts that followed each other."""

    name: str
    before: Sequence[float]
    now: Sequence[float]

    @property
    def ratios(self) -> Sequence[float]:
        return [now / before for before, now in zip(self.before, self.now, strict=True)]

    @property
    def standard_error(self) -> float:
        return stdev(self.ratios) / math.sqrt(len(self.ratios))

    def line(self) -> str:
        return (
            f"{self.name:38} {median(self.before):10,.0f} {median(self.now):10,.0f} "
            f"{median(self.ratios):6.3f} {self.standard_error:5.3f}"
        )


async def take_turns(
    name: str, before: Side, now: Side, burst: Callable[[Side], Awaitable[float]], *, rounds: int
) -> Turns:
    sides = (before, now)
    per_second: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds):
        # Who comes second finds the caches and the disk as the first left them.
        for number in (0, 1) if turn % 2 == 0 else (1, 0):
            per_second[number].append(await burst(sides[number]))
    return Turns(name, *per_second)


def rounds_of_turns(text: str) -> int:
    """The type of an argument."""
    rounds = int(text)
    if rounds < 2:
        raise argparse.ArgumentTypeError("is at least 2: one turn does not say how far to trust it")
    return rounds
