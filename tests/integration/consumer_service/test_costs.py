"""A chunk costs so many round trips to the database, writes to the broker and rows read, on any machine."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from consumer_service import dead_letters
from consumer_service.chunk_handler import ChunkHandler
from consumer_service.dead_letters import publish_letters
from consumer_service.settings import ConsumerSettings
from shared.amqp.publisher import Publisher
from shared.database.engine import create_engine
from shared.messages import ChunkRequest
from shared.service.failpoints import Failpoints
from tests.integration.consumer_service.conftest import AddUpload, MakeHandler
from tests.support.chunks import BAD_EMAIL, chunk, row, rows
from tests.support.pipeline import consumer_settings
from tests.support.round_trips import CountingProxy, counting_proxy

# BEGIN, the lock on the upload, the ledger, the rows, the entry, COMMIT.
ROUND_TRIPS = 6
REJECTS = 1
FORGET = 1


class Counted(ChunkHandler):
    """A handler whose database is asked through a proxy that counts."""

    def __init__(self, engine: AsyncEngine, settings: ConsumerSettings, proxy: CountingProxy) -> None:
        super().__init__(engine, settings, Failpoints(""), uuid.uuid4())
        self._proxy = proxy

    async def round_trips(self, request: ChunkRequest) -> int:
        before = self._proxy.round_trips
        handled = await self.handle(request, careful=False)
        assert handled.reply.outcome == "done"
        return self._proxy.round_trips - before


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[CountingProxy]:
    async with counting_proxy(database_url) as proxy:
        yield proxy


@pytest.fixture
async def settings(proxy: CountingProxy) -> ConsumerSettings:
    return consumer_settings(proxy.url)


@pytest.fixture
async def counted_engine(settings: ConsumerSettings) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(settings, "rollcall test", pool_size=1, pool_timeout_seconds=5, ping=False)
    yield engine
    await engine.dispose()


@pytest.fixture
async def counted(
    counted_engine: AsyncEngine, settings: ConsumerSettings, proxy: CountingProxy, add_upload: AddUpload
) -> Counted:
    """Its connection is open and has each statement prepared."""
    handler = Counted(counted_engine, settings, proxy)
    before = [row("before@example.com"), BAD_EMAIL]
    for first_row in (1, 3, 5):
        await handler.round_trips(chunk(await add_upload(), before, first_row=first_row))
    return handler


async def test_chunk_of_new_rows_costs_as_many_round_trips_whatever_its_size(
    counted: Counted, add_upload: AddUpload
) -> None:
    upload = await add_upload()

    assert await counted.round_trips(chunk(upload, rows(10))) == ROUND_TRIPS
    assert await counted.round_trips(chunk(upload, rows(2000, start=11), first_row=11)) == ROUND_TRIPS
    assert await counted.round_trips(chunk(upload, [row("new@x.example"), BAD_EMAIL], first_row=3000)) == (
        ROUND_TRIPS + REJECTS
    )


async def test_upload_of_known_rows_is_tried_as_new_ever_less_often(counted: Counted, add_upload: AddUpload) -> None:
    known = await add_upload()
    await counted.round_trips(chunk(known, rows(40)))
    again = await add_upload()

    spent = [
        await counted.round_trips(chunk(again, rows(2, start=2 * at + 1), first_row=2 * at + 1)) for at in range(20)
    ]

    tried = [at for at, trips in enumerate(spent) if trips > ROUND_TRIPS]
    assert tried == [0, 2, 5, 10, 19]
    assert all(trips == ROUND_TRIPS for at, trips in enumerate(spent) if at not in tried)


async def test_letters_leave_the_outbox_in_one_round_trip_whatever_their_number(
    counted: Counted, counted_engine: AsyncEngine, proxy: CountingProxy, add_upload: AddUpload, amqp_url: str
) -> None:
    publisher = Publisher(consumer_settings(proxy.url, amqp_url), "test dead letters")
    handled = await counted.handle(chunk(await add_upload(), [BAD_EMAIL] * 50), careful=False)
    await publish_letters(counted_engine, publisher, [*handled.letters])
    before = proxy.round_trips

    await publish_letters(counted_engine, publisher, [*handled.letters])

    assert proxy.round_trips - before == FORGET
    await publisher.close()


async def test_letters_of_a_chunk_are_given_to_the_broker_in_few_writes(
    engine: AsyncEngine, database_url: str, amqp_url: str, make_handler: MakeHandler, add_upload: AddUpload
) -> None:
    many = await make_handler().handle(chunk(await add_upload(), [BAD_EMAIL] * 200), careful=False)
    async with counting_proxy(amqp_url) as broker:
        publisher = Publisher(consumer_settings(database_url, broker.url), "test dead letters")
        await publish_letters(engine, publisher, [*many.letters])
        before = broker.writes

        await publish_letters(engine, publisher, [*many.letters])

        assert broker.writes - before < 10
        await publisher.close()


async def test_letters_of_a_redelivered_chunk_are_found_without_reading_rejects_of_others(
    engine: AsyncEngine, database: asyncpg.Connection, add_upload: AddUpload
) -> None:
    """With the plan that a session made and kept while the upload had hardly begun."""
    upload = await add_upload()
    await _add_rejects(database, upload, range(1, 21))
    compiled = dead_letters.ENTRIES_OF_ROWS.compile(dialect=engine.dialect)
    values = {"upload_id": f"'{upload}'", "first_row": "1", "last_row": "20"}
    execute = f"EXECUTE entries ({', '.join(values[name] for name in compiled.positiontup or ())})"
    await database.execute("SET plan_cache_mode = force_generic_plan")
    await database.execute(f"PREPARE entries AS {compiled}")
    await database.execute(execute)
    await _add_rejects(database, upload, range(21, 20_000))

    explained = await database.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {execute}")

    assert _rows_read(json.loads(explained)[0]["Plan"]) == 20


async def _add_rejects(database: asyncpg.Connection, upload_id: uuid.UUID, row_numbers: range) -> None:
    await database.execute(
        """
        WITH rejects AS (
            INSERT INTO rejected_rows (upload_id, row_number, line_number, code, message, cells, dead_at)
            SELECT $1, n, n, 'invalid_email', 'why', '[]', now() FROM generate_series($2::bigint, $3::bigint) AS n
        )
        INSERT INTO unpublished_letters (upload_id, first_row, last_row, dead_at) VALUES ($1, $2, $3, now())
        """,
        upload_id,
        row_numbers[0],
        row_numbers[-1],
    )


def _rows_read(plan: dict[str, Any]) -> int:
    """By the scans of the table itself, those that a filter dropped among them."""
    own = 0
    if plan.get("Relation Name") == "rejected_rows":
        own = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
    return own + sum(_rows_read(child) for child in plan.get("Plans", []))
