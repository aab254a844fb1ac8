"""The last hour of the system, which whoever looks finds there, with what was not known left open."""

from __future__ import annotations

import json

import asyncpg
import httpx2
from sqlalchemy.ext.asyncio import AsyncEngine

from api_service.operations.samples import take_sample
from api_service.settings import ApiSettings
from shared.amqp.topology import REQUESTS_QUEUE
from tests.integration.api_service.operations.test_routes import NO_BROKER
from tests.support.uploads import insert_upload
from tests.support.waiting import eventually

SAMPLE = "INSERT INTO system_samples VALUES (now() - make_interval(secs => $1), $2, $3)"


async def test_processes_take_one_sample_between_them(
    api: httpx2.AsyncClient, engine: AsyncEngine, database: asyncpg.Connection, settings: ApiSettings
) -> None:
    assert (await api.get("/v1/status/history")).json() == {"samples": []}
    await insert_upload(database, rows_done=7)
    # At the end of a half minute the second would be the next half minute's.
    await eventually(lambda: database.fetchval("SELECT extract(epoch FROM now()) % 30 < 20"))
    for _ in range(2):
        await take_sample(engine, settings)
    (sample,) = (await api.get("/v1/status/history")).json()["samples"]
    assert sample["rowsPerSecond"] is None
    assert sample["queues"][REQUESTS_QUEUE] == 0
    assert await database.fetchval("SELECT rows_done FROM system_samples") == 7

    nowhere = settings.model_copy(update={"amqp_url": NO_BROKER})
    await database.execute("UPDATE system_samples SET taken_at = now() - interval '61 minutes'")
    await take_sample(engine, nowhere)
    (sample,) = (await api.get("/v1/status/history")).json()["samples"]
    assert sample["queues"] is None
    assert await database.fetchval("SELECT count(*) FROM system_samples") == 1


async def test_page_draws_the_hour_without_what_nobody_knows(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    assert "nothing yet" in (await api.get("/system")).text
    depths = json.dumps({REQUESTS_QUEUE: 5000})
    # An upload that was deleted, then a time without an API, then one without a broker.
    # All by one clock, or the time between two would count.
    async with database.transaction():
        for seconds, rows, known in (
            (1800, 3000, depths),
            (1770, 9000, depths),
            (1740, 100, depths),
            (600, 700, depths),
            (570, 1000, None),
        ):
            await database.execute(SAMPLE, seconds, rows, known)
    samples = (await api.get("/v1/status/history")).json()["samples"]
    assert [each["rowsPerSecond"] and round(each["rowsPerSecond"]) for each in samples] == [None, 200, 0, None, 10]
    page = (await api.get("/system")).text
    assert "up to 200" in page
    assert "up to 5,000" in page
    # Of the rates two lines, of the depths of one queue two as well.
    assert page.count("<polyline") == 4
    assert "Free for files" in page
