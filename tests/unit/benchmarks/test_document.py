"""The document that `make bench` writes."""

from __future__ import annotations

from benchmarks.document import compose
from benchmarks.figures import Figure, Outcome, at_least, at_most
from benchmarks.results_file import Machine, PartResult

MACHINE = Machine(processor="a processor", cores=2, memory_gib=24, python="3.11", postgres="15", rabbitmq="3.10")


def result(outcome: Outcome) -> PartResult:
    return PartResult("2026-11-22T03:41:08+00:00", 1.5, MACHINE, outcome)


def test_each_part_that_was_measured_has_its_section_with_medians_and_bounds() -> None:
    recovery = Outcome("5 kills", [Figure("taken up", "s", (0.2, 0.1, 0.4))], [at_most("the longest", 0.4, 1, "s")])
    ingest = Outcome("a million rows", [Figure("Rollcall", "rows/s", (52_000,))], [at_least("times COPY", 0.9, 1)])
    text = compose({"recovery": result(recovery), "ingest": result(ingest)})
    assert text.index("## Ingest beside COPY") < text.index("## Recovery from a kill")
    assert "`make bench ARGS=recovery`: 5 kills." in text
    assert "| taken up | 0.200 | 0.100 | 0.400 | s |" in text
    assert "| the longest | 0.400 s | at most 1.00 s | yes |" in text
    assert "| times COPY | 0.900 | at least 1.00 | NO |" in text
    assert "2 cores (a processor), 24 GiB" in text
    assert "## One message a row" not in text
