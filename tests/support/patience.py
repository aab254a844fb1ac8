"""How much longer this machine may take, as it is now, than the quiet one for which the deadlines were written.

A deadline that is longer costs a test that holds nothing; one that is too short fails it for another's work.
"""

from __future__ import annotations

import os
import tempfile
import time
from functools import cache
from typing import Final

# What the probes take on the machine that the deadlines are for: two cores of a server, an ordinary disk.
QUIET_CPU_SECONDS: Final = 0.025
QUIET_SYNC_SECONDS: Final = 0.010
# Past this a wait that fails would take all of its part's time in CI.
MOST: Final = 6.0


def patience() -> float:
    """From 1, on a machine as quiet and fast as that one, to `MOST`."""
    return bounded(slowness() * crowdedness())


def bounded(factor: float) -> float:
    return min(max(factor, 1.0), MOST)


def crowdedness() -> float:
    """How many want each core, over the last minute."""
    return max(os.getloadavg()[0] / (os.cpu_count() or 1), 1.0)


@cache
def slowness() -> float:
    """Of the processor or the disk, whichever is slower; measured once a process, the best of three."""
    processor = min(_cpu_seconds() for _ in range(3)) / QUIET_CPU_SECONDS
    disk = min(_sync_seconds() for _ in range(3)) / QUIET_SYNC_SECONDS
    return max(processor, disk, 1.0)


def _cpu_seconds() -> float:
    # Its own time: what others take from it meanwhile is counted by `crowdedness`.
    began = time.process_time()
    number = 0
    for step in range(300_000):
        number = (number * 31 + step) % 1_000_003
    return time.process_time() - began


def _sync_seconds() -> float:
    """What a queue's or a database's commit waits for."""
    with tempfile.TemporaryFile() as file:
        began = time.perf_counter()
        file.write(b"x" * 4096)
        file.flush()
        os.fsync(file.fileno())
        return time.perf_counter() - began
