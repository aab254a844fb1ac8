"""pytest plugin: tells at the end of a run which rows of the fault table it has shown to be survived.

With `--record-faults` the result is kept in docs/fault-runs.json and written into docs/reliability.md, and the run
fails unless every row was shown.
"""

from __future__ import annotations

import asyncio
import datetime
import subprocess
import time

import pytest

from tests.support import servers as test_servers
from tests.support.document_passages import replace_passage
from tests.support.fault_table import FaultResult, FaultRun, as_markdown, read_runs, summary, with_run, write_runs
from tests.support.servers import CHECKOUT

RUNS_FILE = CHECKOUT / "docs" / "fault-runs.json"
DOCUMENT = CHECKOUT / "docs" / "reliability.md"
PROPERTY = "fault"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record-faults", action="store_true", help="write the result into docs/reliability.md")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.user_properties += [(PROPERTY, marker.args[0]) for marker in item.iter_markers("fault")]


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # under xdist the reports of all workers come to the first process
        config.pluginmanager.register(_Recorder(config))


class _Recorder:
    def __init__(self, config: pytest.Config) -> None:
        self._records = config.getoption("--record-faults")
        self._began = time.monotonic()
        self._rows: dict[int, FaultResult] = {}
        self._versions = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for number in {value for name, value in report.user_properties if name == PROPERTY}:
            assert isinstance(number, int)
            row = self._rows.setdefault(number, FaultResult())
            row.seconds += report.duration
            row.failed += report.failed
            row.passed += report.passed and report.when == "call"

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if not self._records:
            return
        run = self._run()
        if run.broken or run.not_shown:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        runs = with_run(read_runs(RUNS_FILE), run)
        write_runs(RUNS_FILE, runs)
        replace_passage(DOCUMENT, "fault-runs", as_markdown(runs))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._rows:
            terminalreporter.section("fault table")
            terminalreporter.line(summary(self._run()))

    def _run(self) -> FaultRun:
        return FaultRun(
            servers=asyncio.run(test_servers.versions(test_servers.obtain())) if self._records else "",
            date=datetime.datetime.now(datetime.UTC).date().isoformat(),
            commit=_commit(),
            seconds=time.monotonic() - self._began,
            rows=self._rows,
        )


def _commit() -> str:
    """With a plus when anything differs from it but the documents, which runs themselves write."""
    commit = _git("rev-parse", "--short", "HEAD")
    return f"{commit or 'unknown'}{'+' * bool(_git('status', '--porcelain', '--', '.', ':!docs'))}"


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=CHECKOUT, capture_output=True, text=True).stdout.strip()
