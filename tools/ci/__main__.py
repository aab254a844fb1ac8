"""`python3 -m tools.ci`: run the parts, tidy up, and say in the last lines what ran and what did not."""

from __future__ import annotations

import os
import signal
import sys
import time

from deploy import container_engine
from deploy.checkout import CHECKOUT
from tools.ci import report
from tools.ci.parts import PARTS
from tools.ci.report import Outcome
from tools.ci.run import run_all
from tools.ci.shared_servers import RUN_VARIABLE, stop_servers


def main() -> int:
    os.chdir(CHECKOUT)
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGHUP, _stop)
    # One pair of servers for all parts; each would spend half a minute on one of its own.
    run_name = str(os.getpid())
    environment = {**os.environ, "CI": "true", "PYTHONUNBUFFERED": "1", RUN_VARIABLE: run_name}
    began = time.monotonic()
    outcomes: list[Outcome] = []
    try:
        # One by one, so that what ran before a signal is in the report.
        outcomes.extend(run_all(PARTS, environment, engine_answers=_engine_answers))
    finally:
        stop_servers(run_name)
        print(flush=True)
        for line in report.lines(outcomes, time.monotonic() - began):
            print(line, flush=True)
    return 1 if report.total(outcomes).failed else 0


def _engine_answers() -> bool:
    return container_engine.engine_answers() and container_engine.has_compose()


def _stop(number: int, *_: object) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
