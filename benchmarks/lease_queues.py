"""Lease queues: messages a second and latency over HTTP, beside the bare statements and another queue server.

`make bench ARGS=lease-queues`, or a part of it, as `make bench ARGS="lease-queues --only http --waiting 0"`. Writes
`.local/benchmarks/lease_queues.json` and prints a table. The clients share the machine with what they measure.
`--beside ../before` measures another checkout in turns with this one instead, and writes nothing.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path

import uvloop

from benchmarks import api_servers, queue_contents, queue_load, queue_turns, turns
from benchmarks.api_servers import CHECKOUT
from benchmarks.queue_claims import measure_claims
from benchmarks.queue_load import PAYLOAD_TEXT, Case
from benchmarks.queue_pgbench import measure_pgbench
from benchmarks.queue_sqs import measure_sqs, moto_server
from benchmarks.queue_targets import checks
from benchmarks.report import print_checks
from benchmarks.result import HEADER, Result, print_table

RESULTS = CHECKOUT / ".local" / "benchmarks" / "lease_queues.json"
PARTS = ("http", "claims", "pgbench", "sqs")


def main(arguments: Sequence[str]) -> None:
    options = _options(arguments)
    if options.beside is not None:
        uvloop.run(_measure_beside(options))
        return
    results = uvloop.run(_measure(options))
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps([asdict(result) for result in results], indent=1))
    print_table(results)
    print_checks(checks(results))
    print(f"\n{RESULTS}")


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks lease-queues", description=__doc__)
    parser.add_argument("--postgres-url", help="of a superuser; a private server is started if none is given")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS, help="not all of it")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 10, 100], help="messages a request (1 10 100)")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 16, 64], help="at a time (1 16 64)")
    parser.add_argument("--waiting", type=int, nargs="+", default=[0, 1_000_000], help="in the queue (0 1000000)")
    parser.add_argument(
        "--messages",
        choices=queue_load.KINDS,
        nargs="+",
        default=["plain"],
        help="what they have beside their payload, of those over HTTP (plain)",
    )
    parser.add_argument("--seconds", type=float, default=3, help="that each case is measured (3)")
    parser.add_argument("--processes", type=int, default=2, help="API processes (2)")
    parser.add_argument(
        "--beside", type=Path, help="another checkout, over HTTP in turns with this one; queues are empty"
    )
    parser.add_argument("--rounds", type=turns.rounds_of_turns, default=20, help="turns with the other checkout (20)")
    return parser.parse_args(arguments)


async def _measure_beside(options: argparse.Namespace) -> None:
    cases = [
        Case(batch, clients, 0, options.seconds, kind)
        for kind, batch, clients in product(options.messages, options.batches, options.clients)
    ]
    with api_servers.postgres(options.postgres_url) as url:
        print(turns.HEADER)
        async for taken in queue_turns.measure(
            url, options.beside.resolve(), cases, processes=options.processes, rounds=options.rounds
        ):
            print(taken.line(), flush=True)


async def _measure(options: argparse.Namespace) -> list[Result]:
    results = []
    with api_servers.postgres(options.postgres_url) as url:
        print(HEADER)
        async for result in _measurements(url, options):
            print(result.line(), flush=True)
            results.append(result)
    return results


async def _measurements(url: str, options: argparse.Namespace) -> AsyncIterator[Result]:
    if "http" in options.only:
        with api_servers.api_processes(url, options.processes) as ports:
            for kind, waiting in product(options.messages, options.waiting):
                await queue_contents.empty(url)
                for batch in options.batches:
                    for clients in options.clients:
                        case = Case(batch, clients, waiting, options.seconds, kind)
                        async for result in _over_http(url, ports, case):
                            yield result
            await queue_contents.empty(url)
            yield await queue_load.measure_wake_up(ports, rounds=500)
    if "claims" in options.only:
        for result in await measure_claims(url, options.batches, options.waiting):
            yield result
    if "pgbench" in options.only:
        for waiting in options.waiting:
            await queue_contents.empty(url)
            for batch in options.batches:
                for clients in options.clients:
                    for result in await measure_pgbench(url, Case(batch, clients, waiting, options.seconds)):
                        yield result
    if "sqs" in options.only:
        with api_servers.api_processes(url, options.processes) as ports:
            servers = [f"http://127.0.0.1:{port}" for port in ports]
            for result in measure_sqs("rollcall-sqs", servers, options.clients, options.seconds):
                yield result
        with moto_server() as server:
            for result in measure_sqs("moto-sqs", [server], options.clients, options.seconds):
                yield result


async def _over_http(url: str, ports: Sequence[int], case: Case) -> AsyncIterator[Result]:
    if not case.waiting:
        await queue_contents.empty(url)
    async with queue_load.connected(ports, case.clients) as clients:
        await _fill(url, case, case.waiting)
        for operation, step in (
            ("send, receive, acknowledge", queue_load.passing(case)),
            ("send", queue_load.sending(case)),
        ):
            await queue_load.warm_up(clients, case, step)
            yield await queue_load.run(clients, case, case.named(operation), step)
    there = await _fill(url, case, case.waiting + case.most_received)
    # Anew: to fill a queue may take longer than a server keeps connections on which nothing comes.
    async with queue_load.connected(ports, case.clients) as clients:
        receive = queue_load.receiving(case)
        await queue_load.warm_up(clients, case, receive)
        result = await queue_load.run(clients, case, case.named("receive and acknowledge"), receive)
        yield replace(result, waiting=there)


async def _fill(url: str, case: Case, count: int) -> int:
    groups = queue_load.GROUPS if case.kind == "groups" else 0
    priorities = queue_load.PRIORITIES if case.kind == "priorities" else 1
    return await queue_contents.fill(url, case.queue, count, PAYLOAD_TEXT, groups=groups, priorities=priorities)
