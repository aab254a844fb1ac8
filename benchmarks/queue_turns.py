"""The lease queues of two checkouts in turns."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Final

from benchmarks import api_servers, queue_contents, queue_load
from benchmarks.queue_load import Case, Step
from benchmarks.turns import Turns, take_turns

OPERATIONS: Final[dict[str, Callable[[Case], Step]]] = {
    "send": queue_load.sending,
    "send, receive, acknowledge": queue_load.passing,
}
WARM_UP_SECONDS = 0.25


async def measure(
    url: str, before: Path, cases: Sequence[Case], *, processes: int, rounds: int
) -> AsyncIterator[Turns]:
    """`url` is that of a database with this checkout's migrations; the other gets one beside it. Queues are empty."""
    async with api_servers.other_database(url, before) as before_url:
        with (
            api_servers.api_processes(before_url, processes, checkout=before) as before_ports,
            api_servers.api_processes(url, processes) as ports,
        ):
            for case, operation in product(cases, OPERATIONS):
                name = f"{case.named(operation)}, {case.batch} by {case.clients}"
                burst = partial(_burst, case, operation)
                yield await take_turns(name, (before_url, before_ports), (url, ports), burst, rounds=rounds)


async def _burst(case: Case, operation: str, side: tuple[str, Sequence[int]]) -> float:
    url, ports = side
    await queue_contents.empty(url)
    step = OPERATIONS[operation](case)
    # Connections of its own: those of the last burst the server has closed by now.
    async with queue_load.connected(ports, case.clients) as clients:
        await queue_load.run(clients, replace(case, seconds=WARM_UP_SECONDS), operation, step)
        return (await queue_load.run(clients, case, operation, step)).per_second
