"""One measured case, and many of them as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """`waiting` messages stood in the queue before it; latencies are of one client's step, in milliseconds."""

    target: str
    operation: str
    batch: int
    clients: int
    waiting: int
    per_second: float
    p50_ms: float | None
    p99_ms: float | None

    def line(self) -> str:
        p50, p99 = (f"{value:9.2f}" if value is not None else " " * 9 for value in (self.p50_ms, self.p99_ms))
        return (
            f"{self.target:8} {self.operation:38} {self.batch:5} {self.clients:7} {self.waiting:9,} "
            f"{self.per_second:10,.0f} {p50} {p99}"
        )


HEADER = "target   operation                              batch clients   waiting      per s    p50 ms    p99 ms"


def summarise(
    target: str,
    operation: str,
    batch: int,
    clients: int,
    waiting: int,
    done: int,
    seconds: float,
    latencies: Sequence[float],
) -> Result:
    """From messages done in that time and the seconds that each step took."""
    ordered = sorted(latencies)
    p50, p99 = (ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000 for share in (0.5, 0.99))
    return Result(target, operation, batch, clients, waiting, done / seconds, p50, p99)


def print_table(results: Sequence[Result]) -> None:
    print(f"\n{HEADER}")
    for result in results:
        print(result.line())
