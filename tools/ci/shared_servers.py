"""The servers that the tests of all parts share: `tests.support.servers` starts them when the first test asks."""

from __future__ import annotations

import os
import signal
import time

from deploy.checkout import CHECKOUT

RUN_VARIABLE = "ROLLCALL_TEST_RUN"  # the process whose end is the end of the run
STOP_SECONDS = 90


def stop_servers(run_name: str) -> None:
    """Returns when their keeper, if one was started, has removed all that it started."""
    folder = CHECKOUT / ".local" / "test" / run_name
    try:
        os.kill(int((folder / "keeper.pid").read_text()), signal.SIGTERM)
    except (FileNotFoundError, ProcessLookupError):
        return
    deadline = time.monotonic() + STOP_SECONDS
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
