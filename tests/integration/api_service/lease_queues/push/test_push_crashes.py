"""Processes that die while they push, or lose the database: what was in hand comes again, and nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable

import asyncpg
import httpx2
from pydantic import SecretStr
from structlog.testing import capture_logs

from api_service.settings import ApiSettings
from deploy.program import free_port
from tests.support.api import running_api
from tests.support.api_process import start_api
from tests.support.failpoint_settings import killing_api
from tests.support.patience import patience
from tests.support.plain_http import plain_client
from tests.support.push_receiver import Push, Receiver, status
from tests.support.queues import counts, send
from tests.support.tcp_proxy import tcp_proxy
from tests.support.waiting import eventually

NO_BROKER = "amqp://nobody:nothing@127.0.0.1:1/none"
# The lease of a push is a quarter of a minute longer, and a test waits for its end.
PUSHING = {
    "ROLLCALL_API_PUSH_NETWORKS": "127.0.0.0/8",
    "ROLLCALL_API_PUSH_TIMEOUT_SECONDS": "5",
    "ROLLCALL_API_PUSH_REQUESTS": "3",
    # Nobody reads it.
    "ROLLCALL_LOG_LEVEL": "ERROR",
}


@contextlib.asynccontextmanager
async def client_of(port: int) -> AsyncIterator[httpx2.AsyncClient]:
    async with plain_client(f"http://127.0.0.1:{port}", timeout=60) as api:
        yield api


async def answers(api: httpx2.AsyncClient) -> bool:
    with contextlib.suppress(httpx2.HTTPError):
        return (await api.get("/v1/queues")).status_code == 200
    return False


async def is_empty(api: httpx2.AsyncClient) -> bool:
    with contextlib.suppress(httpx2.HTTPError):
        return await counts(api, "q") == {}
    return False


async def test_message_comes_again_if_the_api_was_killed_after_the_2xx_and_before_the_acknowledgement(
    database_url: str, upload_store_url: str, receiver: Receiver
) -> None:
    port = free_port()
    killing = killing_api("api.push_answered", after=2)
    process = await start_api(port, database_url, NO_BROKER, upload_store_url, **PUSHING, **killing)
    async with client_of(port) as api:
        await eventually(lambda: answers(api), seconds=60)
        await send(api, "q", *range(20))
        (await api.put("/v1/queues/q/subscription", json=receiver.subscription)).raise_for_status()
        assert await asyncio.wait_for(process.wait(), 60 * patience()) == -9
        killed_after = list(receiver.pushes)
        process = await start_api(port, database_url, NO_BROKER, upload_store_url, **PUSHING)
        await eventually(lambda: is_empty(api), seconds=90)
    process.terminate()
    await asyncio.wait_for(process.wait(), 60 * patience())
    received = Counter(receiver.payloads())
    assert set(received) == {*range(20)}
    # Two were acknowledged before; the third, and what else was on its way, comes a second time, as the same message.
    again = [payload for payload, times in received.items() if times == 2]
    assert 1 <= len(again) <= 4
    assert max(received.values()) == 2
    assert set(again) <= {push.payload for push in killed_after}
    ids = {(push.payload, push.id) for push in receiver.pushes}
    assert len(ids) == 20
    assert {push.message["receiveCount"] for push in receiver.pushes if push.payload in again} == {1, 2}


async def test_message_comes_again_if_the_database_was_away_between_the_2xx_and_the_acknowledgement(
    settings: ApiSettings, database: asyncpg.Connection, database_url: str, receiver: Receiver
) -> None:
    async with tcp_proxy(database_url) as proxy:
        elsewhere = settings.model_copy(update={"database_url": SecretStr(proxy.url)})

        async def lose_the_database(_: Push) -> bytes:
            proxy.cut()
            return status(200)

        receiver.answers = [lose_the_database, status(200)]
        async with running_api(elsewhere) as api:
            with capture_logs() as lines:
                await send(api, "q", "x")
                (await api.put("/v1/queues/q/subscription", json=receiver.subscription)).raise_for_status()
                unsettled = "what became of a push was not noted"
                await eventually(lambda: any(line["event"] == unsettled for line in lines), seconds=60)
            assert await database.fetchval("SELECT count(*) FROM queue_messages") == 1
            assert receiver.payloads() == ["x"]
            # Instead of a test that waits for the end of the lease.
            await database.execute("UPDATE queue_messages SET visible_at = now(), lease_expires_at = now()")
            await proxy.open()
            await eventually(lambda: is_empty(api), seconds=90)
    first, second = receiver.pushes
    assert (first.id, first.payload) == (second.id, second.payload)
    assert (first.message["receiveCount"], second.message["receiveCount"]) == (1, 2)


async def test_processes_that_are_killed_again_and_again_lose_nothing_and_push_twice_only_what_they_had_in_hand(
    database_url: str, upload_store_url: str, receiver: Receiver
) -> None:
    async def take_a_moment(_: Push) -> bytes:
        await asyncio.sleep(random.random() * 0.02)
        return status(200)

    receiver.answers = [take_a_moment]
    ports = free_port(), free_port()
    processes = [await start_api(port, database_url, NO_BROKER, upload_store_url, **PUSHING) for port in ports]
    async with client_of(ports[0]) as one, client_of(ports[1]) as two:
        await eventually(lambda: answers(one), seconds=60)
        await eventually(lambda: answers(two), seconds=60)
        (await one.put("/v1/queues/q", json={"maxReceives": 1000})).raise_for_status()
        (await one.put("/v1/queues/q/subscription", json=receiver.subscription)).raise_for_status()
        await send(one, "q", *range(1500))
        kills = 0
        for number in (0, 1, 0):
            before = len(receiver.pushes)
            await eventually(_more_than(receiver, before + 100), seconds=60)
            processes[number].kill()
            await processes[number].wait()
            kills += 1
            processes[number] = await start_api(ports[number], database_url, NO_BROKER, upload_store_url, **PUSHING)
        await eventually(lambda: is_empty(two), seconds=120)
    for process in processes:
        process.terminate()
        await asyncio.wait_for(process.wait(), 60 * patience())
    received = Counter(receiver.payloads())
    assert set(received) == {*range(1500)}
    # A process has one message for the subscription in hand, and three more.
    assert sum(times - 1 for times in received.values()) <= kills * 4


def _more_than(receiver: Receiver, number: int) -> Callable[[], bool]:
    return lambda: len(receiver.pushes) > number
