"""The parts that CI goes through, in order of worth: when time runs out, it is the least worth that was not run.

On a quiet machine of two cores none takes longer than five minutes.
"""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass

LIMIT_MINUTES = 14.0
API_ROOMS = ("dead_letters", "employees", "http", "operations", "web")


@dataclass(frozen=True)
class Part:
    """Commands that run one after the other until one fails. `tests` are the files and folders that they collect."""

    name: str
    commands: tuple[tuple[str, ...], ...]
    tests: tuple[str, ...] = ()
    needs_engine: bool = False
    optional: bool = False  # what it brings makes the others faster; without it they still run
    limit_minutes: float = LIMIT_MINUTES


def _make(*words: str) -> tuple[str, ...]:
    return ("make", *words)


def _tests(name: str, *tests: str, workers: int = 3) -> Part:
    options = "--color=no --durations=5"
    return Part(name, (_make("test", f"WORKERS={workers}", f"ARGS={options} {shlex.join(tests)}"),), tests)


def _integration(name: str, *rooms: str) -> Part:
    return _tests(f"integration: {name}", *(f"tests/integration/{room}" for room in rooms))


def _uploads(name: str, *subjects: str) -> Part:
    return _integration(name, *(f"api_service/uploads/test_{subject}.py" for subject in subjects))


def _long_faults(name: str, *selection: str) -> Part:
    # They wait most of the time, so more of them at once. Five minutes without a broker, which are too long for a part,
    # are left to `make test-faults`.
    options = f"--color=no --durations=5 -m 'fault and long' {shlex.join(selection)}"
    command = ("env", "ROLLCALL_TEST_OUTAGE_SECONDS=120", *_make("test", "WORKERS=4", f"ARGS={options}"))
    return Part(f"long faults: {name}", (command,))


def _acceptance(name: str, *subjects: str) -> Part:
    # They wait for what they have broken half of the time.
    tests = (f"tests/acceptance/test_{subject}.py" for subject in subjects)
    return _tests(f"acceptance: {name}", *tests, workers=3)


def _smoke(mode: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "tools.ci.smoke", mode)


FAST = (
    Part("engine", (("../shared/container-engine/up",),), optional=True),
    Part("packages", (_make("venv"),)),
    Part("lint", (_make("lint"),)),
    Part("types", (_make("types"),)),
    _tests("unit", "tests/unit"),
    Part("Compose smoke", (_smoke("compose"),), needs_engine=True),
)
INTEGRATION = (
    _uploads("uploads", "events", "idempotency", "intake", "intake_faults", "routes", "undo"),
    _integration("corrections", "api_service/uploads/corrections"),
    _uploads("reports", "rejects_csv", "reports_that_come_back", "results"),
    _uploads("kinds of files", "gzip", "header", "optional", "refusals", "templates", "workbooks"),
    _integration("drafts", "api_service/uploads/drafts"),
    _integration("consumer", "consumer_service"),
    _integration("producer", "producer_service"),
    _integration("shared", "shared", "migrations"),
    _integration("the rest of the API", "api_service/test_app.py", *(f"api_service/{room}" for room in API_ROOMS)),
    _integration("lease queues", "api_service/lease_queues"),
)
ACCEPTANCE = (
    _acceptance(
        "same end",
        "same_end",
        "same_emails",
        "older_forms",
        "other_versions",
        "failing_rows",
        "found_headers",
        "hanging_rows",
        "fair_share",
        "private_logs",
        "checker",
    ),
    _acceptance(
        "processes",
        "killed_api",
        "killed_conversions",
        "killed_drafts",
        "killed_corrections",
        "killed_jobs",
        "killed_processes",
        "producer_deaths",
        "sleeping_processes",
        "shutdown_and_scaling",
    ),
    _acceptance("database", "database_away", "database_sessions"),
    _acceptance(
        "files and clients",
        "stored_file_faults",
        "upload_store_faults",
        "wrong_store",
        "clients_that_hang_up",
        "attacks",
    ),
    _acceptance("operator", "operator_at_night", "operator_and_store", "operator_restores"),
    _acceptance("rejects and undo", "too_many_rejects", "full_dead_letters", "undo"),
    _acceptance("broker", "broker_away", "broker_faults", "broker_unreachable", "unreadable_messages"),
)
# Their tests are `long`: nothing of them is left for `make test`.
LONG_ONLY = ("bad_files", "broker_cluster", "idle_costs", "large_unpacked", "million_rows", "supervisor")
LAST = (
    Part("local mode", (_smoke("local"),)),
    _long_faults("broker", "tests/acceptance/test_broker_away.py", "tests/acceptance/test_broker_cluster.py"),
    _long_faults("the rest", "tests", "--ignore-glob=*/test_broker_*"),
    Part("soak", (_make("soak", "MINUTES=1"),)),
)
BROWSER = (
    Part(
        "browser",
        ((sys.executable, "-m", "tools.ci.chromium"), *_tests("browser", "tests/browser").commands),
        ("tests/browser",),
    ),
)
PARTS = (*FAST, *INTEGRATION, *ACCEPTANCE, *BROWSER, *LAST)
