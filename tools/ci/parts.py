"""The parts that CI goes through, in order of worth: when time runs out, it is the least worth that was not run.

None takes much longer than five minutes on a quiet machine of two cores, or a slow one could not end in time. Nor are
they many, because each start of the tests and their workers costs a quarter of a minute of the processor.
"""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass, replace

LIMIT_MINUTES = 25.0
PLANS = ("query_plans", "statistics")
API_ROOMS = ("access", "dead_letters", "employees", "erasures", "http", "lease_queues", "operations", "web")


@dataclass(frozen=True)
class Part:
    """Commands that run one after the other until one fails. `tests` are the files and folders that they collect."""

    name: str
    commands: tuple[tuple[str, ...], ...]
    tests: tuple[str, ...] = ()
    needs_engine: bool = False
    optional: bool = False  # what it brings makes the others faster; without it they still run
    beside: bool = False  # beside the others: it waits for much, or has work for one core alone
    limit_minutes: float = LIMIT_MINUTES


def _make(*words: str) -> tuple[str, ...]:
    return ("make", *words)


def _tests(name: str, *tests: str, workers: int = 3, options: tuple[str, ...] = ()) -> Part:
    arguments = shlex.join(("--color=no", "--durations=10", "-m", "not long or fault", *options, *tests))
    return Part(name, (_make("test", f"WORKERS={workers}", f"ARGS={arguments}"),), tests)


def _integration(name: str, *rooms: str) -> Part:
    return _tests(f"integration: {name}", *(f"tests/integration/{room}" for room in rooms), workers=4)


def _acceptance(name: str, *subjects: str) -> Part:
    # The long ones wait for minutes for what they have broken: they begin first (tests/conftest.py), and the others run
    # beside them, one by one as a worker is free. Five minutes without a broker are left to `make test-faults`.
    tests = (f"tests/acceptance/test_{subject}.py" for subject in subjects)
    part = _tests(f"acceptance: {name}", *tests, workers=6, options=("--dist=load", "--maxschedchunk=1"))
    command = ("env", "ROLLCALL_TEST_OUTAGE_SECONDS=120", *part.commands[0])
    return replace(part, commands=(command,))


def _smoke(mode: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "tools.ci.smoke", mode)


PARTS = (
    # Minutes at the first time; what takes longer than that does not come.
    Part("engine", (("../shared/container-engine/up",),), optional=True, limit_minutes=10),
    Part("packages", (_make("venv"),)),
    Part("lint", (_make("lint"),)),
    Part("types", (_make("types"),), beside=True),
    Part("guide", (_make("guide"),), beside=True),
    Part("supply chain", (_make("sbom"), _make("audit")), beside=True),
    Part("Compose smoke", (_smoke("compose"),), needs_engine=True, beside=True),
    Part(
        "network overlay",
        (_make("test-long", "ARGS=--color=no tests/acceptance/test_network_overlay.py"),),
        ("tests/acceptance/test_network_overlay.py",),
        needs_engine=True,
        beside=True,
    ),
    Part("local mode", (_smoke("local"),), beside=True),
    # Nothing that they wait for.
    _tests("unit", "tests/unit", workers=2),
    _integration("uploads", "api_service/uploads"),
    _integration(
        "the rest of the API",
        "api_service/test_app.py",
        *(f"api_service/{room}" for room in API_ROOMS),
    ),
    _integration("the others", "client", "consumer_service", "producer_service", "shared", "migrations"),
    Part("soak", (_make("soak", "MINUTES=1"),), beside=True),
    _acceptance(
        "rows and files",
        "bad_files",
        "hanging_rows",
        "same_end",
        "command",
        "previews",
        "other_versions",
        "fair_share",
        "same_emails",
        "older_forms",
        "failing_rows",
        "found_headers",
        "private_logs",
        "checker",
        "too_many_rejects",
        "full_dead_letters",
        "undo",
        "leavers",
        "documents",
        "client",
        "stored_file_faults",
        "upload_store_faults",
        "wrong_store",
    ),
    _acceptance(
        "processes and the database",
        "database_away",
        "killed_jobs",
        "killed_erasures",
        "killed_corrections",
        "killed_processes",
        "killed_api",
        "killed_conversions",
        "killed_drafts",
        "producer_deaths",
        "sleeping_processes",
        "database_sessions",
        "shutdown_and_scaling",
        "supervisor",
    ),
    _acceptance(
        "broker and operators",
        "broker_cluster",  # the longest of all
        "broker_away",
        "described_requests",
        "attacks",
        "broker_faults",
        "broker_unreachable",
        "signed_messages",
        "restored_backup",
        "operator_restores",
        "operator_at_night",
        "operator_and_store",
        "unreadable_messages",
        "least_privilege",
        "clients_that_hang_up",
        "idle_connections",
        "idle_costs",
        "large_unpacked",
        "million_rows",
    ),
    # Planners differ from one version to the next.
    Part(
        "plans on Debian's servers",
        (
            (
                "env",
                "ROLLCALL_TEST_SERVERS=private",
                *_tests(
                    "plans",
                    *(f"tests/integration/api_service/lease_queues/test_{name}.py" for name in PLANS),
                    workers=2,
                ).commands[0],
            ),
        ),
    ),
    Part(
        "browser",
        (
            (sys.executable, "-m", "tools.ci.chromium"),
            (sys.executable, "-m", "tools.ci.axe"),
            *_tests("browser", "tests/browser", workers=2).commands,
        ),
        ("tests/browser",),
    ),
)
