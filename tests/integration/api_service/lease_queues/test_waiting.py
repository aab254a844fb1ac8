"""Receivers that wait: woken at once, whichever process was told, and no burden on anybody meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import asyncpg
import httpx2
import pytest

from api_service.lease_queues import receivers
from api_service.lease_queues.lease_queues import APPLICATION_NAME
from api_service.settings import ApiSettings
from tests.support.api import running_api
from tests.support.queues import change_lease, payloads, receive, send
from tests.support.waiting import eventually


@pytest.fixture
def only_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Receivers do not look by themselves while a test waits: what they find they were told of."""
    monkeypatch.setattr(receivers, "CHECK_SECONDS", 3600)


@pytest.fixture
async def other_api(settings: ApiSettings) -> AsyncIterator[httpx2.AsyncClient]:
    """A second API on the same database, which hears of the first one only through it."""
    async with running_api(settings) as client:
        yield client


async def waiting_receiver(
    api: httpx2.AsyncClient, database: asyncpg.Connection, queue: str = "q", *, wait_seconds: int = 20
) -> asyncio.Task[tuple[list[object], float]]:
    """A receiver that has found nothing yet; its payloads, and when it got them."""

    async def wait() -> tuple[list[object], float]:
        messages = await receive(api, queue, 10, lease_seconds=3600, wait_seconds=wait_seconds)
        return payloads(messages), time.monotonic()

    before = await _claims(api)
    task = asyncio.create_task(wait())
    await eventually(lambda: _claimed_since(api, before))
    return task


async def _claims(api: httpx2.AsyncClient) -> float:
    """Claims that this test process has made."""
    metrics = (await api.get("/metrics")).text
    name = 'rollcall_api_queue_statement_messages_count{statement="claim"}'
    return sum(float(line.rpartition(" ")[2]) for line in metrics.splitlines() if line.startswith(name))


async def _claimed_since(api: httpx2.AsyncClient, before: float) -> bool:
    return await _claims(api) > before


async def _listeners(database: asyncpg.Connection) -> list[int]:
    found = await database.fetch(
        "SELECT pid FROM pg_stat_activity WHERE application_name = $1 AND datname = current_database() "
        "AND (query LIKE 'LISTEN%' OR query LIKE '%pg_notify%')",
        APPLICATION_NAME,
    )
    return [row["pid"] for row in found]


