"""While Postgres is away nothing valid is given up, readiness says so, and work goes on by itself when it is back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import httpx2
import pytest

from tests.acceptance.conftest import SMALL_CHUNKS, MixedUpload
from tests.support.failpoint_settings import slow_consumer
from tests.support.services import Backends, Service, Services
from tests.support.system import System
from tests.support.tcp_proxy import TcpProxy, tcp_proxy
from tests.support.waiting import eventually

AWAY_SECONDS = 10


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[TcpProxy]:
    async with tcp_proxy(database_url) as proxy:
        yield proxy


@pytest.fixture
async def services(proxy: TcpProxy, amqp_url: str, upload_store_url: str, tmp_path: Path) -> AsyncIterator[Services]:
    """Their way to the database can be cut; the test's own cannot."""
    backends = Backends(proxy.url, amqp_url, upload_store_url)
    async with Services(backends, tmp_path / "logs", SMALL_CHUNKS) as services:
        yield services


async def test_upload_waits_for_a_database_that_is_away_and_loses_nothing(
    proxy: TcpProxy, services: Services, system: System, mixed: MixedUpload
) -> None:
    for _ in range(2):
        services.launch("consumer_service", slow_consumer(0.05))
    services.launch("producer_service")
    await services.start("api_service")
    upload_id = await system.upload(mixed.file, mixed.mode)
    await system.until_rows_done(upload_id, 1_000)

    proxy.cut()
    away_until = asyncio.get_running_loop().time() + AWAY_SECONDS
    for service in services.all:
        await eventually(partial(_says_that_the_database_is_away, service))
    await asyncio.sleep(away_until - asyncio.get_running_loop().time())  # long enough for several tries to fail
    await proxy.open()

    upload = await system.until_finished(upload_id)
    assert await system.differences(upload, mixed.expected, after_crash=True) == []
    assert all(service.is_alive for service in services.all)
    for service in services.all:
        await service.until_ready()


async def _says_that_the_database_is_away(service: Service) -> bool:
    async with httpx2.AsyncClient(timeout=10) as client:
        answer = await client.get(f"{service.url}/readyz")
    return answer.status_code == 503 and answer.json()["checks"]["database"] == "failed"
