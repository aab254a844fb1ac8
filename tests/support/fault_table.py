"""Keeps which rows of the fault table a run has shown to hold, and writes it for docs/reliability.md."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Final

FAULTS: Final = tuple(range(1, 52))
RUNS_KEPT: Final = 2


@dataclass
class FaultResult:
    """The tests of one row of the table, as one run saw them."""

    passed: int = 0
    failed: int = 0
    seconds: float = 0

    @property
    def holds(self) -> bool:
        return self.passed > 0 and self.failed == 0


@dataclass(frozen=True)
class FaultRun:
    """`rows` is keyed by the fault's number; `seconds` is the whole run's time on the clock."""

    servers: str
    date: str
    commit: str
    seconds: float
    rows: dict[int, FaultResult] = field(default_factory=dict)

    @property
    def pair(self) -> str:
        """Its servers without their patches: `RabbitMQ 4.0, PostgreSQL 17`."""
        return ", ".join(server.rpartition(".")[0] for server in self.servers.split(", "))

    @property
    def not_shown(self) -> list[int]:
        """The rows without a test that ran."""
        return [number for number in FAULTS if number not in self.rows]

    @property
    def broken(self) -> list[int]:
        return [number for number, result in sorted(self.rows.items()) if not result.holds]


def summary(run: FaultRun) -> str:
    """One line for the end of a test run."""
    held = [number for number, result in sorted(run.rows.items()) if result.holds]
    said = f"faults survived: {_numbers(held)}"
    if run.broken:
        said += f"; NOT SURVIVED: {_numbers(run.broken)}"
    if run.not_shown:
        said += f"; not in this run, `make test-faults` has them: {_numbers(run.not_shown)}"
    return said


def read_runs(file: Path) -> list[FaultRun]:
    if not file.exists():
        return []
    return [
        FaultRun(**{**run, "rows": {int(number): FaultResult(**row) for number, row in run["rows"].items()}})
        for run in json.loads(file.read_text())
    ]


def with_run(runs: Sequence[FaultRun], new: FaultRun) -> list[FaultRun]:
    """The last runs on each pair of servers, this one among them. A patch of a server makes no other pair."""
    same = [run for run in runs if run.pair == new.pair][-(RUNS_KEPT - 1) :]
    return [*(run for run in runs if run.pair != new.pair), *same, new]


def write_runs(file: Path, runs: Iterable[FaultRun]) -> None:
    file.write_text(json.dumps([asdict(run) for run in runs], indent=1) + "\n")


def as_markdown(runs: Sequence[FaultRun]) -> str:
    """A table with a line a fault and a column a run."""
    head = [
        "| # | " + " | ".join(f"{run.servers}; {run.date}, `{run.commit}`" for run in runs) + " |",
        "| --- |" + " --- |" * len(runs),
    ]
    lines = [f"| {number} | " + " | ".join(_cell(run.rows.get(number)) for run in runs) + " |" for number in FAULTS]
    total = "| all | " + " | ".join(f"{run.seconds / 60:.1f} min" for run in runs) + " |"
    return "\n".join([*head, *lines, total])


def _cell(result: FaultResult | None) -> str:
    if result is None:
        return "not shown"
    if not result.holds:
        return f"**{result.failed} of {result.passed + result.failed} failed**"
    return f"{result.passed} passed, {result.seconds:.0f} s"


def _numbers(numbers: Iterable[int]) -> str:
    """As `1-4, 7`."""
    # Numbers without a gap between them have the same distance to their places in the list.
    spans = [[number for _, number in span] for _, span in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])]
    return ", ".join(f"{span[0]}-{span[-1]}" if len(span) > 1 else f"{span[0]}" for span in spans) or "none"