async def assert_wakes(
    receiving: httpx2.AsyncClient, sending: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    waiting = await waiting_receiver(receiving, database)
    await send(sending, "q", "x")
    assert (await waiting)[0] == ["x"]


@pytest.mark.usefixtures("only_told")
async def test_a_message_sent_to_the_same_process_wakes_a_receiver_at_once(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    for _ in range(7):
        await assert_wakes(api, api, database)


@pytest.mark.usefixtures("only_told")
async def test_a_message_sent_to_another_process_wakes_a_receiver_at_once(
    api: httpx2.AsyncClient, other_api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    await eventually(lambda: _are_listening(database, 2))
    for _ in range(7):
        await assert_wakes(other_api, api, database)


async def _are_listening(database: asyncpg.Connection, count: int) -> bool:
    return len(await _listeners(database)) == count


@pytest.mark.usefixtures("only_told")
async def test_a_message_given_back_wakes_a_receiver_of_another_process(
    api: httpx2.AsyncClient, other_api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    await eventually(lambda: _are_listening(database, 2))
    await send(api, "q", 1)
    (message,) = await receive(api, "q")
    waiting = await waiting_receiver(other_api, database)
    await change_lease(api, "q", message["receipt"], 0)
    assert (await waiting)[0] == [1]


async def test_a_message_that_nobody_told_of_is_found_within_a_second_or_so(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    await send(api, "q", "first")
    await receive(api, "q")
    waiting = await waiting_receiver(api, database)
    await database.execute(
        "INSERT INTO queue_messages (queue_id, payload, payload_bytes) SELECT id, '\"silent\"', 8 FROM queues"
    )
    begin = time.monotonic()
    found, at = await waiting
    assert found == ["silent"]
    # Long before its time is over.
    assert at - begin < 10
    assert receivers.CHECK_SECONDS <= 1


@pytest.mark.usefixtures("only_told")
async def test_a_lost_listener_comes_back_by_itself(
    api: httpx2.AsyncClient, other_api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    await eventually(lambda: _are_listening(database, 2))
    lost = await _listeners(database)
    for pid in lost:
        await database.execute("SELECT pg_terminate_backend($1)", pid)

    async def are_back() -> bool:
        current = await _listeners(database)
        return len(current) == 2 and not set(current) & set(lost)

    await eventually(are_back)
    for _ in range(7):
        await assert_wakes(other_api, api, database)


async def test_an_empty_queue_is_waited_at_for_the_time_given_and_no_longer(api: httpx2.AsyncClient) -> None:
    begin = time.monotonic()
    assert await receive(api, "never-used", wait_seconds=2) == []
    assert 2 <= time.monotonic() - begin < 15


async def test_a_queue_that_does_not_exist_yet_can_be_waited_at(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    waiting = await waiting_receiver(api, database, "new")
    await send(api, "new", 1)
    assert (await waiting)[0] == [1]


@pytest.mark.usefixtures("only_told")
async def test_those_who_wait_hold_no_connections(settings: ApiSettings, database: asyncpg.Connection) -> None:
    small = settings.model_copy(update={"queue_pool_size": 1, "database_pool_size": 3})
    async with running_api(small) as api:
        waiting = [asyncio.create_task(receive(api, f"q{number % 10}", wait_seconds=20)) for number in range(50)]
        await eventually(lambda: _metric_is(api, "rollcall_api_queue_receivers_waiting", 50))
        for number in range(10):
            await send(api, f"q{number}", *range(5))
        received = await asyncio.gather(*waiting)
    assert sorted(payload for messages in received for payload in payloads(messages)) == sorted([*range(5)] * 10)
    connections = await database.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND datname = current_database()",
        APPLICATION_NAME,
    )
    assert connections <= 2


async def _metric_is(api: httpx2.AsyncClient, name: str, value: float) -> bool:
    metrics = (await api.get("/metrics")).text
    return any(line == f"{name} {float(value)}" for line in metrics.splitlines())


async def test_waiting_receivers_are_served_in_the_order_in_which_they_came(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    first = await waiting_receiver(api, database)
    second = await waiting_receiver(api, database)
    await send(api, "q", 1)
    assert (await first)[0] == [1]
    await send(api, "q", 2)
    assert (await second)[0] == [2]


async def test_a_client_that_hangs_up_while_it_waits_takes_no_message(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    waiting = await waiting_receiver(api, database)
    waiting.cancel()
    await asyncio.wait({waiting})
    await eventually(lambda: _metric_is(api, "rollcall_api_queue_receivers_waiting", 0))
    await send(api, "q", 1)
    (message,) = await receive(api, "q")
    assert message["receiveCount"] == 1


@pytest.mark.parametrize("address", ["/v1/queues/default/receive", "/v1/consumer?cid=gone", "/message/next"])
async def test_a_client_that_hangs_up_without_having_wanted_to_wait_takes_no_message(
    api: httpx2.AsyncClient, database: asyncpg.Connection, address: str
) -> None:
    await send(api, "default", 1)
    async with database.transaction():
        await database.execute("LOCK TABLE queue_messages IN ACCESS EXCLUSIVE MODE")
        body = {"consumerId": "gone"}
        leaving = asyncio.create_task(api.post(address, json=body) if address.endswith("receive") else api.get(address))
        await eventually(lambda: _a_claim_waits(database))
        leaving.cancel()
        await asyncio.wait({leaving})
        # By the answer to another request the server has seen the first one's connection close.
        await api.get("/livez")
    (message,) = await receive(api, "default", wait_seconds=10)
    assert message["receiveCount"] == 1


async def _a_claim_waits(database: asyncpg.Connection) -> bool:
    # Within a transaction Postgres would show again and again what it saw first.
    await database.execute("SELECT pg_stat_clear_snapshot()")
    found = await database.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' "
        "AND application_name = $1",
        APPLICATION_NAME,
    )
    return bool(found)
