"""docs/benchmarks.md and its plot, from results.json alone: it has no figure that the command did not measure."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from benchmarks import bench_environment, results_file
from benchmarks.parts import PARTS
from benchmarks.report import check_rows, figure_rows
from benchmarks.results_file import Machine, PartResult
from deploy.checkout import CHECKOUT

DOCUMENT: Final = CHECKOUT / "docs" / "benchmarks.md"
PLOT: Final = CHECKOUT / "docs" / "benchmarks.svg"
_HEAD: Final = """\
# The figures

Written by `make bench` from `benchmarks/results.json`: change neither by hand. Each part brings up its own Postgres and
RabbitMQ (Debian's, `fsync` and `synchronous_commit` on), and measures in turns what it compares. `make bench
ARGS=<part>` measures one part again; `make bench ARGS="<part> --help"` lists its options.

![Rows a second, the cost of a row by the size of its file, and the listing's latency](benchmarks.svg)
"""


def write(results: Mapping[str, PartResult], file: Path = DOCUMENT) -> None:
    """The document, and the plot beside it."""
    file.write_text(compose(results))
    programs = bench_environment.ensure()
    command = [str(programs / "python"), "-m", "benchmarks.plot", str(results_file.FILE), str(PLOT)]
    subprocess.run(command, cwd=CHECKOUT, check=True)


def compose(results: Mapping[str, PartResult]) -> str:
    """A section for each part that was measured, in the order of the parts."""
    sections = [_section(name, results[name]) for name in PARTS if name in results]
    return "\n".join([_HEAD, *sections])


def _section(name: str, result: PartResult) -> str:
    outcome = result.outcome
    lines = [
        f"## {PARTS[name].title}\n",
        f"`make bench ARGS={name}`: {outcome.setup}.",
        f"Measured {result.measured_at} in {result.minutes:g} minutes on {_machine(result.machine)}.\n",
        _table(figure_rows(outcome.figures)),
    ]
    if outcome.checks:
        lines += ["", _table(check_rows(outcome.checks))]
    return "\n".join([*lines, ""])


def _machine(machine: Machine) -> str:
    return (
        f"{machine.cores} cores ({machine.processor}), {machine.memory_gib} GiB; Python {machine.python}, "
        f"PostgreSQL {machine.postgres}, RabbitMQ {machine.rabbitmq}"
    )


def _table(rows: list[list[str]]) -> str:
    head, *body = rows
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, rule, *body])
