"""The load on lease queues over HTTP: clients that do the same step again and again, and how long each step took."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count, cycle, islice
from typing import Any, Final, Literal

import msgspec

from benchmarks.keep_alive_client import KeepAliveClient, request_bytes
from benchmarks.result import Result, summarise

PAYLOAD = {"to": "someone@example.com", "subject": "Your statement", "template": 7, "body": "x" * 60}
PAYLOAD_TEXT = json.dumps(PAYLOAD)
WARM_UP_SECONDS = 1.0
# Receivers take no more, or they would come to the end of the line.
MOST_RECEIVED_PER_SECOND = 100_000

# What messages have beside their payload. Those of groups are spread over so many.
Kind = Literal["plain", "groups", "priorities"]
KINDS: Final[tuple[Kind, ...]] = ("plain", "groups", "priorities")
GROUPS: Final = 1000
PRIORITIES: Final = 10

# One action of a client. It returns the number of messages that it acted on.
Step = Callable[[KeepAliveClient], Awaitable[int]]


@dataclass(frozen=True)
class Case:
    """So many clients, each with one connection, and so many messages a request; `waiting` stand in the queue."""

    batch: int
    clients: int
    waiting: int
    seconds: float
    kind: Kind = "plain"

    @property
    def queue(self) -> str:
        return f"bench-{self.kind}-{self.waiting}"

    @property
    def most_received(self) -> int:
        """In its time and that to warm up. Of groups fewer, with which a queue is filled slowly."""
        a_second = MOST_RECEIVED_PER_SECOND // (5 if self.kind == "groups" else 1)
        return int((self.seconds + WARM_UP_SECONDS) * a_second)

    def named(self, operation: str) -> str:
        """What is held to the targets are plain messages."""
        return operation if self.kind == "plain" else f"{operation}, {self.kind}"

    @property
    def address(self) -> str:
        return f"/v1/queues/{self.queue}"


class _Leased(msgspec.Struct):
    receipt: str


class _Received(msgspec.Struct):
    messages: list[_Leased]


def sending(case: Case) -> Step:
    requests = cycle(_send_requests(case))

    async def send(client: KeepAliveClient) -> int:
        answer = await client.request(next(requests))
        assert answer.status == 201, answer
        return case.batch

    return send


def _send_requests(case: Case) -> list[bytes]:
    """Made before, so that nobody's time goes into it: as many as there are groups or priorities to go round."""
    numbers = count()
    different = {"plain": 1, "groups": GROUPS, "priorities": PRIORITIES}[case.kind]
    requests = []
    for _ in range(max(1, different // case.batch)):
        messages = [_message(case.kind, number) for number in islice(numbers, case.batch)]
        body: Any = messages[0] if case.batch == 1 else {"messages": messages}
        requests.append(request_bytes("POST", f"{case.address}/messages", json.dumps(body).encode()))
    return requests


def _message(kind: Kind, number: int) -> dict[str, Any]:
    match kind:
        case "plain":
            return {"payload": PAYLOAD}
        case "groups":
            return {"payload": PAYLOAD, "groupId": f"g{number % GROUPS}"}
        case "priorities":
            return {"payload": PAYLOAD, "priority": number % PRIORITIES}


def receiving(case: Case) -> Step:
    """One receive and, when it brought something, the acknowledgement: singly as a DELETE, else all in one request."""
    order = json.dumps({"consumerId": "bench", "limit": case.batch}).encode()
    request = request_bytes("POST", f"{case.address}/receive", order)
    decoder = msgspec.json.Decoder(_Received)

    async def receive_and_acknowledge(client: KeepAliveClient) -> int:
        answer = await client.request(request)
        assert answer.status == 200, answer
        receipts = [message.receipt for message in decoder.decode(answer.body).messages]
        if case.batch == 1:
            for receipt in receipts:
                deleted = await client.request(request_bytes("DELETE", f"{case.address}/messages/{receipt}"))
                assert deleted.status == 204, deleted
        elif receipts:
            body = json.dumps({"receipts": receipts}).encode()
            answer = await client.request(request_bytes("POST", f"{case.address}/acknowledge", body))
            assert answer.body.count(b'"acknowledged"') == len(receipts), answer
        return len(receipts)

    return receive_and_acknowledge


def passing(case: Case) -> Step:
    """A send, a receive and its acknowledgement: the queue stays as long as it is."""
    send, receive_and_acknowledge = sending(case), receiving(case)

    async def pass_on(client: KeepAliveClient) -> int:
        await send(client)
        return await receive_and_acknowledge(client)

    return pass_on


async def warm_up(clients: Sequence[KeepAliveClient], case: Case, step: Step) -> None:
    """New processes have connections to open, and statements to prepare on each."""
    await run(clients, replace(case, seconds=WARM_UP_SECONDS), "warm up", step)


async def run(clients: Sequence[KeepAliveClient], case: Case, operation: str, step: Step) -> Result:
    """All clients, each with one step after the other, for the case's seconds."""
    latencies: list[float] = []
    begin = time.perf_counter()
    deadline = begin + case.seconds

    async def work(client: KeepAliveClient) -> int:
        done = 0
        while (step_begin := time.perf_counter()) < deadline:
            done += await step(client)
            latencies.append(time.perf_counter() - step_begin)
        return done

    done = sum(await asyncio.gather(*(work(client) for client in clients)))
    elapsed = time.perf_counter() - begin
    return summarise("http", operation, case.batch, case.clients, case.waiting, done, elapsed, latencies)


async def measure_wake_up(ports: Sequence[int], rounds: int) -> Result:
    """From the moment that a send is begun to the moment that a receiver at another process has the message."""
    case = Case(1, 1, 0, 0)
    send = sending(case)
    order = json.dumps({"consumerId": "bench", "limit": 10, "waitSeconds": 20}).encode()
    receive = request_bytes("POST", f"{case.address}/receive", order)
    latencies = []
    async with connected(ports, max(2, len(ports))) as clients:
        receiver, sender = clients[0], clients[-1]
        await send(sender)
        await receiver.request(receive)
        for _ in range(rounds):
            waiting = receiver.request(receive)
            await asyncio.sleep(0.02)
            begin = time.perf_counter()
            await send(sender)
            await waiting
            latencies.append(time.perf_counter() - begin)
    return summarise("http", "wake a waiting receiver", 1, 1, 0, rounds, sum(latencies), latencies)


@asynccontextmanager
async def connected(ports: Sequence[int], count: int) -> AsyncIterator[list[KeepAliveClient]]:
    """Clients whose connections are spread evenly over the processes."""
    clients = [await KeepAliveClient.connect("127.0.0.1", ports[number % len(ports)]) for number in range(count)]
    yield clients
    for client in clients:
        client.close()
