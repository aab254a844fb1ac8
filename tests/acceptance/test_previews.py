"""A preview says what its upload will do, whatever dies or goes away meanwhile, and does nothing itself (P9)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from tests.acceptance.conftest import SMALL_CHUNKS, MixedUpload
from tests.support.failpoint_settings import API, CONSUMER, PRODUCER, killing_api, killing_consumer, killing_producer
from tests.support.services import KILLED, Backends, Services
from tests.support.system import System
from tests.support.tcp_proxy import TcpProxy, tcp_proxy
from tests.support.uploads import send
from tests.support.waiting import eventually

AWAY_SECONDS = 3


@pytest.fixture
async def ways(database_url: str, amqp_url: str) -> AsyncIterator[tuple[TcpProxy, TcpProxy]]:
    """Those of the services to database and broker."""
    async with tcp_proxy(database_url) as database, tcp_proxy(amqp_url) as broker:
        yield database, broker


@pytest.fixture
async def services(ways: tuple[TcpProxy, TcpProxy], upload_store_url: str, tmp_path: Path) -> AsyncIterator[Services]:
    """Their ways to database and broker can be cut; the test's own cannot."""
    database, broker = ways
    backends = Backends(database.url, broker.url, upload_store_url)
    async with Services(backends, tmp_path / "logs", SMALL_CHUNKS, warm=True) as services:
        yield services


async def draft(system: System, mixed: MixedUpload) -> str:
    sent = await send(system.client, mixed.file.read_bytes(), start="draft", onDuplicate=mixed.mode)
    return str(sent.json()["id"])


async def post(system: System, upload_id: str, what: str) -> int:
    """The status of the answer; 0 if nobody was left to answer."""
    try:
        return (await system.client.post(f"/v1/uploads/{upload_id}/{what}")).status_code
    except httpx2.TransportError:
        return 0


async def until_noted(system: System, rows: int) -> None:
    async def so_far() -> bool:
        noted = await system.database.fetchval("SELECT coalesce(sum(row_count), 0) FROM preview_chunks")
        return bool(noted >= rows)

    await eventually(so_far, seconds=60)


@pytest.mark.fault(45)
async def test_preview_and_its_start_come_to_their_end_whoever_is_killed_at_any_step(
    services: Services, system: System, mixed: MixedUpload
) -> None:
    first = services.launch("consumer_service", killing_consumer("consumer.inside_preview", after=5))
    second = services.launch("consumer_service", killing_consumer("consumer.after_commit", after=8))
    services.launch("producer_service", killing_producer("producer.chunk_published", after=20))
    await services.start("api_service", killing_api("api.before_announce"))
    upload_id = await draft(system, mixed)
    assert await post(system, upload_id, "preview") == 0
    for service in (services.api, first, second, services.producer):
        assert await service.ended(seconds=60) == KILLED
    await services.api.restart({API: ""})
    await asyncio.gather(first.restart({CONSUMER: ""}), second.restart({CONSUMER: ""}))
    await services.producer.restart(killing_producer("producer.before_finish", after=0))
    assert await services.producer.ended(seconds=60) == KILLED
    assert (await system.state(upload_id))["status"] == "previewing"
    await services.producer.restart({PRODUCER: ""})

    previewed = await system.until_previewed(upload_id)
    assert await system.preview_differences(previewed, mixed.expected) == []

    await asyncio.gather(*(service.terminate() for service in (services.api, first, services.producer)))
    await services.api.restart(killing_api("api.before_announce"))
    assert await post(system, upload_id, "start") == 0
    await asyncio.gather(
        services.api.restart({API: ""}),
        first.restart(killing_consumer("consumer.inside_transaction", after=3)),
        services.producer.restart(killing_producer("producer.chunk_published", after=10)),
    )
    for service in (first, services.producer):
        assert await service.ended(seconds=60) == KILLED
    await asyncio.gather(first.restart({CONSUMER: ""}), services.producer.restart({PRODUCER: ""}))
    upload = await system.until_finished(upload_id)
    assert await system.differences(upload, mixed.expected, after_crash=True) == []
    assert upload["preview"] == previewed["preview"]


@pytest.mark.fault(46)
async def test_preview_waits_for_a_broker_and_a_database_that_are_away(
    services: Services, system: System, mixed: MixedUpload, ways: tuple[TcpProxy, TcpProxy]
) -> None:
    await services.start_slow(chunk_seconds=0.1)
    upload_id = await draft(system, mixed)
    assert await post(system, upload_id, "preview") == 202
    for way, rows in zip(ways, (500, 2_500), strict=True):
        await until_noted(system, rows)
        way.cut()
        await asyncio.sleep(AWAY_SECONDS)  # long enough for several tries to fail
        await way.open()

    previewed = await system.until_previewed(upload_id)
    assert await system.preview_differences(previewed, mixed.expected) == []


@pytest.mark.fault(47)
async def test_chunks_of_a_preview_that_is_over_join_neither_another_nor_an_upload(
    services: Services, system: System, mixed: MixedUpload
) -> None:
    await services.start_slow(chunk_seconds=0.3)
    cancelled = await draft(system, mixed)
    assert await post(system, cancelled, "preview") == 202
    await until_noted(system, 300)
    assert await post(system, cancelled, "cancel") == 202
    upload_id = await draft(system, mixed)
    # Sent by hand, because nobody is so quick: those of the first are in the queue while the others are.
    assert await post(system, upload_id, "preview") == 202
    async with system.database.transaction():
        await system.database.execute("SELECT 1 FROM uploads WHERE id = $1 FOR UPDATE", upload_id)
        renewed = await system.database.fetchval("INSERT INTO upload_previews DEFAULT VALUES RETURNING id")
        await system.database.execute("UPDATE uploads SET preview_id = $2 WHERE id = $1", upload_id, renewed)
        lease = "UPDATE upload_leases SET owner = '', fence = fence + 1, runs_out_at = now() WHERE upload_id = $1"
        await system.database.execute(lease, upload_id)

    previewed = await system.until_previewed(upload_id)
    assert await system.preview_differences(previewed, mixed.expected) == []
    assert await post(system, upload_id, "start") == 202
    upload = await system.until_finished(upload_id)
    assert await system.differences(upload, mixed.expected) == []

    async def forgotten() -> bool:
        return not await system.database.fetchval("SELECT count(*) FROM upload_previews")

    await eventually(forgotten, seconds=60)
    assert await system.database.fetchval("SELECT count(*) FROM preview_notes") == 0
