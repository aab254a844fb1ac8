"""A broker that is stopped, killed, away for long or takes nothing: all of it goes on by itself when it is back."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import httpx2
import pytest

from deploy.local import private_servers
from producer_service.settings import ProducerSettings
from shared.amqp.topology import DEAD_LETTERS_QUEUE, REQUESTS_QUEUE
from tests.acceptance.conftest import SMALL_CHUNKS, MixedUpload
from tests.support import servers as test_servers
from tests.support.failpoint_settings import slow_consumer
from tests.support.own_broker import FULL_DISK, ROOM_AGAIN, OwnBroker, own_broker, vhost_on
from tests.support.patience import patience
from tests.support.plain_http import plain_client
from tests.support.reference import read_top_to_bottom
from tests.support.seeded_random import seeded_random
from tests.support.servers import Servers
from tests.support.services import Backends, Service, Services
from tests.support.system import System
from tests.support.tcp_proxy import tcp_proxy
from tests.support.waiting import eventually

LONG_OUTAGE_SECONDS = float(os.environ.get("ROLLCALL_TEST_OUTAGE_SECONDS", "300"))
BACK_AT_WORK_SECONDS = 30
# What a producer with nothing else to do sends before the first answer.
WINDOW: int = ProducerSettings.model_fields["window_chunks"].default
ALARMS = {
    "memory": (("set_vm_memory_high_watermark", "0"), ("set_vm_memory_high_watermark", "0.6")),
    "disk": (FULL_DISK, ROOM_AGAIN),
}


@pytest.fixture(scope="module")
def rabbit(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnBroker]:
    with own_broker(servers.kind, tmp_path_factory.mktemp("own-broker")) as broker:
        yield broker


@pytest.fixture
async def amqp_url(rabbit: OwnBroker, servers: Servers) -> AsyncIterator[str]:
    """A virtual host of the test's own, on the broker that it may stop."""
    async with vhost_on(rabbit, servers) as url:
        yield url


@pytest.fixture
async def services(database_url: str, amqp_url: str, upload_store_url: str, tmp_path: Path) -> AsyncIterator[Services]:
    environment = {**SMALL_CHUNKS, "ROLLCALL_PUBLISH_TIMEOUT_SECONDS": "2"}
    backends = Backends(database_url, amqp_url, upload_store_url)
    async with Services(backends, tmp_path / "logs", environment, warm=True) as services:
        yield services


@pytest.mark.fault(10)
@pytest.mark.parametrize(
    "away_seconds",
    [
        pytest.param(20, id="20 s"),
        pytest.param(LONG_OUTAGE_SECONDS, id="5 minutes", marks=pytest.mark.long),
    ],
)
async def test_broker_that_was_away_is_followed_by_everything_within_30_seconds_of_its_return(
    away_seconds: float, rabbit: OwnBroker, services: Services, system: System, mixed: MixedUpload
) -> None:
    # So slow that it is under way for longer than the broker takes to end.
    await services.start_slow(chunk_seconds=0.3)
    upload_id = await system.upload(mixed.file, mixed.mode)
    await system.until_rows_done(upload_id, 1_000)
    processes = [service.pid for service in services.all]

    await rabbit.stop()
    for service in [services.producer, *services.of("consumer_service")]:
        await eventually(service.says_not_ready)
    await asyncio.sleep(away_seconds)
    assert (await system.state(upload_id))["status"] == "running"
    await rabbit.start()

    async with asyncio.timeout(BACK_AT_WORK_SECONDS * patience()):
        upload = await system.until_finished(upload_id)
        for service in services.all:
            await service.until_ready()
    assert await system.differences(upload, mixed.expected, after_crash=True) == []
    assert [service.pid for service in services.all] == processes
    assert all(service.is_alive for service in services.all)


@pytest.mark.fault(10)
@pytest.mark.parametrize("arrived", [True, False], ids=["arrived", "lost"])
async def test_chunks_that_a_killed_broker_had_not_confirmed_are_published_again(
    arrived: bool, rabbit: OwnBroker, services: Services, system: System, amqp_url: str, mixed: MixedUpload
) -> None:
    async with tcp_proxy(amqp_url) as proxy:
        consumer = services.launch("consumer_service")
        producer = services.launch("producer_service", {"ROLLCALL_AMQP_URL": proxy.url})
        await services.start("api_service")
        await _open_the_publishers_connection(producer)
        await consumer.terminate()

        proxy.stall(answers_only=arrived)
        upload_id = await system.upload(mixed.file, mixed.mode)
        await eventually(partial(_has_read, system, upload_id, WINDOW * 100))
        if arrived:
            await eventually(partial(system.broker.has_ready, REQUESTS_QUEUE, WINDOW))
        await rabbit.kill()
        await rabbit.start()
        proxy.resume()
        # Those that had arrived were on disk, unknown to the producer: they come twice.
        await eventually(partial(system.broker.has_ready, REQUESTS_QUEUE, WINDOW * (1 + arrived)))
        await consumer.restart()

        upload = await system.until_finished(upload_id)
        assert await system.differences(upload, mixed.expected, after_crash=True) == []
    assert producer.log.read_text().count("chunk not sent") >= WINDOW
    assert consumer.log.read_text().count("chunk was done already") == WINDOW * arrived


