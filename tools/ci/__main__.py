"""`python3 -m tools.ci [PART…]`: run the parts, or these, tidy up, and say in the last lines what ran and what not."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence

from deploy import container_engine
from deploy.checkout import CHECKOUT
from tools.ci import report
from tools.ci.parts import PARTS, Part
from tools.ci.report import Outcome
from tools.ci.run import run_all
from tools.ci.shared_servers import RUN_VARIABLE, stop_servers


def main(names: Sequence[str]) -> int:
    os.chdir(CHECKOUT)
    parts = _chosen(names)
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGHUP, _stop)
    # One pair of servers for all parts; each would spend half a minute on one of its own.
    run_name = str(os.getpid())
    environment = {**os.environ, "CI": "true", "PYTHONUNBUFFERED": "1", RUN_VARIABLE: run_name}
    # Else each of the many processes compiles anew what it imports.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    began = time.monotonic()
    outcomes: list[Outcome] = []
    try:
        # One by one, so that what ran before a signal is in the report.
        outcomes.extend(run_all(parts, environment, engine_answers=_engine_answers))
    finally:
        ended = {outcome.name: outcome for outcome in outcomes}
        stopped = {part.name: Outcome(part.name, "did not run", remark="CI was stopped") for part in parts}
        outcomes = [ended.get(part.name, stopped[part.name]) for part in parts]
        stop_servers(run_name)
        print(flush=True)
        for line in report.lines(outcomes, time.monotonic() - began):
            print(line, flush=True)
    return 1 if report.total(outcomes).failed else 0


def _chosen(names: Sequence[str]) -> Sequence[Part]:
    known = {part.name: part for part in PARTS}
    if unknown := [name for name in names if name not in known]:
        sys.exit(f"There is no part {', '.join(unknown)}. These are: {', '.join(known)}.")
    return [known[name] for name in names] or PARTS


def _engine_answers() -> bool:
    return container_engine.engine_answers() and container_engine.has_compose()


def _stop(number: int, *_: object) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
