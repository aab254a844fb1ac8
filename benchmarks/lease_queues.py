"""Lease queues: messages a second and latency over HTTP, beside the bare statements and another queue server.

`python -m benchmarks lease-queues [--quick]`. Each case is run on a queue of its own, with so many messages waiting in
front of it. Writes `.local/benchmarks/lease_queues.json` and prints a table.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import asyncpg

from benchmarks.keep_alive_client import KeepAliveClient
from benchmarks.queue_references import measure_pgbench, measure_sqs
from benchmarks.result import Result, print_table, summarise
from deploy.program import free_port
from tests.support.private_pair import private_pair

CHECKOUT = Path(__file__).parents[1]
RESULTS = CHECKOUT / ".local" / "benchmarks" / "lease_queues.json"
PAYLOAD = {"to": "someone@example.com", "subject": "Your statement", "template": 7, "body": "x" * 60}


@dataclass(frozen=True)
class Case:
    batch: int
    clients: int
    waiting: int
    seconds: float

    @property
    def queue(self) -> str:
        return f"bench-{self.batch}-{self.clients}-{self.waiting}"


def main(arguments: Sequence[str]) -> None:
    options = _options(arguments)
    results = asyncio.run(_measure(options))
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps([asdict(result) for result in results], indent=1))
    print_table(results)
    print(f"\n{RESULTS}")


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks lease-queues", description=__doc__)
    parser.add_argument("--postgres-url", help="of a superuser; a private server is started if none is given")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--waiting", type=int, nargs="+", default=[0, 1_000_000])
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--processes", type=int, default=2, help="API processes")
    parser.add_argument("--no-references", action="store_true", help="without pgbench and SQS")
    parser.add_argument("--quick", action="store_true", help="a look: 16 clients, nothing waiting, two seconds")
    options = parser.parse_args(arguments)
    if options.quick:
        options.clients, options.waiting, options.seconds = [16], [0], 2
    return options


async def _measure(options: argparse.Namespace) -> list[Result]:
    cases = [
        Case(batch, clients, waiting, options.seconds)
        for waiting in options.waiting
        for batch in options.batches
        for clients in options.clients
    ]
    results = []
    with _postgres(options.postgres_url) as url, _api_processes(url, options.processes) as ports:
        for case in cases:
            results += await _measure_case(url, ports, case)
            print(*(result.line() for result in results[-2:]), sep="\n", flush=True)
        results.append(await _measure_wake_up(ports, rounds=20 if options.quick else 200))
        if not options.no_references:
            for case in cases:
                results += await asyncio.to_thread(
                    measure_pgbench, url, case.batch, case.clients, case.waiting, case.seconds
                )
    if not options.no_references:
        for batch in (1, 10):
            for clients in options.clients:
                results += await asyncio.to_thread(measure_sqs, batch, clients, options.seconds)
    return results


async def _measure_case(url: str, ports: Sequence[int], case: Case) -> list[Result]:
    await _fill(url, case.queue, case.waiting)
    async with _clients(ports, case.clients) as clients:
        sends = await _run(clients, case, _send)
        # Enough for the receivers to have something all the time; more than a run takes.
        await _fill(url, case.queue, max(case.waiting, int(sends.per_second * case.seconds * 2) + 20_000))
        receives = await _run(clients, case, _receive_and_acknowledge)
    await _forget(url, case.queue)
    return [sends, receives]


async def _run(clients: Sequence[KeepAliveClient], case: Case, step: Any) -> Result:
    latencies: list[float] = []
    deadline = time.perf_counter() + case.seconds

    async def work(client: KeepAliveClient) -> int:
        done = 0
        while (begin := time.perf_counter()) < deadline:
            done += await step(client, case)
            latencies.append(time.perf_counter() - begin)
        return done

    begin = time.perf_counter()
    done = sum(await asyncio.gather(*(work(client) for client in clients)))
    elapsed = time.perf_counter() - begin
    name = step.__name__.strip("_").replace("_", " ")
    return summarise("http", name, case.batch, case.clients, case.waiting, done, elapsed, latencies)


async def _send(client: KeepAliveClient, case: Case) -> int:
    body: Any = {"payload": PAYLOAD} if case.batch == 1 else {"messages": [{"payload": PAYLOAD}] * case.batch}
    answer = await client.request("POST", f"/v1/queues/{case.queue}/messages", json.dumps(body).encode())
    assert answer.status == 201, answer
    return case.batch


async def _receive_and_acknowledge(client: KeepAliveClient, case: Case) -> int:
    order = json.dumps({"consumerId": "bench", "limit": case.batch}).encode()
    answer = await client.request("POST", f"/v1/queues/{case.queue}/receive", order)
    receipts = [message["receipt"] for message in json.loads(answer.body)["messages"]]
    if case.batch == 1:
        for receipt in receipts:
            deleted = await client.request("DELETE", f"/v1/queues/{case.queue}/messages/{receipt}")
            assert deleted.status == 204, deleted
    elif receipts:
        body = json.dumps({"receipts": receipts}).encode()
        answer = await client.request("POST", f"/v1/queues/{case.queue}/acknowledge", body)
        assert answer.body.count(b'"acknowledged"') == len(receipts), answer
    return len(receipts)


async def _measure_wake_up(ports: Sequence[int], rounds: int) -> Result:
    """From the moment that a send is begun to the moment that a receiver at another process has the message."""
    case = Case(1, 1, 0, 0)
    latencies = []
    async with _clients(ports, len(ports)) as clients:
        receiver, sender = clients[0], clients[-1]
        await _send(sender, case)
        for number in range(rounds + 1):
            order = json.dumps({"consumerId": "bench", "limit": 10, "waitSeconds": 20}).encode()
            waiting = asyncio.create_task(receiver.request("POST", f"/v1/queues/{case.queue}/receive", order))
            await asyncio.sleep(0.02 if number else 0.5)
            begin = time.perf_counter()
            await _send(sender, case)
            await waiting
            if number:
                latencies.append(time.perf_counter() - begin)
    return summarise("http", "wake a waiting receiver", 1, 1, 0, rounds, sum(latencies), latencies)


@asynccontextmanager
async def _clients(ports: Sequence[int], count: int) -> AsyncIterator[list[KeepAliveClient]]:
    clients = [KeepAliveClient("127.0.0.1", ports[number % len(ports)]) for number in range(count)]
    for client in clients:
        await client.open()
    yield clients
    for client in clients:
        client.close()


async def _fill(url: str, queue: str, waiting: int) -> None:
    """Bring the queue to so many messages in line."""
    connection = await asyncpg.connect(url)
    await connection.execute("INSERT INTO queues (name) VALUES ($1) ON CONFLICT DO NOTHING", queue)
    await connection.execute(
        """
        INSERT INTO queue_messages (queue_id, payload, payload_bytes)
        SELECT id, CAST($2::text AS json), length($2::text) FROM queues, generate_series(1, $3 - (
            SELECT count(*) FROM queue_messages WHERE queue_id = (SELECT id FROM queues WHERE name = $1)))
        WHERE name = $1
        """,
        queue,
        json.dumps(PAYLOAD),
        waiting,
        timeout=600,
    )
    await connection.close()


async def _forget(url: str, queue: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("TRUNCATE queue_messages")
    await connection.execute("DELETE FROM queues WHERE name = $1", queue)
    await connection.close()


@contextmanager
def _postgres(url: str | None) -> Iterator[str]:
    """A database with the migrations, as durable as `make up` has it."""
    if url is not None:
        _migrate(url)
        yield url
        return
    with tempfile.TemporaryDirectory() as folder, private_pair(Path(folder)) as servers:
        _migrate(servers.postgres_url)
        yield servers.postgres_url


def _migrate(url: str) -> None:
    environment = {**os.environ, "ROLLCALL_DATABASE_URL": url}
    subprocess.run([sys.executable, "-m", "alembic", "upgrade", "head"], cwd=CHECKOUT, env=environment, check=True)


@contextmanager
def _api_processes(url: str, count: int) -> Iterator[list[int]]:
    store = CHECKOUT / ".local" / "benchmarks" / "uploads"
    store.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        "ROLLCALL_DATABASE_URL": url,
        "ROLLCALL_AMQP_URL": "amqp://none:none@127.0.0.1:1/none",
        "ROLLCALL_UPLOAD_STORE_URL": store.as_uri(),
        "ROLLCALL_LOG_LEVEL": "WARNING",
    }
    ports = [free_port() for _ in range(count)]
    command = [sys.executable, "-m", "uvicorn", "api_service.app:create_app", "--factory", "--no-access-log", "--port"]
    processes = [subprocess.Popen([*command, str(port)], cwd=CHECKOUT, env=environment) for port in ports]
    try:
        for port in ports:
            _wait_until_it_listens(port)
        yield ports
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()


def _wait_until_it_listens(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        if time.monotonic() > deadline:
            sys.exit("the API did not start")
        time.sleep(0.1)
