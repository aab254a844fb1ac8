"""The file that keeps each part's last outcome."""

from __future__ import annotations

from pathlib import Path

from benchmarks import results_file
from benchmarks.figures import Figure, Outcome, at_least


def outcome(value: float) -> Outcome:
    return Outcome("a setup", [Figure("rows", "rows/s", (value,))], [at_least("a ratio", value, 1.0)])


def test_each_part_takes_the_place_of_its_last_outcome_and_of_no_other(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    results_file.merge("ingest", outcome(1), minutes=1, file=file)
    results_file.merge("listing", outcome(2), minutes=1, file=file)
    merged = results_file.merge("ingest", outcome(3), minutes=1.26, file=file)
    assert results_file.read(file) == merged
    assert {name: result.outcome for name, result in merged.items()} == {"ingest": outcome(3), "listing": outcome(2)}
    assert merged["ingest"].minutes == 1.3
    assert merged["ingest"].machine.cores >= 1


def test_there_may_be_no_file_yet(tmp_path: Path) -> None:
    assert results_file.read(tmp_path / "results.json") == {}
