"""Programs are real processes here: what they leave behind is what matters."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.checkout import CHECKOUT
from deploy.program import Program, ProgramFailed, free_port, is_free, start
from tests.support.patience import patience


def _never() -> bool:
    return False


def _python(
    code: str, is_ready: Callable[[], bool] = _never, *, start_seconds: float = 60, stop_seconds: float = 60
) -> Program:
    command = [sys.executable, "-c", code]
    return Program(
        "sample", command, dict(os.environ), is_ready, start_seconds=start_seconds, stop_seconds=stop_seconds
    )


def _wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 20 * patience()
    while not condition():
        assert time.monotonic() < deadline, f"still not so: {what}"
        time.sleep(0.02)


def _is_alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_program_that_ends_before_it_is_ready_is_reported_with_its_last_words(tmp_path: Path) -> None:
    running = start(_python("print('no disk left'); raise SystemExit(3)"), tmp_path / "log")
    with pytest.raises(ProgramFailed, match=r"(?s)ended with status 3.*no disk left"):
        running.wait_until_ready()


def test_a_program_that_is_never_ready_is_given_up_after_its_start_seconds(tmp_path: Path) -> None:
    running = start(_python("import time; time.sleep(60)", start_seconds=0.3), tmp_path / "log")
    try:
        with pytest.raises(ProgramFailed, match="was not ready after"):
            running.wait_until_ready()
    finally:
        running.stop()


def test_a_program_that_ignores_its_stop_signal_is_killed_after_its_stop_seconds(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    code = (
        "import pathlib, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        f"pathlib.Path({str(ready)!r}).touch(); time.sleep(60)"
    )
    running = start(_python(code, ready.exists, stop_seconds=1), tmp_path / "log")
    running.wait_until_ready()
    running.stop()
    assert running.process.returncode == -signal.SIGKILL


def test_a_program_does_not_outlive_a_starter_that_was_killed(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    code = f"""if True:
        import os, pathlib, time
        from deploy.program import Program, start
        sleep = Program("sleep", ["sleep", "60"], dict(os.environ), lambda: True)
        running = start(sleep, pathlib.Path({str(tmp_path / "log")!r}))
        pathlib.Path({str(pid_file)!r}).write_text(str(running.pid))
        time.sleep(60)
    """
    starter = subprocess.Popen([sys.executable, "-c", code], cwd=CHECKOUT)
    _wait_until(lambda: pid_file.exists() and pid_file.read_text() != "", "the starter has started its program")
    pid = int(pid_file.read_text())
    _wait_until(
        lambda: Path(f"/proc/{pid}/comm").read_text() == "sleep\n", "the tie is made, and the program itself runs"
    )
    starter.kill()
    starter.wait()
    _wait_until(lambda: not _is_alive(pid), "the program ended with its starter")


def test_a_taken_port_is_answered_with_another_one() -> None:
    taken = free_port()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", taken))
        listener.listen()
        assert free_port(taken) != taken
    assert is_free(taken)
    assert free_port(taken) == taken


def test_a_free_port_is_none_that_an_outgoing_connection_could_take() -> None:
    with socket.create_server(("127.0.0.1", 0)) as picked_by_the_kernel:
        lowest, highest = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
        assert lowest <= picked_by_the_kernel.getsockname()[1] <= highest
    assert all(10_000 <= free_port() < lowest for _ in range(20))


def test_a_free_port_is_given_once_while_whoever_has_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    # All look in the same order.
    monkeypatch.setattr("deploy.program._shuffled", list)
    ours = {free_port(), free_port()}
    code = "from deploy import program; program._shuffled = list; print(program.free_port())"
    theirs = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True, timeout=60
    )
    assert len({*ours, int(theirs.stdout)}) == 3
