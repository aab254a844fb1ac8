"""Goes through the parts until they are all run or the time is spent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from tools.ci import commands
from tools.ci.counts import Counts
from tools.ci.parts import Part
from tools.ci.report import Outcome

# Past 90 minutes nothing lands. A part that starts in the last minute before this may take its own limit.
BUDGET_MINUTES = 50.0

Say = Callable[[str], None]


class Run(Protocol):
    def __call__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        seconds: float,
        *,
        say: Say,
        stop: threading.Event,
    ) -> commands.Ended: ...


def run_all(
    parts: Sequence[Part],
    environment: Mapping[str, str],
    *,
    budget_minutes: float = BUDGET_MINUTES,
    clock: Callable[[], float] = time.monotonic,
    engine_answers: Callable[[], bool] = lambda: True,
    run: Run = commands.run,
) -> Generator[Outcome, None, None]:
    """The outcome of each as it ends. After a failure the others still run: they say more about it than their absence
    would. Those that run beside the others take turns among themselves.
    """
    stop = threading.Event()
    runner = _Runner(environment, budget_minutes, clock, clock(), engine_answers, run, stop)
    with ThreadPoolExecutor(max_workers=1) as lane:
        beside: list[Future[Outcome]] = []
        try:
            for part in parts:
                if part.beside:
                    beside.append(lane.submit(runner.held_back, part))
                else:
                    yield runner.outcome(part, commands.say)
                while beside and beside[0].done():
                    yield beside.pop(0).result()
            for future in beside:
                yield future.result()
        finally:
            stop.set()
            lane.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class _Runner:
    environment: Mapping[str, str]
    budget_minutes: float
    clock: Callable[[], float]
    began: float
    engine_answers: Callable[[], bool]
    run: Run
    stop: threading.Event

    def held_back(self, part: Part) -> Outcome:
        """What it says comes when it has ended, so that it does not stand among the words of others."""
        said: list[str] = []
        try:
            return self.outcome(part, said.append)
        finally:
            commands.say("".join(said))

    def outcome(self, part: Part, say: Say) -> Outcome:
        elapsed = self.clock() - self.began
        if elapsed >= self.budget_minutes * 60:
            return _left_out(part, f"{self.budget_minutes:.0f} minutes were over")
        if _missing(part) is not None:
            return _left_out(part, f"there is no {_missing(part)}")
        if part.needs_engine and not self.engine_answers():
            return _left_out(part, "no Docker engine answers")
        say(f"\n=== {part.name} (after {elapsed / 60:.1f} min)\n")
        outcome = self._outcome(part, say)
        say(f"=== {part.name}: {outcome.result} in {outcome.seconds:.0f} s\n")
        return outcome

    def _outcome(self, part: Part, say: Say) -> Outcome:
        began = self.clock()
        counts = Counts()
        for command in part.commands:
            left = part.limit_minutes * 60 - (self.clock() - began)
            ended = self.run(command, self.environment, max(left, 1.0), say=say, stop=self.stop)
            counts += ended.counts
            if ended.status != 0 or ended.out_of_time or counts.failed:
                outcome = Outcome(part.name, "FAILED", self.clock() - began, counts)
                limit = f"stopped after its limit of {part.limit_minutes:.0f} min"
                if part.optional:
                    why = limit if ended.out_of_time else f"ended with status {ended.status}"
                    return replace(outcome, result="did not run", remark=f"{why}: not needed")
                return replace(outcome, remark=limit if ended.out_of_time else f"status {ended.status}")
        return Outcome(part.name, "passed", self.clock() - began, counts)


def _left_out(part: Part, why: str) -> Outcome:
    return Outcome(part.name, "did not run", remark=why)


def _missing(part: Part) -> str | None:
    """A program of the neighbourhood, which only some machines have."""
    return next((words[0] for words in part.commands if "/" in words[0] and not Path(words[0]).exists()), None)
