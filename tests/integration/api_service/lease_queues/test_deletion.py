"""A queue is deleted with all that is in it, and what comes under its name afterwards is another queue."""

from __future__ import annotations

import asyncio
import contextlib

import asyncpg
import httpx2
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from api_service.lease_queues import deletion, send_queries
from api_service.settings import ApiSettings
from deploy.program import free_port
from tests.support.api import running_api
from tests.support.api_process import start_api
from tests.support.patience import patience
from tests.support.plain_http import plain_client
from tests.support.queues import acknowledge, assert_problem, counts, payloads, receive, send
from tests.support.waiting import eventually


async def test_a_deleted_queue_is_gone_with_its_messages_and_settings(api: httpx2.AsyncClient) -> None:
    await api.put("/v1/queues/q", json={"maxReceives": 3})
    await send(api, "q", 1, 2)
    await send(api, "other", "kept")
    (old,) = await receive(api, "q")
    assert (await api.delete("/v1/queues/q")).json() == {"removed": 2, "complete": True}
    assert_problem(await api.delete("/v1/queues/q"), 404, "unknown_queue")
    assert_problem(await api.get("/v1/queues/q"), 404, "unknown_queue")
    (new_id,) = await send(api, "q", 3)
    assert (await api.get("/v1/queues/q")).json()["maxReceives"] == 10
    # A receipt of before is worth nothing in the new one, whose ids are others.
    (new,) = await receive(api, "q", 10)
    assert new["payload"] == 3
    assert new_id > old["id"]
    assert await acknowledge(api, "q", [old["receipt"], new["receipt"]]) == ["lease_lost", "acknowledged"]
    assert payloads(await receive(api, "other")) == ["kept"]


async def test_only_an_empty_queue_is_deleted_if_that_is_asked_for(api: httpx2.AsyncClient) -> None:
    await send(api, "q", 1, delay_seconds=100)
    assert_problem(await api.delete("/v1/queues/q?ifEmpty=true"), 409, "queue_not_empty")
    assert await counts(api, "q") == {"delayed": 1}
    await api.delete("/v1/queues/q/messages")
    assert (await api.delete("/v1/queues/q?ifEmpty=true")).json() == {"removed": 0, "complete": True}
    assert_problem(await api.delete("/v1/queues/q?ifEmpty=perhaps"), 422, "invalid_request")
    assert_problem(await api.request("DELETE", "/v1/queues/q", json={"ifEmpty": True}), 422, "invalid_request")


async def test_no_message_whose_send_was_answered_is_lost_to_a_deletion_of_an_empty_queue(
    settings: ApiSettings,
) -> None:
    async with running_api(settings) as one, running_api(settings) as other:
        stop = asyncio.Event()
        all_sent = asyncio.Event()
        sent: set[int] = set()
        received: set[int] = set()
        deletions = 0

        async def send_on(api: httpx2.AsyncClient) -> None:
            while not stop.is_set():
                (message_id,) = await send(api, "q", 1)
                sent.add(message_id)
                # So that the queue is empty again and again.
                await eventually(lambda: message_id in received, seconds=60)  # noqa: B023 - awaited at once

        async def receive_on(api: httpx2.AsyncClient) -> None:
            # What is being sent when it is time to stop is still waited for.
            while not all_sent.is_set() or await receive_some(api):
                await receive_some(api)

        async def receive_some(api: httpx2.AsyncClient) -> bool:
            messages = await receive(api, "q", 100)
            if messages:
                received.update(message["id"] for message in messages)
                await acknowledge(api, "q", [message["receipt"] for message in messages])
            return bool(messages)

        sending = asyncio.gather(send_on(one), send_on(other))
        receiving = asyncio.gather(receive_on(one), receive_on(other))
        async with asyncio.timeout(120 * patience()):
            while deletions < 10 or len(sent) < 50:
                answer = await one.delete("/v1/queues/q?ifEmpty=true")
                assert answer.status_code in (200, 404, 409), answer.text
                deletions += answer.status_code == 200
            stop.set()
            await sending
            all_sent.set()
            await receiving
        assert received == sent


async def test_a_send_whose_queue_is_deleted_as_soon_as_it_is_opened_opens_it_again(
    api: httpx2.AsyncClient, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_queue = send_queries.open_queue
    opened = 0

    async def open_and_lose(connection: AsyncConnection, queue: str) -> None:
        nonlocal opened
        opened += 1
        await open_queue(connection, queue)
        if opened < 3:
            await database.execute("DELETE FROM queues WHERE name = $1", queue)

    monkeypatch.setattr(send_queries, "open_queue", open_and_lose)
    (message_id,) = await send(api, "q", 1)
    assert [message["id"] for message in await receive(api, "q", 10)] == [message_id]
    assert opened == 3


async def test_a_deletion_waits_for_nobody_for_long(
    settings: ApiSettings, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert deletion.TRIES * deletion.PAUSE_SECONDS > 1
    # However long the others take here: it has not given up.
    monkeypatch.setattr(deletion, "TRIES", 1000)
    async with running_api(settings) as api:
        await send(api, "q", 1)
        async with database.transaction():
            # As a long listing of queues does.
            await database.fetchval("SELECT count(*) FROM queues")
            deleting = asyncio.create_task(api.delete("/v1/queues/q"))
            for number in range(10):
                await send(api, "other", number)
            assert not deleting.done()
        assert (await deleting).json() == {"removed": 1, "complete": True}
        assert payloads(await receive(api, "other", 100)) == [*range(10)]


async def test_what_a_killed_process_leaves_of_a_deleted_queue_goes(
    database_url: str, upload_store_url: str, database: asyncpg.Connection
) -> None:
    """Its name was gone, and not all of its messages: nobody else would ever look for them."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    urls = (database_url, "amqp://nobody:nothing@127.0.0.1:1/none", upload_store_url)
    process = await start_api(port, *urls, ROLLCALL_LOG_LEVEL="ERROR")
    async with plain_client(address, timeout=60) as api:
        await eventually(lambda: _answers(api), seconds=60)
        await send(api, "q", *range(100))
        await send(api, "other", "kept")
        async with database.transaction():
            await database.execute("SELECT 1 FROM queue_messages FOR UPDATE")
            deleting = asyncio.create_task(api.delete("/v1/queues/q"))
            await eventually(lambda: _name_is_gone(database), seconds=30)
            process.kill()
            await process.wait()
            with contextlib.suppress(httpx2.HTTPError):
                await deleting
            # What it had asked for would still be done, as soon as the rows are free.
            await eventually(lambda: _has_nobody_else(database), seconds=30)
        assert await database.fetchval("SELECT count(*) FROM queue_messages") == 101
        again = await start_api(port, *urls, ROLLCALL_LOG_LEVEL="ERROR")
        await eventually(lambda: _is_swept(database), seconds=60)
        assert await database.fetchval("SELECT count(*) FROM queue_messages") == 1
        again.kill()
        await again.wait()


async def _answers(api: httpx2.AsyncClient) -> bool:
    with contextlib.suppress(httpx2.HTTPError):
        return (await api.get("/livez")).status_code == 200
    return False


async def _name_is_gone(database: asyncpg.Connection) -> bool:
    return bool(await database.fetchval("SELECT count(*) FROM deleted_queues"))


async def _has_nobody_else(database: asyncpg.Connection) -> bool:
    # Within a transaction the view stays what it was.
    await database.execute("SELECT pg_stat_clear_snapshot()")
    others = "datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    return not await database.fetch(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")


async def _is_swept(database: asyncpg.Connection) -> bool:
    return not await database.fetchval("SELECT count(*) FROM deleted_queues")
