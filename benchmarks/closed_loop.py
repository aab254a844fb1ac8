"""So many clients, each with one request at a time and the next at once: what latency, and how many a second.

Runs in a process of its own (`python -m benchmarks.closed_loop`), given a `Load` as JSON, and answers with a `Loaded`.
The clients take the requests in turn. Against HTTP they are bare sockets with requests made before; against Postgres
they run the statements of each request one after the other, each on a connection of its own or all through a pool.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import cycle
from typing import Any, Final, cast
from urllib.parse import urlsplit

import asyncpg
import msgspec
import uvloop

from benchmarks.figures import percentile
from tests.support.servers import CHECKOUT

WARM_UP_SECONDS: Final = 0.5

Statement = tuple[str, list[Any]]
Step = Callable[[], Awaitable[None]]


class Load(msgspec.Struct):
    """Either `paths` under an API's URL or lists of statements on a database."""

    url: str
    clients: int
    seconds: float
    paths: list[str] = []
    statements: list[list[Statement]] = []
    settings: dict[str, str] = {}
    pooled: bool = False
    key: str = ""


class Loaded(msgspec.Struct):
    per_second: float
    p50_ms: float
    p99_ms: float


async def load(ordered: Load) -> Loaded:
    """In another process, so that this one's work is not in the figures. Raises CalledProcessError when one fails."""
    command = [sys.executable, "-m", "benchmarks.closed_loop"]
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=CHECKOUT, input=msgspec.json.encode(ordered), stdout=subprocess.PIPE, check=True
    )
    return msgspec.json.decode(done.stdout, type=Loaded)


class _HttpClient(asyncio.Protocol):
    """One connection that is kept. Understands answers with a Content-Length, and takes none but a 200."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._received = b""
        self._answer: asyncio.Future[None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) == length:
            self._received = b""
            if head.startswith(b"HTTP/1.1 200 "):
                self._answer.set_result(None)
            else:
                self._answer.set_exception(AssertionError(head + body))

    def connection_lost(self, _: Exception | None) -> None:
        if not self._answer.done():
            self._answer.set_exception(ConnectionResetError())

    def get(self, request: bytes) -> Awaitable[None]:
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answer


async def _http_step(ordered: Load, number: int) -> Step:
    address = urlsplit(ordered.url)
    assert address.hostname is not None
    assert address.port is not None
    _, client = await asyncio.get_running_loop().create_connection(_HttpClient, address.hostname, address.port)
    turns = cycle(_rotated([_request(path, ordered.key) for path in ordered.paths], number))
    return lambda: client.get(next(turns))


def _request(path: str, key: str) -> bytes:
    bearer = f"Authorization: Bearer {key}\r\n" if key else ""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{bearer}\r\n".encode()


async def _pool(ordered: Load) -> asyncpg.Pool:
    return await asyncpg.create_pool(
        ordered.url, min_size=ordered.clients, max_size=ordered.clients, server_settings=ordered.settings
    )


async def _statement_step(ordered: Load, number: int, pool: asyncpg.Pool | None) -> Step:
    turns = cycle(_rotated(ordered.statements, number))
    connection = pool or await asyncpg.connect(ordered.url, server_settings=ordered.settings)

    async def step() -> None:
        for statement, arguments in next(turns):
            await connection.fetch(statement, *arguments)

    return step


def _rotated(requests: Sequence[Any], number: int) -> Sequence[Any]:
    """Each client begins elsewhere."""
    start = number * 7919 % len(requests)
    return [*requests[start:], *requests[:start]]


async def _run(ordered: Load) -> Loaded:
    numbers = range(ordered.clients)
    if ordered.paths:
        steps = [await _http_step(ordered, number) for number in numbers]
    else:
        pool = await _pool(ordered) if ordered.pooled else None
        steps = [await _statement_step(ordered, number, pool) for number in numbers]
    await _repeat(steps, WARM_UP_SECONDS)
    begin = time.perf_counter()
    latencies = await _repeat(steps, ordered.seconds)
    elapsed = time.perf_counter() - begin
    p50, p99 = (percentile(latencies, share) * 1000 for share in (0.5, 0.99))
    return Loaded(len(latencies) / elapsed, p50, p99)


async def _repeat(steps: Sequence[Step], seconds: float) -> list[float]:
    latencies: list[float] = []
    deadline = time.perf_counter() + seconds

    async def client(step: Step) -> None:
        while (begin := time.perf_counter()) < deadline:
            await step()
            latencies.append(time.perf_counter() - begin)

    await asyncio.gather(*map(client, steps))
    return latencies


if __name__ == "__main__":
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Load)
    outcome = uvloop.run(_run(order))
    print(json.dumps(msgspec.to_builtins(outcome)))
