"""Commands of CI end in time, with all that they started, and their counts are summed."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests.support.patience import patience
from tests.support.waiting import eventually
from tools.ci import commands
from tools.ci.counts import Counts


def run(script: str, seconds: float = 60, grace_seconds: float = 60) -> commands.Ended:
    return commands.run([sys.executable, "-u", "-c", script], os.environ, seconds, grace_seconds)


def test_output_is_passed_on_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    ended = run("print('=== 3 passed in 0.10s ==='); print('=== 1 failed, 2 passed in 0.10s ==='); exit(3)")
    assert ended == commands.Ended(status=3, counts=Counts(passed=5, failed=1), out_of_time=False)
    assert "3 passed in 0.10s" in capsys.readouterr().out


@pytest.mark.slow
def test_command_out_of_time_is_interrupted_and_may_tidy_up(tmp_path: Path) -> None:
    tidied = tmp_path / "tidied"
    script = f"""
import pathlib, time
try:
    time.sleep(600)
finally:
    pathlib.Path({str(tidied)!r}).touch()
"""
    assert run(script, seconds=2 * patience()).out_of_time
    assert tidied.exists()


def test_command_may_tidy_up_when_it_is_stopped(tmp_path: Path) -> None:
    began, tidied = tmp_path / "began", tmp_path / "tidied"
    script = f"""
import pathlib, time
try:
    pathlib.Path({str(began)!r}).touch()
    time.sleep(600)
finally:
    pathlib.Path({str(tidied)!r}).touch()
"""
    stop = threading.Event()
    with ThreadPoolExecutor() as threads:
        running = threads.submit(commands.run, [sys.executable, "-c", script], os.environ, 600, stop=stop)
        while not began.exists() and not running.done():
            time.sleep(0.01)
        stop.set()
        with pytest.raises(commands.Stopped):
            running.result()
    assert tidied.exists()


def test_command_may_tidy_up_when_ci_itself_is_told_to_end(tmp_path: Path) -> None:
    tidied = tmp_path / "tidied"
    script = f"""
import os, pathlib, signal, time
try:
    os.kill(os.getppid(), signal.SIGALRM)
    time.sleep(600)
finally:
    pathlib.Path({str(tidied)!r}).touch()
"""
    before = signal.signal(signal.SIGALRM, lambda *_: sys.exit(143))
    try:
        with pytest.raises(SystemExit):
            run(script)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert tidied.exists()


@pytest.mark.slow
async def test_command_that_will_not_end_is_killed_with_what_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"""
import os, pathlib, signal, subprocess, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "600"])
pathlib.Path({str(pids)!r}).write_text(f"{{os.getpid()}} {{child.pid}}")
time.sleep(600)
"""
    ended = run(script, seconds=2 * patience(), grace_seconds=1)
    assert ended.out_of_time
    assert ended.status != 0
    started = [int(pid) for pid in pids.read_text().split()]
    assert len(started) == 2
    # A signal is on its way when kill returns: the process that it ends may still be seen for a moment.
    await eventually(lambda: not any(map(_is_alive, started)))


def test_who_has_left_the_session_of_a_command_and_holds_its_output_is_not_waited_for(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    script = f"""
import pathlib, subprocess
child = subprocess.Popen(["sleep", "600"], start_new_session=True)
pathlib.Path({str(pid)!r}).write_text(str(child.pid))
print("=== 3 passed in 0.10s ===")
"""
    ended = run(script, grace_seconds=1)
    assert (ended.status, ended.counts) == (0, Counts(passed=3))
    left = int(pid.read_text())
    assert _is_alive(left)
    os.kill(left, signal.SIGKILL)


def _is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
