"""Purges and redrives of many messages: in steps, beside everybody else, and saying how far they got."""

from __future__ import annotations

import asyncio

import asyncpg
import httpx2
import pytest

from api_service.lease_queues import upkeep, upkeep_queries
from api_service.lease_queues.lease_queues import APPLICATION_NAME
from api_service.settings import ApiSettings
from tests.support.api import running_api
from tests.support.queues import counts, payloads, receive, send
from tests.support.waiting import eventually

MANY = 25


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep_queries, "STEP_MESSAGES", 10)


async def make_dead(api: httpx2.AsyncClient, database: asyncpg.Connection, queue: str) -> None:
    await send(api, queue, *range(MANY))
    await database.execute("UPDATE queue_messages SET visible_at = 'infinity', lease_expires_at = now()")


async def test_what_takes_many_steps_is_done_whole(api: httpx2.AsyncClient, database: asyncpg.Connection) -> None:
    await make_dead(api, database, "q")
    assert (await api.post("/v1/queues/q/redrive")).json() == {"redriven": MANY, "complete": True}
    assert payloads(await receive(api, "q", 5)) == [*range(5)]
    assert (await api.delete("/v1/queues/q/messages?state=visible")).json() == {"removed": MANY - 5, "complete": True}
    assert (await api.delete("/v1/queues/q/messages")).json() == {"removed": 5, "complete": True}


async def test_a_purge_whose_time_is_over_says_how_far_it_got(
    api: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "REQUEST_SECONDS", 0)
    await send(api, "q", *range(MANY))
    answers = [(await api.delete("/v1/queues/q/messages")).json() for _ in range(4)]
    assert [(answer["removed"], answer["complete"]) for answer in answers] == [
        (10, False),
        (10, False),
        (5, True),
        (0, True),
    ]


async def test_a_redrive_that_the_database_stops_says_how_far_it_got(
    settings: ApiSettings, database: asyncpg.Connection
) -> None:
    async with running_api(settings.model_copy(update={"lock_timeout_seconds": 0.2})) as api:
        await make_dead(api, database, "q")
        async with database.transaction():
            await database.execute(
                "SELECT 1 FROM queue_messages "
                "WHERE id = (SELECT id FROM queue_messages ORDER BY id OFFSET 15 LIMIT 1) FOR UPDATE"
            )
            assert (await api.post("/v1/queues/q/redrive")).json() == {"redriven": 10, "complete": False}
            assert await counts(api, "q") == {"visible": 10, "dead": MANY - 10}
        assert (await api.post("/v1/queues/q/redrive")).json() == {"redriven": MANY - 10, "complete": True}


async def test_purges_hold_up_nobody_else(settings: ApiSettings, database: asyncpg.Connection) -> None:
    async with running_api(settings.model_copy(update={"queue_pool_size": 1, "lock_timeout_seconds": 120})) as api:
        await send(api, "held", *range(MANY))
        async with database.transaction():
            await database.execute("SELECT 1 FROM queue_messages FOR UPDATE")
            purges = [asyncio.create_task(api.delete("/v1/queues/held/messages")) for _ in range(4)]
            await eventually(lambda: _purges_wait(database))
            await send(api, "other", 1)
            assert payloads(await receive(api, "other")) == [1]
            assert (await counts(api, "held"))["visible"] == MANY
            assert not any(task.done() for task in purges)
        removed = [(await task).json()["removed"] for task in purges]
    assert sum(removed) == MANY


async def _purges_wait(database: asyncpg.Connection) -> bool:
    # Within a transaction Postgres would show again and again what it saw first.
    await database.execute("SELECT pg_stat_clear_snapshot()")
    waiting = await database.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' "
        "AND starts_with(application_name, $1)",
        APPLICATION_NAME,
    )
    return int(waiting) > 0
