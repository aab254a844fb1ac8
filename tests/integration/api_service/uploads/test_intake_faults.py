"""Uploads while something that the API needs is away, blocked, busy or full."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import asyncpg
import httpx2
import pytest

from api_service.settings import ApiSettings
from tests.support.api import running_api
from tests.support.pipeline import NO_BROKER
from tests.support.s3 import BUCKET, full_s3, use_s3
from tests.support.tcp_proxy import tcp_proxy
from tests.support.uploads import count_locks, send, stored_files
from tests.support.waiting import eventually


def with_settings(settings: ApiSettings, **changed: Any) -> ApiSettings:
    return ApiSettings.model_validate({**settings.model_dump(), **changed})


def assert_problem(answer: httpx2.Response, status: int, code: str) -> None:
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    body = answer.json()
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code), body
    assert body["detail"]
    if status == 503:
        assert int(answer.headers["Retry-After"]) > 0


async def test_an_upload_is_taken_while_the_broker_is_away(
    settings: ApiSettings, unused_tcp_port: int, database: asyncpg.Connection
) -> None:
    broken = with_settings(settings, amqp_url=f"amqp://a:b@127.0.0.1:{unused_tcp_port}/x")
    async with running_api(broken) as api:
        answer = await send(api)
    assert answer.status_code == 202
    assert await database.fetchval("SELECT status FROM uploads WHERE id = $1", answer.json()["id"]) == "queued"


async def test_a_broker_that_says_nothing_delays_the_answer_by_about_as_long_as_it_is_waited_for(
    settings: ApiSettings,
) -> None:
    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await writer.wait_closed()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as mute:
        port = mute.sockets[0].getsockname()[1]
        own = {"amqp_url": f"amqp://a:b@127.0.0.1:{port}/x", "announce_timeout_seconds": 2}
        async with running_api(with_settings(settings, **own)) as api:
            begin = time.monotonic()
            answers = await asyncio.gather(*(send(api) for _ in range(4)))
            # One after the other they would take 8 s, and without an end of its own the first connection takes 10.
            assert time.monotonic() - begin < 8
    assert [answer.status_code for answer in answers] == [202] * 4


async def test_uploads_are_announced_again_once_the_broker_is_back(settings: ApiSettings, amqp_url: str) -> None:
    async with tcp_proxy(amqp_url) as proxy, running_api(with_settings(settings, amqp_url=proxy.url)) as api:
        assert (await send(api)).status_code == 202
        proxy.cut()
        assert (await send(api)).status_code == 202
        await proxy.open()
        assert (await send(api)).status_code == 202


async def test_a_database_that_is_away_is_said_and_forgotten_when_it_is_back(
    settings: ApiSettings, database_url: str, upload_store_url: str
) -> None:
    async with tcp_proxy(database_url) as proxy, running_api(with_settings(settings, database_url=proxy.url)) as api:
        assert (await send(api)).status_code == 202
        proxy.cut()
        assert_problem(await send(api), 503, "database_unavailable")
        assert_problem(await api.get("/v1/uploads"), 503, "database_unavailable")
        assert len(stored_files(upload_store_url)) == 1
        await proxy.open()
        assert (await api.get("/v1/uploads")).json()["totalData"] == 1
        assert (await send(api)).status_code == 202


async def test_a_lock_that_is_not_given_in_time_is_database_busy(
    settings: ApiSettings, database: asyncpg.Connection, upload_store_url: str
) -> None:
    async with running_api(with_settings(settings, lock_timeout_seconds=0.2)) as api, database.transaction():
        await database.execute("LOCK uploads")
        assert_problem(await send(api), 503, "database_busy")
        assert stored_files(upload_store_url) == []


async def test_a_query_that_takes_too_long_is_database_busy(
    settings: ApiSettings, database: asyncpg.Connection
) -> None:
    async with running_api(with_settings(settings, statement_timeout_seconds=0.2)) as api, database.transaction():
        await database.execute("LOCK uploads")
        assert_problem(await api.get("/v1/uploads"), 503, "database_busy")


@pytest.mark.usefixtures("no_turn_of_retention")
async def test_a_pool_that_is_used_up_is_database_busy(settings: ApiSettings, database: asyncpg.Connection) -> None:
    # Nothing that the API does of its own accord keeps a connection for long, or waits for this table's lock.
    connections = 3
    small = with_settings(settings, amqp_url=NO_BROKER, database_pool_size=connections, database_pool_timeout_seconds=3)
    async with running_api(small) as api:
        async with database.transaction():
            await database.execute("LOCK rejected_rows")
            holding = [asyncio.create_task(api.get("/v1/dead-letters")) for _ in range(connections)]
            await eventually(lambda: _wait_for_a_lock(database, connections))
            assert_problem(await api.get("/v1/uploads"), 503, "database_busy")
        assert [answer.status_code for answer in await asyncio.gather(*holding)] == [200] * connections
        assert (await api.get("/v1/uploads")).status_code == 200


async def _wait_for_a_lock(database: asyncpg.Connection, sessions: int) -> bool:
    return await count_locks(database, "NOT granted") == sessions


async def test_a_store_without_room_is_said(
    settings: ApiSettings, monkeypatch: pytest.MonkeyPatch, database: asyncpg.Connection
) -> None:
    async with full_s3() as endpoint:
        use_s3(monkeypatch, endpoint)
        async with running_api(with_settings(settings, upload_store_url=f"s3://{BUCKET}"), until="/livez") as api:
            assert_problem(await send(api), 507, "storage_full")
    assert await database.fetchval("SELECT count(*) FROM uploads") == 0


async def test_a_store_that_does_not_answer_is_said(
    settings: ApiSettings, monkeypatch: pytest.MonkeyPatch, database: asyncpg.Connection, unused_tcp_port: int
) -> None:
    use_s3(monkeypatch, f"http://127.0.0.1:{unused_tcp_port}")
    async with running_api(with_settings(settings, upload_store_url=f"s3://{BUCKET}"), until="/livez") as api:
        assert_problem(await send(api), 503, "storage_unavailable")
    assert await database.fetchval("SELECT count(*) FROM uploads") == 0


async def test_an_error_nobody_foresaw_is_answered_without_its_text(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    await database.execute("ALTER TABLE uploads RENAME COLUMN filename TO secret_plans")
    answer = await api.get("/v1/uploads")
    assert_problem(answer, 500, "internal_error")
    assert "filename" not in answer.text


async def test_an_address_that_does_not_exist_is_a_problem_without_the_query(api: httpx2.AsyncClient) -> None:
    answer = await api.get("/v1/nothing?searchTerm=asha")
    assert_problem(answer, 404, "not_found")
    assert answer.json()["instance"] == "/v1/nothing"


async def test_a_method_that_an_address_does_not_take_is_a_problem(api: httpx2.AsyncClient) -> None:
    answer = await api.put("/v1/employee-data-upload")
    assert_problem(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == "POST"


async def test_a_start_waits_for_the_database(settings: ApiSettings, database_url: str) -> None:
    async with tcp_proxy(database_url) as proxy:
        proxy.cut()
        asyncio.get_running_loop().call_later(1.5, lambda: asyncio.ensure_future(proxy.open()))
        async with running_api(with_settings(settings, database_url=proxy.url)) as api:
            assert (await send(api)).status_code == 202
