"""Postgres restarted and sessions ended at the worst moments: what is committed counts once, all else is done again."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Literal

import asyncpg
import pytest

from tests.acceptance.conftest import MixedUpload
from tests.support.database_faults import hanging_commits, terminate_in_commit, terminate_sessions
from tests.support.failpoint_settings import stopping_consumer, stopping_producer
from tests.support.own_postgres import OwnPostgres, own_postgres
from tests.support.servers import Servers
from tests.support.services import Service, Services
from tests.support.system import System
from tests.support.tcp_proxy import tcp_proxy
from tests.support.uploads import send
from tests.support.waiting import eventually

pytestmark = pytest.mark.fault(15)

DONE_ALREADY = "chunk was done already"


@pytest.fixture
async def postgres(servers: Servers, tmp_path: Path) -> AsyncIterator[OwnPostgres]:
    async with own_postgres(servers.kind, tmp_path) as postgres:
        yield postgres


@pytest.fixture
def database_url(postgres: OwnPostgres) -> str:
    return postgres.url


async def start_with_a_consumer_that_stops_before_its_commit(services: Services, **own: str) -> Service:
    """It has done everything but that for its sixth chunk. It is the only one."""
    consumer = services.launch("consumer_service", stopping_consumer("consumer.inside_transaction", after=5) | own)
    services.launch("producer_service")
    await services.start("api_service")
    return consumer


@pytest.mark.parametrize("how", ["immediately", "killed"])
async def test_restart_in_an_open_transaction_leaves_no_trace(
    how: Literal["immediately", "killed"],
    postgres: OwnPostgres,
    services: Services,
    system: System,
    mixed: MixedUpload,
) -> None:
    consumer = await start_with_a_consumer_that_stops_before_its_commit(services)
    upload_id = await system.upload(mixed.file, mixed.mode)
    await consumer.until_stopped()

    await (postgres.stop_immediately() if how == "immediately" else postgres.kill())
    await postgres.start()
    await system.reconnect()
    assert await ledger(system, upload_id) == {1, 101, 201, 301, 401}
    consumer.signal(signal.SIGCONT)

    upload = await system.until_finished(upload_id)
    assert await system.differences(upload, mixed.expected, after_crash=True) == []
    assert "holding" in consumer.log.read_text()
    assert DONE_ALREADY not in consumer.log.read_text()


async def test_session_ended_right_before_its_commit_has_had_no_effect(
    services: Services, system: System, mixed: MixedUpload
) -> None:
    consumer = await start_with_a_consumer_that_stops_before_its_commit(services)
    upload_id = await system.upload(mixed.file, mixed.mode)
    await consumer.until_stopped()

    its_own = "application_name = 'rollcall consumer' AND state = 'idle in transaction'"
    assert await terminate_sessions(system.database, its_own) == 1
    consumer.signal(signal.SIGCONT)

    upload = await system.until_finished(upload_id)
    assert await system.differences(upload, mixed.expected, after_crash=True) == []
    assert DONE_ALREADY not in consumer.log.read_text()


async def test_consumer_whose_session_is_ended_during_commit_learns_from_the_ledger_that_it_was_done(
    services: Services, system: System, mixed: MixedUpload
) -> None:
    consumer = await start_with_a_consumer_that_stops_before_its_commit(services)
    upload_id = await system.upload(mixed.file, mixed.mode)
    await consumer.until_stopped()

    async with hanging_commits(system.database):
        consumer.signal(signal.SIGCONT)
        committed = partial(is_committed, system, upload_id, first_row=501)
        await terminate_in_commit(system.database, "rollcall consumer", until=committed)

    upload = await system.until_finished(upload_id)
    assert await system.differences(upload, mixed.expected, after_crash=True) == []
    await eventually(lambda: DONE_ALREADY in consumer.log.read_text())


async def test_consumer_that_never_hears_of_its_commit_learns_from_the_ledger_that_it_was_done(
    services: Services, system: System, database_url: str, mixed: MixedUpload
) -> None:
    async with tcp_proxy(database_url) as proxy:
        own = {"ROLLCALL_DATABASE_URL": proxy.url}
        consumer = await start_with_a_consumer_that_stops_before_its_commit(services, **own)
        upload_id = await system.upload(mixed.file, mixed.mode)
        await consumer.until_stopped()

        proxy.stall(answers_only=True)
        consumer.signal(signal.SIGCONT)
        await eventually(partial(is_committed, system, upload_id, first_row=501), seconds=60)
        proxy.cut()
        proxy.resume()
        await proxy.open()

        upload = await system.until_finished(upload_id)
        assert await system.differences(upload, mixed.expected, after_crash=True) == []
        await eventually(lambda: DONE_ALREADY in consumer.log.read_text())


async def test_producer_whose_session_is_ended_while_it_commits_the_end_finds_it_ended(
    services: Services, system: System, mixed: MixedUpload
) -> None:
    producer = services.launch("producer_service", stopping_producer("producer.before_finish"))
    services.launch("consumer_service")
    await services.start("api_service")
    upload_id = await system.upload(mixed.file, mixed.mode)
    await producer.until_stopped()

    async with hanging_commits(system.database):
        producer.signal(signal.SIGCONT)
        await terminate_in_commit(system.database, "rollcall producer", until=partial(has_ended, system, upload_id))

    upload = await system.until_finished(upload_id)
    assert await system.differences(upload, mixed.expected) == []
    # The commit that ended it is the one whose answer the producer has not had.
    await eventually(lambda: "not finished yet" in producer.log.read_text())


async def test_upload_whose_commit_is_never_answered_is_found_again_by_its_key(
    services: Services, system: System, mixed: MixedUpload
) -> None:
    await services.start_all(consumers=1)
    content = mixed.file.read_bytes()

    async with hanging_commits(system.database):
        sending = asyncio.create_task(send(system.client, content, key="k", onDuplicate=mixed.mode))
        await terminate_in_commit(system.database, "api_service", until=partial(is_taken, system))
        assert (await sending).status_code == 503
    again = await send(system.client, content, key="k", onDuplicate=mixed.mode)

    assert again.status_code in (200, 202)
    assert await system.database.fetchval("SELECT count(*) FROM uploads") == 1
    upload = await system.until_finished(again.json()["id"])
    assert await system.differences(upload, mixed.expected) == []


async def test_upload_survives_that_all_sessions_are_ended_again_and_again(
    services: Services, system: System, mixed: MixedUpload
) -> None:
    await services.start_slow(chunk_seconds=0.3)
    upload_id = await system.upload(mixed.file, mixed.mode)

    for rows in range(400, 4_400, 400):
        await system.until_rows_done(upload_id, rows)
        assert await terminate_sessions(system.database) > 0

    upload = await system.until_finished(upload_id)
    assert await system.differences(upload, mixed.expected, after_crash=True) == []
    assert all(service.is_alive for service in services.all)


@pytest.mark.long
async def test_restarts_at_random_moments_leave_no_trace(
    postgres: OwnPostgres, services: Services, system: System, mixed: MixedUpload
) -> None:
    seed = int(os.environ.get("ROLLCALL_TEST_SEED", random.randrange(2**32)))
    print(f"ROLLCALL_TEST_SEED={seed}")  # noqa: T201 - shown when the test fails
    chance = random.Random(seed)
    await services.start_slow(chunk_seconds=0.3)
    upload_id = await system.upload(mixed.file, mixed.mode)

    for rows in (500, 2_000, 3_500):
        await system.until_rows_done(upload_id, rows)
        await asyncio.sleep(chance.uniform(0, 0.5))  # the moment is the test's input, nothing is waited for
        await chance.choice((postgres.stop_immediately, postgres.kill))()
        await postgres.start()
        await system.reconnect()

    upload = await system.until_finished(upload_id)
    assert await system.differences(upload, mixed.expected, after_crash=True) == []
    assert all(service.is_alive for service in services.all)


async def ledger(system: System, upload_id: str) -> set[int]:
    rows: list[asyncpg.Record] = await system.database.fetch(
        "SELECT first_row FROM upload_chunks WHERE upload_id = $1", upload_id
    )
    return {row["first_row"] for row in rows}


async def is_committed(system: System, upload_id: str, *, first_row: int) -> bool:
    return first_row in await ledger(system, upload_id)


async def has_ended(system: System, upload_id: str) -> bool:
    return bool(await system.database.fetchval("SELECT finished_at IS NOT NULL FROM uploads WHERE id = $1", upload_id))


async def is_taken(system: System) -> bool:
    return bool(await system.database.fetchval("SELECT count(*) FROM uploads"))
