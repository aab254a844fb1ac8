"""Starts services from a process that has imported them already: most of what a test with real processes costs.

That process forks for each service, and what comes then is what operators start: `python -m uvicorn`, in a process of
its own that can be stopped, frozen and killed.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import random
import runpy
import signal
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Final

from deploy.program import Program, RunningProgram

# uvicorn imports the last ones by name, when it starts.
IMPORTED: Final = (
    *("api_service.app", "producer_service.app", "consumer_service.app"),
    *("uvicorn.lifespan.on", "uvicorn.loops.uvloop", "uvicorn.protocols.http.httptools_impl"),
    "tests.support.frozen_imports",  # after all others
)
_PR_SET_PDEATHSIG: Final = 1


class WarmProcess:
    """What `RunningProgram` asks of a process."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process
        assert process.pid is not None
        self.pid: int = process.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs; negative is the signal that ended it."""
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int | None:
        self._process.join(timeout)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()


def start_warm(program: Program, log: Path) -> RunningProgram:
    """As `deploy.program.start` does it; the command is `python -m module arguments`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    log.touch()
    python, dash_m, module, *arguments = program.command
    assert (python, dash_m) == (sys.executable, "-m")
    process = _context().Process(target=_run, args=(module, arguments, dict(program.environment), str(log)))
    process.start()
    return RunningProgram(program, WarmProcess(process), log)


@cache
def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(IMPORTED))
    return context


def _run(module: str, arguments: Sequence[str], environment: Mapping[str, str], log: str) -> None:
    # The kernel stops it when the forking process is gone, which goes with the tests.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    os.setsid()
    # Its peak of memory is its own, though what all three services import is in it.
    Path("/proc/self/clear_refs").write_text("5")
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.clear()
    os.environ.update(environment)
    random.seed()
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)
