"""An API with a producer and one or two consumers behind it, which previews what is sent."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx2
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.upload_status import FINAL_STATES
from tests.support.pipeline import consumer_settings, producer_settings, running_consumer, running_producer
from tests.support.uploads import send
from tests.support.waiting import eventually

Json = dict[str, Any]
# What the counts of a preview and of an upload have in common.
COUNTED = ("rowsRead", "blankRows", "inserted", "updated", "duplicates", "rejected", "rejectedBy", "unprocessed")


class Previewing:
    def __init__(self, api: httpx2.AsyncClient, database: asyncpg.Connection) -> None:
        self.api = api
        self.database = database

    async def draft(self, content: bytes, **given: str) -> Json:
        answer = await send(self.api, content, start="draft", **given)
        assert answer.status_code == 202, answer.text
        upload: Json = answer.json()
        # So that rows with one email are in different chunks, in the hands of different consumers.
        await self.database.execute("UPDATE uploads SET chunk_rows = 3 WHERE id = $1", upload["id"])
        return upload

    async def preview(self, upload: Json) -> Json:
        answer = await self.api.post(f"/v1/uploads/{upload['id']}/preview")
        assert answer.status_code == 202, answer.text
        return await self.until(upload, "previewed")

    async def start(self, upload: Json, **options: bool) -> Json:
        answer = await self.api.post(f"/v1/uploads/{upload['id']}/start", json=options or None)
        assert answer.status_code == 202, answer.text
        return await self.until(upload, *FINAL_STATES)

    async def until(self, upload: Json, *states: str) -> Json:
        found: Json = {}

        async def is_there() -> bool:
            found.update((await self.api.get(f"/v1/uploads/{upload['id']}")).json())
            return found["status"] in states

        await eventually(is_there, seconds=60)
        return found

    async def uploaded(self, content: bytes, **given: str) -> Json:
        return await self.start(await self.draft(content, **given))

    async def undone(self, upload: Json) -> Json:
        answer = await self.api.post(f"/v1/uploads/{upload['id']}/undo")
        assert answer.status_code == 202, answer.text
        return await self.until(upload, "undone")

    async def fates(self, upload: Json) -> list[list[str]]:
        """All rows with what became of them; whoever stands instead without the name, which a preview does not know."""
        answer = await self.api.get(f"/v1/uploads/{upload['id']}/results.csv")
        assert answer.status_code == 200, answer.text
        rows = csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""))
        return [[*row[:-1], row[-1].partition(":")[0]] for row in rows]

    async def leavers(self, upload: Json) -> set[str]:
        """The emails of those who have left, or would by a preview."""
        answer = await self.api.get(f"/v1/uploads/{upload['id']}/rows?outcome=deactivated&limit=1000")
        page = answer.raise_for_status().json()
        assert page["totalData"] == len(page["data"])
        return {row["email"] for row in page["data"]}

    async def rejects(self, upload: Json) -> str:
        return (await self.api.get(f"/v1/uploads/{upload['id']}/rejects.csv")).raise_for_status().text

    async def written(self) -> tuple[int, int, int]:
        """Employees, rejects and chunks of uploads."""
        counts = [
            await self.database.fetchval(f"SELECT count(*) FROM {table}")
            for table in ("employees", "rejected_rows", "upload_chunks")
        ]
        return (*counts,)


def absence(document: Json) -> tuple[int, Json | None]:
    """Who has left or would, of an upload or of its preview."""
    return document["deactivated"], document["absence"]


def counts(document: Json) -> Json:
    return {name: document[name] for name in COUNTED}


@pytest.fixture(params=[2], ids=lambda number: f"{number} consumers")
async def previewing(
    request: pytest.FixtureRequest,
    api: httpx2.AsyncClient,
    database: asyncpg.Connection,
    engine: AsyncEngine,
    database_url: str,
    amqp_url: str,
    upload_store_url: str,
) -> AsyncIterator[Previewing]:
    producer = producer_settings(
        database_url, upload_store_url, amqp_url, sweep_seconds=0.1, progress_seconds=0.05, ledger_check_seconds=0.2
    )
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(request.param):
            await stack.enter_async_context(running_consumer(engine, consumer_settings(database_url, amqp_url)))
        await stack.enter_async_context(running_producer(engine, producer))
        yield Previewing(api, database)
