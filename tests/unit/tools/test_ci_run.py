"""The parts in turn, within the budget, and what is said of them."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

import pytest

from tests.support.patience import patience
from tools.ci import report
from tools.ci.commands import Ended
from tools.ci.counts import Counts
from tools.ci.parts import Part
from tools.ci.report import Outcome
from tools.ci.run import Say, run_all


class Clock:
    """Each command takes so many minutes of it."""

    def __init__(self, minutes: float = 1) -> None:
        self.minutes = minutes
        self.seconds = 0.0
        self.limits: list[float] = []
        self.commands: list[str] = []

    def __call__(self) -> float:
        return self.seconds

    def run(
        self, command: Sequence[str], environment: Mapping[str, str], seconds: float, *, say: Say, stop: threading.Event
    ) -> Ended:
        self.commands.append(command[0])
        self.limits.append(seconds)
        self.seconds += self.minutes * 60
        status = int(command[0] == "bad")
        return Ended(status, Counts(passed=2, failed=status), out_of_time=command[0] == "slow")


def part(name: str, *, needs_engine: bool = False, optional: bool = False, beside: bool = False) -> Part:
    return Part(name, ((name,),), needs_engine=needs_engine, optional=optional, beside=beside)


def outcomes(clock: Clock, *parts: Part, budget_minutes: float = 50, engine: bool = True) -> list[Outcome]:
    ran = run_all(parts, {}, budget_minutes=budget_minutes, clock=clock, engine_answers=lambda: engine, run=clock.run)
    return list(ran)


def test_after_a_failure_the_others_still_run() -> None:
    clock = Clock()
    ran = outcomes(clock, part("bad"), part("good"))
    assert [outcome.result for outcome in ran] == ["FAILED", "passed"]
    assert report.total(ran) == Counts(passed=4, failed=1)


def test_no_part_is_started_once_the_budget_is_spent() -> None:
    clock = Clock(minutes=20)
    ran = outcomes(clock, *(part(name) for name in "abcde"))
    assert [outcome.result for outcome in ran] == ["passed", "passed", "passed", "did not run", "did not run"]
    assert report.total(ran).failed == 0
    assert clock.commands == ["a", "b", "c"]


def test_part_out_of_time_is_a_failure_even_if_it_says_nothing() -> None:
    ran = outcomes(Clock(), part("slow"))
    assert ran[0].result == "FAILED"
    assert report.total(ran).failed == 1


def test_commands_of_a_part_share_its_limit_and_end_with_the_first_failure() -> None:
    clock = Clock(minutes=4)
    outcomes(clock, Part("several", (("good",), ("bad",), ("never",)), limit_minutes=10))
    assert clock.commands == ["good", "bad"]
    assert clock.limits == [600, 360]


def test_what_needs_an_engine_is_left_out_without_one() -> None:
    ran = outcomes(Clock(), part("compose", needs_engine=True), part("good"), engine=False)
    assert [outcome.result for outcome in ran] == ["did not run", "passed"]


def test_failure_of_what_only_helps_is_no_failure() -> None:
    ran = outcomes(Clock(), part("bad", optional=True), part("slow", optional=True))
    assert [outcome.result for outcome in ran] == ["did not run"] * 2
    assert report.total([Outcome("engine", "did not run")]).failed == 0


def test_parts_beside_the_others_take_turns_and_say_all_at_their_end(capsys: pytest.CaptureFixture[str]) -> None:
    has_begun, others_are_through = threading.Event(), threading.Event()
    order: list[str] = []

    def run(
        command: Sequence[str], environment: Mapping[str, str], seconds: float, *, say: Say, stop: threading.Event
    ) -> Ended:
        [name] = command
        say(f"{name} says this\n")
        if name == "first beside":
            has_begun.set()
            assert others_are_through.wait(20 * patience())
        elif name == "other":
            assert has_begun.wait(20 * patience())
        order.append(name)
        if name == "last":
            others_are_through.set()
        return Ended(0, Counts(passed=1), out_of_time=False)

    parts = [part("first beside", beside=True), part("second beside", beside=True), part("other"), part("last")]
    ran = list(run_all(parts, {}, run=run))
    assert order == ["other", "last", "first beside", "second beside"]
    assert [outcome.name for outcome in ran] == order
    said = capsys.readouterr().out
    assert said.index("last says this") < said.index("=== first beside (after") < said.index("first beside says this")


def test_parts_beside_the_others_are_stopped_with_them() -> None:
    stopped: list[str] = []

    def run(
        command: Sequence[str], environment: Mapping[str, str], seconds: float, *, say: Say, stop: threading.Event
    ) -> Ended:
        [name] = command
        if name != "other":
            assert stop.wait(20 * patience())
            stopped.append(name)
        return Ended(0, Counts(), out_of_time=False)

    parts = [part("beside", beside=True), part("waits", beside=True), part("other")]
    outcomes_as_they_come = run_all(parts, {}, run=run)
    assert next(outcomes_as_they_come).name == "other"
    outcomes_as_they_come.close()
    assert stopped == ["beside"]


def test_last_lines_say_what_ran_what_did_not_and_the_sum_alone() -> None:
    said = report.lines(
        [
            Outcome("unit", "passed", 61, Counts(passed=12, skipped=1)),
            Outcome("lint", "FAILED", 3, remark="status 2"),
            Outcome("soak", "did not run", remark="50 minutes were over"),
        ],
        seconds=3_003,
    )
    assert said == [
        "what ran, in 50 min 03 s:",
        "  unit  passed  1 min 01 s  (12 passed, 0 failed, 1 skipped)",
        "  lint  FAILED  0 min 03 s  (status 2)",
        "what did not run:",
        "  soak  50 minutes were over",
        "12 passed, 1 failed, 1 skipped",
    ]
