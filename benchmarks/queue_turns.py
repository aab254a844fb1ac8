"""The lease queues of two checkouts in turns: what one does a second, to what the other does.

A shared machine is faster at one time than at another by more than what is looked for. So both run at once, on one
server with a database each, and take turns in short bursts. Each burst is held to the one beside it, and the more of
them, the surer the middle of the ratios.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from statistics import median, stdev
from typing import Final

from benchmarks import queue_load, queue_servers
from benchmarks.queue_load import Case, Step

OPERATIONS: Final[dict[str, Callable[[Case], Step]]] = {
    "send": queue_load.sending,
    "send, receive, acknowledge": queue_load.passing,
}
WARM_UP_SECONDS = 0.25


@dataclass(frozen=True)
class Turns:
    """What both did a second in bursts that followed each other."""

    case: Case
    operation: str
    before: Sequence[float]
    now: Sequence[float]

    @property
    def ratios(self) -> Sequence[float]:
        return [now / before for before, now in zip(self.before, self.now, strict=True)]

    @property
    def standard_error(self) -> float:
        return stdev(self.ratios) / math.sqrt(len(self.ratios))

    def line(self) -> str:
        return (
            f"{self.case.named(self.operation):38} {self.case.batch:5} {self.case.clients:7} "
            f"{median(self.before):10,.0f} {median(self.now):10,.0f} "
            f"{median(self.ratios):6.3f} {self.standard_error:5.3f}"
        )


HEADER = "operation                              batch clients   before/s      now/s  ratio error"


async def measure(
    url: str, before: Path, cases: Sequence[Case], *, processes: int, rounds: int
) -> AsyncIterator[Turns]:
    """`url` is that of a database with this checkout's migrations; the other gets one beside it. Queues are empty."""
    async with queue_servers.other_database(url, before) as before_url:
        with (
            queue_servers.api_processes(before_url, processes, checkout=before) as before_ports,
            queue_servers.api_processes(url, processes) as ports,
        ):
            sides = ((before_url, before_ports), (url, ports))
            for case, operation in product(cases, OPERATIONS):
                per_second: tuple[list[float], list[float]] = ([], [])
                for turn in range(rounds):
                    # Who comes second finds the caches and the disk as the first left them.
                    for side in (0, 1) if turn % 2 == 0 else (1, 0):
                        per_second[side].append(await _burst(*sides[side], case, operation))
                yield Turns(case, operation, *per_second)


async def _burst(url: str, ports: Sequence[int], case: Case, operation: str) -> float:
    await queue_servers.empty(url)
    step = OPERATIONS[operation](case)
    # Connections of its own: those of the last burst the server has closed by now.
    async with queue_load.connected(ports, case.clients) as clients:
        await queue_load.run(clients, replace(case, seconds=WARM_UP_SECONDS), operation, step)
        return (await queue_load.run(clients, case, operation, step)).per_second
