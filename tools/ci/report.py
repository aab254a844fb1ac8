"""The last lines of a run: each part's result and time, what did not run and why, the sum of the counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tools.ci.counts import Counts

NOTHING = Counts()
Result = Literal["passed", "FAILED", "did not run"]


@dataclass(frozen=True)
class Outcome:
    """The result of a part."""

    name: str
    result: Result
    seconds: float = 0.0
    counts: Counts = NOTHING
    remark: str = ""


def total(outcomes: Sequence[Outcome]) -> Counts:
    """The sum. A part that failed without a failure among its counts (lint, a time limit) counts as one."""
    counts = Counts()
    for outcome in outcomes:
        counts += outcome.counts
        if outcome.result == "FAILED" and outcome.counts.failed == 0:
            counts += Counts(failed=1)
    return counts


def lines(outcomes: Sequence[Outcome], seconds: float) -> list[str]:
    """The last of them is the sum alone."""
    width = max((len(outcome.name) for outcome in outcomes), default=0)
    ran = [outcome for outcome in outcomes if outcome.result != "did not run"]
    left_out = [outcome for outcome in outcomes if outcome.result == "did not run"]
    said = [f"what ran, in {_minutes(seconds)}:"]
    said += [f"  {_ran(outcome, width)}" for outcome in ran]
    if left_out:
        said += ["what did not run:"]
        said += [f"  {outcome.name:<{width}}  {outcome.remark}" for outcome in left_out]
    else:
        said += ["nothing was left out"]
    return [*said, str(total(outcomes))]


def _ran(outcome: Outcome, width: int) -> str:
    counts = str(outcome.counts) if outcome.counts != NOTHING else ""
    notes = "; ".join(note for note in (counts, outcome.remark) if note)
    line = f"{outcome.name:<{width}}  {outcome.result}  {_minutes(outcome.seconds):>10}"
    return f"{line}  ({notes})" if notes else line


def _minutes(seconds: float) -> str:
    return f"{seconds // 60:.0f} min {seconds % 60:02.0f} s"
