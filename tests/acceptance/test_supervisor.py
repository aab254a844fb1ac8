"""The local mode as it runs, on private servers: whatever dies comes back by itself, and SIGTERM ends all of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil
import pytest

from deploy.checkout import CHECKOUT, Endpoints
from deploy.local import debian_packages, private_servers
from tests.support.patience import patience

pytestmark = pytest.mark.long


def _wait_until(condition: Callable[[], bool], what: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds * patience()
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.1)


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[psutil.Popen]:
    debian_packages.ensure_installed()
    environment = {**os.environ, "ROLLCALL_LOCAL_FOLDER": str(tmp_path)}
    command = [sys.executable, "-m", "deploy.local.supervisor", "1", "fingerprint"]
    with (tmp_path / "supervisor.log").open("wb") as log:
        process = psutil.Popen(command, cwd=CHECKOUT, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        with suppress(psutil.NoSuchProcess):
            process.kill()
        process.wait()
        for server in ("postgres", "rabbitmq"):
            private_servers.remove(tmp_path / "servers" / server)


def _has_replaced(supervisor: psutil.Popen, child: psutil.Process) -> bool:
    children = supervisor.children()
    return child not in children and len(children) == 6


def _is_well(folder: Path) -> bool:
    file = folder / "endpoints.json"
    return file.exists() and Endpoints(**json.loads(file.read_text())).all_ready()


def test_each_process_comes_back_after_kill_9_and_sigterm_ends_all_of_them(
    supervisor: psutil.Popen, tmp_path: Path
) -> None:
    _wait_until(lambda: _is_well(tmp_path), "the system is up")
    first = supervisor.children()
    assert len(first) == 6  # Postgres, epmd, RabbitMQ, and the three services
    for child in first:
        child.kill()
        _wait_until(partial(_has_replaced, supervisor, child), "it was started again")
        _wait_until(lambda: _is_well(tmp_path), "all are ready again")
    last = supervisor.children(recursive=True)
    assert not set(first) & set(last)
    supervisor.send_signal(signal.SIGTERM)
    assert supervisor.wait(timeout=120 * patience()) == 0
    assert psutil.wait_procs(last, timeout=10 * patience())[1] == []
