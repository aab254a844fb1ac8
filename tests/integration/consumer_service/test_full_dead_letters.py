"""When the dead letters' queue is full, letters wait in the database, requests go on, and the letters follow."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from consumer_service.dead_letters import publish_forgotten_letters, publish_letters
from shared.amqp.publisher import Publisher
from shared.amqp.topology import DEAD_LETTERS_QUEUE, REQUESTS_QUEUE
from shared.dead_letters.malformed import dead_letter_malformed, publish_waiting_malformed
from tests.integration.consumer_service.conftest import AddUpload, MakeHandler
from tests.support import effects
from tests.support.broker import Broker
from tests.support.chunks import BAD_EMAIL, chunk, rows
from tests.support.pipeline import consumer_settings, running_consumer
from tests.support.servers import Servers, management
from tests.support.waiting import eventually

LIMIT = 10
MakePublisher = Callable[[int], Publisher]


@pytest.fixture
async def make_publisher(database_url: str, amqp_url: str) -> AsyncIterator[MakePublisher]:
    """One that keeps to a limit."""
    async with contextlib.AsyncExitStack() as stack:

        def make(limit: int) -> Publisher:
            publisher = Publisher(consumer_settings(database_url, amqp_url, dead_letters_limit=limit), "test letters")
            stack.push_async_callback(publisher.close)
            return publisher

        yield make


async def test_chunks_with_rejects_are_done_and_acknowledged_while_their_letters_wait(
    engine: AsyncEngine,
    database_url: str,
    amqp_url: str,
    broker: Broker,
    add_upload: AddUpload,
    database: asyncpg.Connection,
    make_publisher: MakePublisher,
) -> None:
    upload_id = await add_upload()
    async with running_consumer(engine, consumer_settings(database_url, amqp_url, dead_letters_limit=LIMIT)):
        for first_row in range(1, 61, 6):
            await broker.request(chunk(upload_id, [*rows(3, start=first_row), *[BAD_EMAIL] * 3], first_row=first_row))
        await eventually(lambda: _has_rows(database, upload_id, 60))
        await eventually(lambda: broker.has_ready(REQUESTS_QUEUE, 0))

    assert len(await effects.rejects(database, upload_id)) == 30
    found = [message.message_id for message in await broker.take(DEAD_LETTERS_QUEUE, 9)]
    while await effects.count_unpublished(database):
        assert await publish_forgotten_letters(engine, make_publisher(LIMIT), older_than_seconds=0) > 0
        more = [message.message_id for message in await broker.take_all(DEAD_LETTERS_QUEUE)]
        assert len(more) <= LIMIT
        found += more
    assert len(found) == 30
    assert set(found) == {f"{upload_id}:{first_row + index}:1" for first_row in range(1, 61, 6) for index in (3, 4, 5)}


async def test_sweep_publishes_nothing_while_there_is_no_room(
    engine: AsyncEngine,
    broker: Broker,
    make_handler: MakeHandler,
    add_upload: AddUpload,
    database: asyncpg.Connection,
    make_publisher: MakePublisher,
) -> None:
    publisher = make_publisher(3)
    upload_id = await add_upload()
    for first_row in (1, 11):
        handled = await make_handler().handle(chunk(upload_id, [BAD_EMAIL] * 3, first_row=first_row), careful=False)
        await publish_letters(engine, publisher, handled.letters)

    assert await publish_forgotten_letters(engine, publisher, older_than_seconds=0) == 0
    assert await effects.count_unpublished(database) == 1
    await broker.take(DEAD_LETTERS_QUEUE, 3)
    assert await publish_forgotten_letters(engine, publisher, older_than_seconds=0) == 3
    assert await effects.count_unpublished(database) == 0


async def test_batch_that_is_larger_than_the_limit_goes_out_when_the_queue_is_empty(
    engine: AsyncEngine,
    broker: Broker,
    make_handler: MakeHandler,
    add_upload: AddUpload,
    make_publisher: MakePublisher,
) -> None:
    handled = await make_handler().handle(chunk(await add_upload(), [BAD_EMAIL] * 5), careful=False)

    await publish_letters(engine, make_publisher(2), handled.letters)

    await broker.take(DEAD_LETTERS_QUEUE, 5)


async def test_queue_that_an_operator_has_bounded_by_a_policy_holds_up_no_chunk(
    engine: AsyncEngine,
    database_url: str,
    amqp_url: str,
    servers: Servers,
    broker: Broker,
    add_upload: AddUpload,
    database: asyncpg.Connection,
    make_publisher: MakePublisher,
) -> None:
    upload_id = await add_upload()
    async with _policy(servers, amqp_url, {"max-length": 2, "overflow": "reject-publish"}):
        async with running_consumer(engine, consumer_settings(database_url, amqp_url)):
            for first_row in range(1, 21, 2):
                await broker.request(chunk(upload_id, [BAD_EMAIL] * 2, first_row=first_row))
            await eventually(lambda: _has_rows(database, upload_id, 20))
            await eventually(lambda: broker.has_ready(REQUESTS_QUEUE, 0))
        published = {message.message_id for message in await broker.take_all(DEAD_LETTERS_QUEUE)}
        assert await effects.count_unpublished(database) > 0

    await publish_forgotten_letters(engine, make_publisher(1_000), older_than_seconds=0)
    published |= {message.message_id for message in await broker.take_all(DEAD_LETTERS_QUEUE)}
    assert published == {f"{upload_id}:{row_number}:1" for row_number in range(1, 21)}


async def test_malformed_message_that_finds_no_room_is_stored_and_its_letter_follows(
    engine: AsyncEngine, broker: Broker, database: asyncpg.Connection, make_publisher: MakePublisher
) -> None:
    publisher = make_publisher(1)
    for name in ("one", "two", "three"):
        await dead_letter_malformed(engine, publisher, name.encode(), message_id=name, reason="not a request")

    assert await publish_waiting_malformed(engine, publisher, older_than_seconds=0) == 0
    bodies = [message.body for message in await broker.take(DEAD_LETTERS_QUEUE, 1)]
    for _ in range(2):
        assert await publish_waiting_malformed(engine, publisher, older_than_seconds=0) == 1
        bodies += [message.body for message in await broker.take(DEAD_LETTERS_QUEUE, 1)]
    assert bodies == [b"one", b"two", b"three"]
    assert await database.fetchval("SELECT count(*) FROM malformed_messages WHERE published_at IS NULL") == 0


@contextlib.asynccontextmanager
async def _policy(servers: Servers, amqp_url: str, definition: dict[str, object]) -> AsyncIterator[None]:
    """Until the end of the block the dead letters' queue has it."""
    vhost = amqp_url.rpartition("/")[2]
    pattern = f"^{DEAD_LETTERS_QUEUE}$"
    async with management(servers) as api:
        body = {"pattern": pattern, "definition": definition, "apply-to": "queues"}
        (await api.put(f"/api/policies/{vhost}/bounded", json=body)).raise_for_status()

        async def applies(name: str | None) -> bool:
            queue = (await api.get(f"/api/queues/{vhost}/{DEAD_LETTERS_QUEUE}")).raise_for_status().json()
            return bool(queue.get("policy") == name)

        await eventually(lambda: applies("bounded"))
        yield
        (await api.delete(f"/api/policies/{vhost}/bounded")).raise_for_status()
        await eventually(lambda: applies(None))


async def _has_rows(database: asyncpg.Connection, upload_id: object, count: int) -> bool:
    query = "SELECT coalesce(sum(row_count), 0) FROM upload_chunks WHERE upload_id = $1"
    return bool(await database.fetchval(query, upload_id) == count)
