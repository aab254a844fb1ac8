"""While Postgres is away nothing valid is given up, readiness says so, and work goes on by itself when it is back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from shared.amqp.topology import DEAD_CHUNKS_QUEUE, DEAD_LETTERS_QUEUE
from tests.acceptance.conftest import SMALL_CHUNKS, MixedUpload
from tests.support.own_postgres import OwnPostgres, own_postgres
from tests.support.plain_http import plain_client
from tests.support.servers import Servers
from tests.support.services import Backends, Service, Services
from tests.support.system import System
from tests.support.tcp_proxy import TcpProxy, tcp_proxy
from tests.support.waiting import eventually

pytestmark = pytest.mark.fault(16)

AWAY_SECONDS = 10
LONG_AWAY_SECONDS = 120
# A database that says nothing is given up after so long.
PATIENCE = {"ROLLCALL_DATABASE_ANSWER_TIMEOUT_SECONDS": "3", "ROLLCALL_API_STATEMENT_TIMEOUT_SECONDS": "3"}
LISTS = ("/v1/employees", "/v1/employees?searchTerm=asha", "/v1/employees.csv")


class Outage(NamedTuple):
    begin: Callable[[], Awaitable[None]]
    end: Callable[[], Awaitable[None]]


@pytest.fixture
async def postgres(servers: Servers, tmp_path: Path) -> AsyncIterator[OwnPostgres]:
    async with own_postgres(servers.kind, tmp_path) as postgres:
        yield postgres


@pytest.fixture
def database_url(postgres: OwnPostgres) -> str:
    return postgres.url


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[TcpProxy]:
    async with tcp_proxy(database_url) as proxy:
        yield proxy


@pytest.fixture
async def services(proxy: TcpProxy, amqp_url: str, upload_store_url: str, tmp_path: Path) -> AsyncIterator[Services]:
    """Their way to the database can be cut; the test's own cannot."""
    backends = Backends(proxy.url, amqp_url, upload_store_url)
    async with Services(backends, tmp_path / "logs", SMALL_CHUNKS | PATIENCE, warm=True) as services:
        yield services


@pytest.fixture
def outages(postgres: OwnPostgres, proxy: TcpProxy, system: System) -> dict[str, Outage]:
    """Connections refused, the server stopped, every packet dropped."""

    async def cut() -> None:
        proxy.cut()

    async def start() -> None:
        await postgres.start()
        await system.reconnect()

    async def stall() -> None:
        proxy.stall()

    async def resume() -> None:
        proxy.resume()

    return {
        "refused": Outage(cut, proxy.open),
        "stopped": Outage(postgres.stop, start),
        "silent": Outage(stall, resume),
    }


@pytest.mark.parametrize("kind", ["refused", "stopped", pytest.param("silent", marks=pytest.mark.fault(39))])
async def test_upload_waits_for_a_database_that_is_away_and_loses_nothing(
    kind: str, outages: dict[str, Outage], services: Services, system: System, mixed: MixedUpload
) -> None:
    await _upload_through(outages[kind], AWAY_SECONDS, services, system, mixed)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["stopped", pytest.param("silent", marks=pytest.mark.fault(39))])
async def test_upload_waits_for_a_database_that_is_away_for_minutes(
    kind: str, outages: dict[str, Outage], services: Services, system: System, mixed: MixedUpload
) -> None:
    await _upload_through(outages[kind], LONG_AWAY_SECONDS, services, system, mixed)


async def _upload_through(
    outage: Outage, seconds: float, services: Services, system: System, mixed: MixedUpload
) -> None:
    # So slow that the consumers have chunks in hand when the database is away, however long its end takes.
    await services.start_slow(chunk_seconds=0.4)
    upload_id = await system.upload(mixed.file, mixed.mode)
    assert await _statuses_of_lists(system) == {200}
    await system.until_rows_done(upload_id, 1_000)

    await outage.begin()
    back_at = asyncio.get_running_loop().time() + seconds
    for service in services.all:
        await eventually(partial(_says_that_the_database_is_away, service))
    assert await _statuses_of_lists(system) == {503}
    await system.until_consumed_by(0)
    letters = (await system.broker.state(DEAD_LETTERS_QUEUE)).ready
    await asyncio.sleep(back_at - asyncio.get_running_loop().time())  # long enough for several tries to fail
    assert (await system.broker.state(DEAD_LETTERS_QUEUE)).ready == letters
    assert (await system.broker.state(DEAD_CHUNKS_QUEUE)).ready == 0
    await outage.end()

    upload = await system.until_finished(upload_id)
    assert await system.differences(upload, mixed.expected, after_crash=True) == []
    assert all(service.is_alive for service in services.all)
    for service in services.all:
        await service.until_ready()
    assert await _statuses_of_lists(system) == {200}


async def _statuses_of_lists(system: System) -> set[int]:
    answers = await asyncio.gather(*(system.client.get(path) for path in LISTS))
    return {answer.status_code for answer in answers}


async def _says_that_the_database_is_away(service: Service) -> bool:
    async with plain_client() as client:
        answer = await client.get(f"{service.url}/readyz")
    return answer.status_code == 503 and answer.json()["checks"]["database"] == "failed"
