"""A system that nobody uses leaves the machine to others."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest

from tests.support.idle_system import running_system, speed_factor

pytestmark = pytest.mark.long

log = logging.getLogger(__name__)

CORES_AT_MOST = 0.10
# Twice the time between two health checks of a container, so that each is counted.
WINDOW_SECONDS = 30
# What was just in use may have its caches to write and its tables to vacuum.
SETTLE_SECONDS = 150


def test_system_at_rest_takes_a_tenth_of_a_core_at_most(tmp_path: Path) -> None:
    with running_system(tmp_path) as usage:
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            before, began, speed = usage(), time.monotonic(), speed_factor()
            time.sleep(WINDOW_SECONDS)  # this is the measurement: there is no condition to wait for
            after, seconds = usage(), time.monotonic() - began
            speed = (speed + speed_factor()) / 2
            cores = {name: (after[name] - before.get(name, 0.0)) / seconds / speed for name in after}
            table = "\n".join(f"{100 * share:6.2f}% of a core  {name}" for name, share in sorted(cores.items()))
            log.info(
                "%s\n%6.2f%% in all, on a machine that takes %.1f times as long",
                table,
                100 * sum(cores.values()),
                speed,
            )
            if sum(cores.values()) <= CORES_AT_MOST:
                return
            assert time.monotonic() < deadline, f"more than {CORES_AT_MOST:.0%} of a core in all:\n{table}"
