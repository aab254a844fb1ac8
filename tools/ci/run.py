"""Goes through the parts until they are all run or the time is spent."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tools.ci import commands
from tools.ci.counts import Counts
from tools.ci.parts import Part
from tools.ci.report import Outcome

# Past 90 minutes nothing lands. A part that starts in the last minute before this may take its own limit.
BUDGET_MINUTES = 50.0

Run = Callable[[Sequence[str], Mapping[str, str], float], commands.Ended]


def run_all(
    parts: Sequence[Part],
    environment: Mapping[str, str],
    *,
    budget_minutes: float = BUDGET_MINUTES,
    clock: Callable[[], float] = time.monotonic,
    engine_answers: Callable[[], bool] = lambda: True,
    run: Run = commands.run,
) -> Iterator[Outcome]:
    """The outcome of each. After a failure the others still run: they say more about it than their absence would."""
    began = clock()
    for part in parts:
        elapsed = clock() - began
        if elapsed >= budget_minutes * 60:
            outcome = _left_out(part, f"{budget_minutes:.0f} minutes were over")
        elif _missing(part) is not None:
            outcome = _left_out(part, f"there is no {_missing(part)}")
        elif part.needs_engine and not engine_answers():
            outcome = _left_out(part, "no Docker engine answers")
        else:
            print(f"\n=== {part.name} (after {elapsed / 60:.1f} min)", flush=True)
            outcome = _run(part, environment, clock, run)
            print(f"=== {part.name}: {outcome.result} in {outcome.seconds:.0f} s", flush=True)
        yield outcome


def _run(part: Part, environment: Mapping[str, str], clock: Callable[[], float], run: Run) -> Outcome:
    began = clock()
    counts = Counts()
    for command in part.commands:
        left = part.limit_minutes * 60 - (clock() - began)
        ended = run(command, environment, max(left, 1.0))
        counts += ended.counts
        if ended.status != 0 or ended.out_of_time or counts.failed:
            outcome = Outcome(part.name, "FAILED", clock() - began, counts)
            limit = f"stopped after its limit of {part.limit_minutes:.0f} min"
            if part.optional:
                why = limit if ended.out_of_time else f"ended with status {ended.status}"
                return replace(outcome, result="did not run", remark=f"{why}: not needed")
            return replace(outcome, remark=limit if ended.out_of_time else f"status {ended.status}")
    return Outcome(part.name, "passed", clock() - began, counts)


def _left_out(part: Part, why: str) -> Outcome:
    return Outcome(part.name, "did not run", remark=why)


def _missing(part: Part) -> str | None:
    """A program of the neighbourhood, which only some machines have."""
    return next((words[0] for words in part.commands if "/" in words[0] and not Path(words[0]).exists()), None)
