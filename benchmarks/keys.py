"""What asking for keys costs: the listing and a lease queue of an API that asks for them, beside one that does not."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from contextlib import ExitStack
from functools import partial
from typing import Final

import asyncpg
from pydantic import SecretStr

from api_service.access.create_key import CommandSettings, create_key
from benchmarks.api_servers import api_processes
from benchmarks.closed_loop import Load, load
from benchmarks.figures import Outcome, at_least, in_turns, ratio
from benchmarks.keep_alive_client import KeepAliveClient, request_bytes
from benchmarks.rig import rig
from tests.support.employees import Person, insert_employees

EMPLOYEES: Final = 1000
CLIENTS: Final = 16
LISTING: Final = "/v1/employees?limit=10"
QUEUE: Final = "/v1/queues/bench"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=10, help="how long each is measured in a round (10)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured, in turns (5)")


async def measure(options: argparse.Namespace) -> Outcome:
    with rig() as here, ExitStack() as stack:
        async with here.database() as url:
            key = await _prepare(url)
            ports = {asks: stack.enter_context(api_processes(url, 1, authentication=asks))[0] for asks in ("off", "on")}
            measures = {}
            for asks, port in ports.items():
                sent = key if asks == "on" else ""
                listing = Load(f"http://127.0.0.1:{port}", CLIENTS, options.seconds, paths=[LISTING], key=sent)
                measures[f"listing, keys {asks}"] = partial(_listings, listing)
                measures[f"lease queue, keys {asks}"] = partial(_messages, port, sent, options.seconds)
            figures = await in_turns(options.rounds, "/s", measures)
    return Outcome(
        f"{EMPLOYEES} employees, {CLIENTS} clients; a message is sent, received and acknowledged, each by a request; "
        f"{options.rounds} rounds of {options.seconds:g} s",
        list(figures.values()),
        [
            at_least(
                f"{what} with keys, to without", ratio(figures[f"{what}, keys on"], figures[f"{what}, keys off"]), 0.9
            )
            for what in ("listing", "lease queue")
        ],
    )


async def _prepare(url: str) -> str:
    connection = await asyncpg.connect(url)
    people = [Person(f"Person {number}", f"person.{number}@tidewater.example") for number in range(EMPLOYEES)]
    await insert_employees(connection, people)
    await connection.close()
    settings = CommandSettings.model_validate({"database_url": SecretStr(url)})
    key = await create_key(settings, "bench", ["read", "queues:bench*"], only_first=False)
    assert key is not None
    return key


async def _listings(ordered: Load) -> float:
    return (await load(ordered)).per_second


async def _messages(port: int, key: str, seconds: float) -> float:
    clients = [await KeepAliveClient.connect("127.0.0.1", port) for _ in range(CLIENTS)]
    begun = time.perf_counter()
    counts = await asyncio.gather(
        *(_move(client, number, key, begun + seconds) for number, client in enumerate(clients))
    )
    elapsed = time.perf_counter() - begun
    for client in clients:
        client.close()
    return sum(counts) / elapsed


async def _move(client: KeepAliveClient, number: int, key: str, until: float) -> int:
    """On a queue of its own, so that nobody waits for another's lease."""
    queue = f"{QUEUE}-{number}"
    send = request_bytes("POST", f"{queue}/messages", b'{"payload": 1}', key)
    receive = request_bytes("POST", f"{queue}/receive", b'{"consumerId": "c"}', key)
    moved = 0
    while time.perf_counter() < until:
        sent = await client.request(send)
        assert sent.status == 201, sent
        received = await client.request(receive)
        [message] = json.loads(received.body)["messages"]
        done = await client.request(request_bytes("DELETE", f"{queue}/messages/{message['receipt']}", b"", key))
        assert done.status == 204, done
        moved += 1
    return moved
