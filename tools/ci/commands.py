"""One command: its output is passed on as it comes, and it ends in time, one way or another."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from tools.ci.counts import Counts, counts_in

GRACE_SECONDS = 60.0


@dataclass(frozen=True)
class Ended:
    """`status` is the exit status; `counts` the sum of all pytest summaries that it printed."""

    status: int
    counts: Counts
    out_of_time: bool


class Stopped(Exception):
    """CI was told to end, and the command with it."""


def say(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    seconds: float,
    grace_seconds: float = GRACE_SECONDS,
    *,
    say: Callable[[str], None] = say,
    stop: threading.Event | None = None,
) -> Ended:
    """Interrupt it, as Ctrl-C does, after so many seconds; kill what has not ended after the grace.

    Raises Stopped, when it is gone, once `stop` is set.
    """
    counted: list[Counts] = []
    process = subprocess.Popen(
        command,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    assert process.stdout is not None
    out_of_time = threading.Event()

    def interrupt() -> None:
        out_of_time.set()
        _signal(process, signal.SIGINT)

    def pass_on(output: Iterable[str]) -> None:
        for line in output:
            say(line)
            counted.append(counts_in(line) or Counts())

    # In a thread, for whoever left the command's session may have its output open for ever.
    passing_on = threading.Thread(target=pass_on, args=(process.stdout,), daemon=True)
    passing_on.start()
    timers = [
        threading.Timer(seconds, interrupt),
        threading.Timer(seconds + grace_seconds, _signal, (process, signal.SIGKILL)),
    ]
    for timer in timers:
        timer.daemon = True
        timer.start()
    try:
        status = _until_ended(process, stop or threading.Event())
    except BaseException:  # we are told to end: the command tidies up first, as it would after its time
        _signal(process, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(grace_seconds)
        raise
    finally:
        for timer in timers:
            timer.cancel()
        # Nothing of the session may outlive it.
        _signal(process, signal.SIGKILL)
        process.wait()
        passing_on.join(grace_seconds)
    return Ended(status, sum(counted, Counts()), out_of_time.is_set())


def _until_ended(process: subprocess.Popen[str], stop: threading.Event) -> int:
    while True:
        with suppress(subprocess.TimeoutExpired):
            return process.wait(0.5)
        if stop.is_set():
            raise Stopped


def _signal(process: subprocess.Popen[str], number: signal.Signals) -> None:
    # The session's first process leads its group, and a group lives as long as any of its processes does.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
