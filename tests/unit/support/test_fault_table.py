"""A run's results for the fault table are summed up, kept and written down."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.document_passages import replace_passage
from tests.support.fault_table import (
    FAULTS,
    FaultResult,
    FaultRun,
    as_markdown,
    read_runs,
    summary,
    with_run,
    write_runs,
)


def run(commit: str = "abc", servers: str = "RabbitMQ 4.0.5, PostgreSQL 17.12", **rows: FaultResult) -> FaultRun:
    return FaultRun(servers, "2026-01-01", commit, 90, {int(name[1:]): row for name, row in rows.items()})


def test_summary_names_what_held_what_did_not_and_what_did_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.fault_table.FAULTS", (*range(1, 26), 29, 31, 35, 36, 39))
    held = FaultResult(passed=2)
    said = summary(run(_1=held, _2=held, _3=held, _7=FaultResult(passed=1, failed=1), _9=held))
    assert said == (
        "faults survived: 1-3, 9; NOT SURVIVED: 7; not in this run, `make test-faults` has them: "
        "4-6, 8, 10-25, 29, 31, 35-36, 39"
    )


def test_skipped_row_is_not_survived() -> None:
    assert run(_4=FaultResult()).broken == [4]


def test_last_two_runs_on_the_same_servers_are_kept(tmp_path: Path) -> None:
    runs: list[FaultRun] = []
    for commit in ("a", "b", "c"):
        runs = with_run(runs, run(commit, _1=FaultResult(passed=1, seconds=1.5)))
        runs = with_run(runs, run(commit, "RabbitMQ 3.10.8, PostgreSQL 15.18"))
    write_runs(tmp_path / "runs.json", runs)
    kept = read_runs(tmp_path / "runs.json")
    assert kept == runs
    assert [(each.servers[9], each.commit) for each in kept] == [("4", "b"), ("4", "c"), ("3", "b"), ("3", "c")]


def test_patches_of_the_servers_are_the_same_pair_and_other_versions_are_not() -> None:
    runs: list[FaultRun] = []
    for patch in (
        "RabbitMQ 4.0.5, PostgreSQL 17.11",
        "RabbitMQ 4.0.6, PostgreSQL 17.11",
        "RabbitMQ 4.0.6, PostgreSQL 17.12",
    ):
        runs = with_run(runs, run(servers=patch))
    for other in ("RabbitMQ 4.3.6, PostgreSQL 17.12", "RabbitMQ 4.0.6, PostgreSQL 18.6"):
        runs = with_run(runs, run(servers=other))
    assert [each.servers for each in runs] == [
        "RabbitMQ 4.0.6, PostgreSQL 17.11",
        "RabbitMQ 4.0.6, PostgreSQL 17.12",
        "RabbitMQ 4.3.6, PostgreSQL 17.12",
        "RabbitMQ 4.0.6, PostgreSQL 18.6",
    ]


def test_table_has_a_line_a_fault_and_says_what_failed_or_is_missing() -> None:
    lines = as_markdown([run(_1=FaultResult(3, 0, 2), _2=FaultResult(1, 1, 2))]).splitlines()
    assert len(lines) == len(FAULTS) + 3
    assert lines[2:5] == ["| 1 | 3 passed, 2 s |", "| 2 | **1 of 2 failed** |", "| 3 | not shown |"]
    assert lines[-1] == "| all | 1.5 min |"


def test_passage_is_replaced_and_the_rest_stays(tmp_path: Path) -> None:
    document = tmp_path / "document.md"
    document.write_text("before\n<!-- begin a -->\nold\n<!-- end a -->\nafter\n")
    for text in ("one\\1", "two"):
        replace_passage(document, "a", text)
    assert document.read_text() == "before\n<!-- begin a -->\n\ntwo\n\n<!-- end a -->\nafter\n"


def test_passage_that_is_missing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "document.md").write_text("nothing")
    with pytest.raises(ValueError, match="no passage"):
        replace_passage(tmp_path / "document.md", "a", "text")
