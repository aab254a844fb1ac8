"""The parts that CI goes through, in order of worth: when time runs out, it is the least worth that was not run.

Few, because each start of the tests and their workers costs a quarter of a minute of the processor.
"""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass, replace

LIMIT_MINUTES = 14.0


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


def _tests(
    name: str, *tests: str, workers: int = 3, options: tuple[str, ...] = (), limit_minutes: float = LIMIT_MINUTES
) -> Part:
    arguments = shlex.join(("--color=no", "--durations=10", "-m", "not long or fault", *options, *tests))
    return Part(name, (_make("test", f"WORKERS={workers}", f"ARGS={arguments}"),), tests, limit_minutes=limit_minutes)


def _integration(name: str, *rooms: str) -> Part:
    return _tests(f"integration: {name}", *(f"tests/integration/{room}" for room in rooms))


def _acceptance() -> Part:
    # They wait most of the time for what they have broken, the long ones of the fault table for minutes: those begin
    # first, one by one as a worker is free, and the others run beside them. Five minutes without a broker are left to
    # `make test-faults`.
    options = ("--dist=load", "--maxschedchunk=1")
    part = _tests("acceptance", "tests/acceptance", workers=5, options=options, limit_minutes=25)
    command = ("env", "ROLLCALL_TEST_OUTAGE_SECONDS=120", *part.commands[0])
    return replace(part, commands=(command,))


def _smoke(mode: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "tools.ci.smoke", mode)


PARTS = (
    Part("engine", (("../shared/container-engine/up",),), optional=True),
    Part("packages", (_make("venv"),)),
    Part("lint", (_make("lint"),)),
    Part("types", (_make("types"),)),
    # Nothing that they wait for.
    _tests("unit", "tests/unit", workers=2),
    Part("Compose smoke", (_smoke("compose"),), needs_engine=True),
    _integration("the API", "api_service"),
    _integration("the others", "consumer_service", "producer_service", "shared", "migrations"),
    _acceptance(),
    Part(
        "browser",
        (
            (sys.executable, "-m", "tools.ci.chromium"),
            (sys.executable, "-m", "tools.ci.axe"),
            *_tests("browser", "tests/browser", workers=2).commands,
        ),
        ("tests/browser",),
    ),
    Part("local mode", (_smoke("local"),)),
    Part("soak", (_make("soak", "MINUTES=1"),)),
)
