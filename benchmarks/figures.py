"""The outcome of a part of the benchmark: figures from repeated runs, and the bounds that they are held to."""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Literal

import msgspec

Measure = Callable[[], Awaitable[float]]


class Figure(msgspec.Struct, frozen=True):
    """One quantity with a sample from each round."""

    name: str
    unit: str
    samples: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.samples)


class Check(msgspec.Struct, frozen=True):
    """A value that was computed from medians, and what it has to be."""

    name: str
    value: float
    bound: float
    direction: Literal["at least", "at most"]
    unit: str = ""

    @property
    def holds(self) -> bool:
        return self.value >= self.bound if self.direction == "at least" else self.value <= self.bound


class Outcome(msgspec.Struct, frozen=True):
    """One part's results. `setup` says in a line what was measured how often."""

    setup: str
    figures: list[Figure]
    checks: list[Check]


def at_least(name: str, value: float, bound: float, unit: str = "") -> Check:
    return Check(name, value, bound, "at least", unit)


def at_most(name: str, value: float, bound: float, unit: str = "") -> Check:
    return Check(name, value, bound, "at most", unit)


def ratio(of: Figure, to: Figure) -> float:
    """Of the medians."""
    return of.median / to.median


async def in_turns(rounds: int, unit: str, measures: Mapping[str, Measure]) -> dict[str, Figure]:
    """Each measure once a round, one after the other, so that what disturbs the machine disturbs them alike."""
    samples: dict[str, list[float]] = {name: [] for name in measures}
    for number in range(1, rounds + 1):
        for name, measure in measures.items():
            samples[name].append(rounded(await measure()))
            print(f"  round {number}: {name}: {spelled(samples[name][-1])} {unit}", flush=True)
    return {name: Figure(name, unit, tuple(taken)) for name, taken in samples.items()}


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that so large a share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-len(ordered) * share // 1) - 1))]


def rounded(value: float) -> float:
    """To the digits that a measurement can have."""
    return float(f"{value:.5g}")


def spelled(value: float) -> str:
    """With about three digits that count."""
    for digits, least in ((0, 100), (1, 10), (2, 1)):
        if abs(value) >= least:
            return f"{value:,.{digits}f}"
    return f"{value:.3f}"