@pytest.mark.fault(10)
@pytest.mark.fault(11)
@pytest.mark.fault(12)
async def test_random_faults_of_the_broker_during_an_upload_leave_no_trace(
    rabbit: OwnBroker, servers: Servers, services: Services, system: System, amqp_url: str, mixed: MixedUpload
) -> None:
    chance = seeded_random()
    async with tcp_proxy(amqp_url) as proxy, test_servers.management(rabbit.instead_of(servers)) as api:

        async def close_all() -> None:
            await api.delete(f"/api/connections/username/{private_servers.USER}")

        async def cut() -> None:
            proxy.cut()
            await proxy.open()

        async def stall() -> None:
            proxy.stall()
            await asyncio.sleep(chance.uniform(0.5, 6))  # past the heartbeat, or not
            proxy.resume()

        async def kill() -> None:
            await rabbit.kill()
            await rabbit.start()

        environment = {"ROLLCALL_AMQP_URL": proxy.url, "ROLLCALL_AMQP_HEARTBEAT_SECONDS": "1"}
        for _ in range(3):
            services.launch("consumer_service", {**environment, **slow_consumer(0.5)})
        services.launch("producer_service", environment)
        await services.start("api_service", environment)
        upload_id = await system.upload(mixed.file, mixed.mode)
        for fault in chance.sample([close_all, close_all, cut, cut, stall, stall, kill], 5):
            await asyncio.sleep(chance.uniform(0.1, 1.5))  # the moment is the test's input, nothing is waited for
            await fault()

        upload = await system.until_finished(upload_id)
        assert await system.differences(upload, mixed.expected, after_crash=True) == []


@pytest.mark.fault(13)
@pytest.mark.parametrize("alarm", ["memory", "disk"])
async def test_broker_that_blocks_publishers_delays_what_has_to_be_published_and_nothing_else(
    alarm: str,
    rabbit: OwnBroker,
    servers: Servers,
    services: Services,
    system: System,
    amqp_url: str,
    tmp_path: Path,
) -> None:
    file = tmp_path / "one-bad-row.csv"
    good = [f"Ada Byron,Engines,+441234567890,ada{number}@byron.example\n" for number in range(999)]
    file.write_text("".join(["employee_name,company_name,mobile_no,email\n", *good[:250], "Bad,,,\n", *good[250:]]))
    await services.start("api_service")
    await services.start("producer_service", {"ROLLCALL_PRODUCER_WINDOW_CHUNKS": "10"})
    first = await system.upload(file)
    await eventually(partial(system.broker.has_ready, REQUESTS_QUEUE, 10))

    begin, end = ALARMS[alarm]
    await rabbit.ctl(*begin)
    try:
        async with test_servers.management(rabbit.instead_of(servers)) as api:
            await eventually(partial(_publishers_are_blocked, api))
            second = await system.upload(file)
            assert "left to the sweeper" in services.api.log.read_text()
            consumers = [await services.start("consumer_service") for _ in range(2)]
            # Nine chunks are acknowledged; the one with the bad row is committed too, and waits for its confirm.
            await eventually(partial(_has_chunks, system, first, 10))
            await eventually(partial(_is_unacknowledged, api, amqp_url.rpartition("/")[2], 1), seconds=40)
        assert (await system.broker.state(REQUESTS_QUEUE)).ready == 0
        await eventually(
            lambda: any("dead letters wait for the broker" in consumer.log.read_text() for consumer in consumers)
        )
        assert (await system.broker.state(DEAD_LETTERS_QUEUE)).ready == 0
        await eventually(partial(_is_running, system, second))
    finally:
        await rabbit.ctl(*end)

    upload = await system.until_finished(first)
    again = await system.until_finished(second)
    assert await system.differences(upload, read_top_to_bottom(file), after_crash=True) == []
    assert (again["duplicates"], again["rejected"], again["unprocessed"]) == (999, 1, 0)
    assert "holding" not in "".join(consumer.log.read_text() for consumer in consumers)


async def _open_the_publishers_connection(producer: Service) -> None:
    async with plain_client(timeout=60) as client:
        await producer.until_ready()
        answer = await client.post(f"{producer.url}/v1/requests", json={"messages": ["hello"]})
    assert answer.status_code == 200


async def _has_read(system: System, upload_id: str, rows: int) -> bool:
    read = await system.database.fetchval("SELECT rows_read FROM uploads WHERE id = $1", upload_id)
    return bool(read >= rows)


async def _is_running(system: System, upload_id: str) -> bool:
    return bool((await system.state(upload_id))["status"] == "running")


async def _has_chunks(system: System, upload_id: str, count: int) -> bool:
    query = "SELECT count(*) FROM upload_chunks WHERE upload_id = $1"
    return bool(await system.database.fetchval(query, upload_id) == count)


async def _publishers_are_blocked(api: httpx2.AsyncClient) -> bool:
    return (await api.get("/api/health/checks/alarms")).status_code == 503


async def _is_unacknowledged(api: httpx2.AsyncClient, vhost: str, count: int) -> bool:
    """As the broker's statistics say, which come some seconds late."""
    queue = (await api.get(f"/api/queues/{vhost}/{REQUESTS_QUEUE}")).raise_for_status().json()
    return (queue.get("messages_ready"), queue.get("messages_unacknowledged")) == (0, count)
