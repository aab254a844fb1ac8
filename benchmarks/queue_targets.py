"""The targets of the lease queues: the worst of the measured cases counts."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.figures import Check, at_least, at_most
from benchmarks.result import Result

SLOWEST_CLAIM_RATIO = 1.2


def checks(results: Sequence[Result]) -> list[Check]:
    """Of those cases that were measured."""
    return [*_throughput(results), *_claims(results), *_wake_up(results)]


def _throughput(results: Sequence[Result]) -> list[Check]:
    held = []
    for name, operation, batch, clients, bound in (
        ("batches of 100 sent", "send", 100, None, 20_000),
        ("batches of 100 received and acknowledged", "receive and acknowledge", 100, None, 15_000),
        ("single messages sent by 64 clients", "send", 1, 64, 2500),
        ("single messages received and acknowledged by 64 clients", "receive and acknowledge", 1, 64, 2500),
        ("single messages that 64 clients send and receive", "send, receive, acknowledge", 1, 64, 2500),
    ):
        rates = [
            each.per_second
            for each in results
            if (each.target, each.operation, each.batch) == ("http", operation, batch)
            and clients in (None, each.clients)
        ]
        if rates:
            held.append(at_least(f"{name}, at worst", min(rates), bound, "messages/s"))
    return held


def _claims(results: Sequence[Result]) -> list[Check]:
    """Medians, of the longest against the shortest queue."""
    held = []
    claims = [each for each in results if each.target == "claim"]
    for batch in sorted({each.batch for each in claims}):
        by_length = sorted((each.waiting, each.p50_ms or 0) for each in claims if each.batch == batch)
        (shortest, least), (longest, most) = by_length[0], by_length[-1]
        if longest > shortest:
            name = f"time of a claim of {batch} with {longest:,} waiting to {shortest:,}"
            held.append(at_most(name, most / least, SLOWEST_CLAIM_RATIO))
    return held


def _wake_up(results: Sequence[Result]) -> list[Check]:
    wake_ups = [each.p99_ms for each in results if each.operation == "wake a waiting receiver"]
    return [at_most("a waiting receiver has a message, p99", p99, 20, "ms") for p99 in wake_ups if p99 is not None]
