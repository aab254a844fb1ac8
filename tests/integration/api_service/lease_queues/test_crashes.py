"""Two API processes, receivers that crash or dawdle, kills of API and Postgres: nothing lost, nothing held twice."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import asyncpg
import httpx2
import pytest

from deploy.program import free_port
from tests.support.api_process import api_process, start_api
from tests.support.own_postgres import own_postgres
from tests.support.plain_http import plain_client
from tests.support.queues import acknowledge, payloads, receive, send
from tests.support.servers import Servers
from tests.support.waiting import eventually

NO_BROKER = "amqp://nobody:nothing@127.0.0.1:1/none"


class Lease(NamedTuple):
    """As the database's clock has it."""

    begin: datetime
    end: datetime
    message_id: int
    receive_count: int


class Observed:
    """What the receivers of a run have seen."""

    def __init__(self) -> None:
        self.leases: dict[int, list[Lease]] = defaultdict(list)
        self.acknowledged: Counter[int] = Counter()
        self.refused = 0
        self.abandoned = 0
        self.first_receives: list[list[int]] = []

    def check(self, sent: set[int]) -> None:
        assert self.acknowledged == Counter(dict.fromkeys(sent, 1))
        for leases in self.leases.values():
            leases.sort()
            for earlier, later in pairwise(leases):
                assert earlier.end <= later.begin, "held by two at a time"
            assert [lease.receive_count for lease in leases] == list(range(1, len(leases) + 1))
        for order in self.first_receives:
            assert order == sorted(order), "a message that was never leased came out of its order"


async def run_receiver(api: httpx2.AsyncClient, observed: Observed, expected: int, seed: int) -> None:
    """Takes batches; one in eight it forgets (a crash), one in eight it acknowledges too late."""
    chance = random.Random(seed)
    firsts: list[int] = []
    observed.first_receives.append(firsts)
    while len(observed.acknowledged) < expected:
        seconds = chance.choice((1, 2))
        messages = await receive(api, "q", chance.randint(1, 60), lease_seconds=seconds, wait_seconds=1)
        for message in messages:
            end = datetime.fromisoformat(message["leaseExpiresAt"])
            lease = Lease(end - timedelta(seconds=seconds), end, message["id"], message["receiveCount"])
            observed.leases[message["id"]].append(lease)
            if message["receiveCount"] == 1:
                firsts.append(message["id"])
        if not messages:
            continue
        fate = chance.random()
        if fate < 1 / 8:
            observed.abandoned += len(messages)
            continue
        if fate < 1 / 4:
            await asyncio.sleep(seconds + 0.2)
        outcomes = await acknowledge(api, "q", [message["receipt"] for message in messages])
        for message, outcome in zip(messages, outcomes, strict=True):
            observed.acknowledged[message["id"]] += outcome == "acknowledged"
            observed.refused += outcome == "lease_lost"
        observed.acknowledged += Counter()


async def send_all(apis: list[httpx2.AsyncClient], count: int) -> set[int]:
    sent: set[int] = set()
    for first in range(0, count, 100):
        sent.update(await send(apis[first // 100 % 2], "q", *range(first, min(first + 100, count))))
    return sent


async def run_receivers(database_url: str, upload_store_url: str, count: int) -> Observed:
    observed = Observed()
    async with contextlib.AsyncExitStack() as stack:
        apis = []
        for _ in range(2):
            process = api_process(free_port(), database_url, NO_BROKER, upload_store_url)
            apis.append((await stack.enter_async_context(process))[1])
        # However unlucky, no message of this test shall die.
        (await apis[0].put("/v1/queues/q", json={"maxReceives": 1000})).raise_for_status()
        receiving = asyncio.gather(*(run_receiver(apis[number % 2], observed, count, number) for number in range(8)))
        sent = await send_all(apis, count)
        await receiving
        for api in apis:
            queue = (await api.get("/v1/queues/q")).json()
            assert [queue[state] for state in ("visible", "inFlight", "delayed", "dead")] == [0] * 4
    observed.check(sent)
    return observed


async def test_eight_receivers_that_crash_and_dawdle_share_the_messages_of_two_processes(
    database_url: str, upload_store_url: str
) -> None:
    observed = await run_receivers(database_url, upload_store_url, 5_000)
    # Otherwise nothing was tried.
    assert observed.abandoned > 0
    assert observed.refused > 0


@pytest.mark.long
async def test_eight_receivers_share_a_hundred_thousand_messages(database_url: str, upload_store_url: str) -> None:
    observed = await run_receivers(database_url, upload_store_url, 100_000)
    assert observed.abandoned > 1000
    assert observed.refused > 1000


async def send_until(stop: asyncio.Event, api: httpx2.AsyncClient, sender: int, acknowledged: set[str]) -> None:
    """Sends one after the other, whatever happens to the API; notes those that were answered 201."""
    number = 0
    while not stop.is_set():
        payload = f"{sender}/{number}"
        number += 1
        with contextlib.suppress(httpx2.HTTPError):
            answer = await api.post("/v1/queues/q/messages", json={"payload": payload})
            if answer.status_code == 201:
                acknowledged.add(payload)
                continue
            assert answer.status_code == 503, answer.text
        await asyncio.sleep(0.02)


async def stored_payloads(database_url: str) -> set[str]:
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch("SELECT payload #>> '{}' AS payload FROM queue_messages")
    await connection.close()
    return {row["payload"] for row in rows}


async def test_no_acknowledged_send_is_lost_when_the_api_is_killed(database_url: str, upload_store_url: str) -> None:
    acknowledged: set[str] = set()
    port = free_port()
    stop = asyncio.Event()
    async with plain_client(f"http://127.0.0.1:{port}", timeout=10) as api:
        senders = [asyncio.create_task(send_until(stop, api, number, acknowledged)) for number in range(8)]
        for _ in range(3):
            before = len(acknowledged)
            process = await start_api(port, database_url, NO_BROKER, upload_store_url, ROLLCALL_LOG_LEVEL="ERROR")
            await eventually(lambda before=before: len(acknowledged) > before + 50, seconds=60)  # type: ignore[misc]
            await asyncio.sleep(random.random() * 0.2)
            process.kill()
            await process.wait()
        stop.set()
        await asyncio.gather(*senders)
    assert acknowledged <= await stored_payloads(database_url)


async def test_no_acknowledged_send_is_lost_when_postgres_is_killed(
    servers: Servers, tmp_path: Path, upload_store_url: str
) -> None:
    acknowledged: set[str] = set()
    stop = asyncio.Event()
    async with (
        own_postgres(servers.kind, tmp_path) as postgres,
        api_process(free_port(), postgres.url, NO_BROKER, upload_store_url) as (_, api),
    ):
        senders = [asyncio.create_task(send_until(stop, api, number, acknowledged)) for number in range(8)]
        for _ in range(2):
            before = len(acknowledged)
            await eventually(lambda before=before: len(acknowledged) > before + 100, seconds=60)  # type: ignore[misc]
            await postgres.kill()
            await postgres.start()
        before = len(acknowledged)
        await eventually(lambda: len(acknowledged) > before + 100, seconds=60)
        stop.set()
        await asyncio.gather(*senders)
        assert acknowledged <= await stored_payloads(postgres.url)
        # And they can be received, in the order in which each sender sent them.
        received: dict[str, list[int]] = defaultdict(list)
        while messages := await receive(api, "q", 1000, lease_seconds=3600):
            for payload in payloads(messages):
                sender, _, number = payload.partition("/")
                received[sender].append(int(number))
        assert all(numbers == sorted(numbers) for numbers in received.values())
