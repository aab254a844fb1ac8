"""A queue and a table that do not know each other are brought together; what people take out later stays out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from api_service.dead_letters.lost_letters import bring_together
from api_service.settings import ApiSettings
from consumer_service.dead_letters import publish_forgotten_letters
from shared.amqp.publisher import Publisher
from shared.amqp.topology import DEAD_LETTERS_QUEUE
from shared.database import advisory_locks
from tests.support.broker import Broker
from tests.support.dead_letters import DeadLetters, open_dead_letters
from tests.support.uploads import insert_rejects, insert_upload

CELLS = ["Asha Rao", "Initech", "9876543210", "asha at example.com"]


@pytest.fixture
async def publisher(settings: ApiSettings) -> AsyncIterator[Publisher]:
    publisher = Publisher(settings, "test restore")
    yield publisher
    await publisher.close()


@pytest.fixture
async def letters(settings: ApiSettings, database: asyncpg.Connection, broker: Broker) -> AsyncIterator[DeadLetters]:
    async with open_dead_letters(settings, database, broker) as letters:
        yield letters


async def test_all_letters_are_there_again_after_the_broker_came_back_empty(
    engine: AsyncEngine, publisher: Publisher, settings: ApiSettings, database: asyncpg.Connection, broker: Broker
) -> None:
    uploads = [await insert_upload(database) for _ in range(2)]
    for upload_id in uploads:
        await insert_rejects(database, upload_id, [(number, CELLS) for number in range(1, 602)])

    assert await bring_together(engine, publisher, settings) == 1_202

    assert await _published(engine, publisher, broker, 1_202) == sorted(
        f"{upload_id}:{number}:1" for upload_id in uploads for number in range(1, 602)
    )
    # They were taken by somebody, and are not put back.
    assert await bring_together(engine, publisher, settings) == 0
    assert await _published(engine, publisher, broker, 0) == []


async def test_letters_of_a_deleted_queue_are_there_again(
    engine: AsyncEngine, publisher: Publisher, settings: ApiSettings, database: asyncpg.Connection, broker: Broker
) -> None:
    upload_id = await insert_upload(database)
    assert await bring_together(engine, publisher, settings) == 0
    await insert_rejects(database, upload_id, [(1, CELLS)])
    assert await bring_together(engine, publisher, settings) == 0

    await broker.delete_queue(DEAD_LETTERS_QUEUE)

    assert await bring_together(engine, publisher, settings) == 1


async def test_table_that_was_restored_from_a_backup_counts_as_another(
    engine: AsyncEngine,
    publisher: Publisher,
    settings: ApiSettings,
    database: asyncpg.Connection,
    broker: Broker,
    letters: DeadLetters,
) -> None:
    """The backup knows a row that was redriven since, and not the one that died since."""
    upload_id = await insert_upload(database)
    await insert_rejects(database, upload_id, [(1, CELLS)])
    assert await bring_together(engine, publisher, settings) == 1
    await _published(engine, publisher, broker, 1)
    await letters.publish_row(upload_id, 2)

    await database.execute(
        "CREATE TABLE backup (LIKE rejected_rows INCLUDING ALL); INSERT INTO backup SELECT * FROM rejected_rows;"
        " DROP TABLE rejected_rows; ALTER TABLE backup RENAME TO rejected_rows"
    )

    assert await bring_together(engine, publisher, settings) == 1
    assert await _published(engine, publisher, broker, 1) == [f"{upload_id}:1:1"]


async def test_lost_ones_among_others_are_restored_and_none_is_there_twice(
    engine: AsyncEngine,
    publisher: Publisher,
    settings: ApiSettings,
    database: asyncpg.Connection,
    broker: Broker,
    letters: DeadLetters,
) -> None:
    upload_id = await insert_upload(database)
    kept = await letters.add_rows(upload_id, [2, 5, 6]) + [await letters.add_malformed()]
    # As a chunk leaves them: they died in one transaction, with letters between the lost ones.
    await database.execute("UPDATE rejected_rows SET dead_at = (SELECT min(dead_at) FROM rejected_rows)")
    await insert_rejects(database, upload_id, [(number, CELLS) for number in (1, 3, 4, 7)])
    await database.execute("UPDATE rejected_rows SET dead_at = (SELECT min(dead_at) FROM rejected_rows)")
    await database.execute("UPDATE malformed_messages SET published_at = now()")
    await database.execute("UPDATE rejected_rows SET discarded_at = now() WHERE row_number = 7")

    assert await bring_together(engine, publisher, settings) == 3

    lost = [f"{upload_id}:{number}:1" for number in (1, 3, 4)]
    assert await _published(engine, publisher, broker, 7) == sorted(kept + lost)


async def test_letter_of_a_malformed_message_is_restored_with_its_body(
    engine: AsyncEngine,
    publisher: Publisher,
    settings: ApiSettings,
    database: asyncpg.Connection,
    broker: Broker,
    letters: DeadLetters,
) -> None:
    identity = await letters.add_malformed()
    await database.execute("UPDATE malformed_messages SET published_at = now()")
    await broker.take(DEAD_LETTERS_QUEUE, 1)

    assert await bring_together(engine, publisher, settings) == 1

    (message,) = await broker.take(DEAD_LETTERS_QUEUE, 1)
    assert (message.correlation_id, message.routing_key, message.body) == (identity, "malformed", b"hello")


async def test_letters_that_wait_in_the_outbox_are_not_lost(
    engine: AsyncEngine, publisher: Publisher, settings: ApiSettings, database: asyncpg.Connection, broker: Broker
) -> None:
    upload_id = await insert_upload(database)
    await insert_rejects(database, upload_id, [(number, CELLS) for number in range(1, 4)])
    await database.execute(
        "INSERT INTO unpublished_letters (upload_id, first_row, last_row, dead_at)"
        " SELECT upload_id, 1, 2, dead_at FROM rejected_rows WHERE row_number = 1"
    )

    assert await bring_together(engine, publisher, settings) == 1
    assert await _published(engine, publisher, broker, 3) == [f"{upload_id}:{number}:1" for number in (1, 2, 3)]


async def test_letters_that_consumers_publish_while_the_queue_is_turned_are_not_lost(
    engine: AsyncEngine, settings: ApiSettings, database: asyncpg.Connection, broker: Broker, letters: DeadLetters
) -> None:
    """An upload may be running when an API starts again: one row is committed and published meanwhile, the letter of
    another leaves the outbox, and a malformed message follows them."""
    upload_id = await insert_upload(database)
    known = await letters.add_rows(upload_id, [1])
    await insert_rejects(database, upload_id, [(2, CELLS)])
    await database.execute(
        "INSERT INTO unpublished_letters (upload_id, first_row, last_row, dead_at)"
        " SELECT upload_id, 2, 2, dead_at FROM rejected_rows WHERE row_number = 2"
    )
    transaction = database.transaction()
    await transaction.start()
    await insert_rejects(database, upload_id, [(3, CELLS)])
    published: list[str] = []

    class PublisherBesideConsumers(Publisher):
        """Before its first copy of a letter, consumers go on."""

        async def publish(self, *args: Any, **named: Any) -> None:
            if not published:
                await transaction.commit()
                published.extend([await letters.publish_row(upload_id, number) for number in (2, 3)])
                await database.execute("DELETE FROM unpublished_letters")
                published.append(await letters.add_malformed())
                await database.execute("UPDATE malformed_messages SET published_at = now()")
            await super().publish(*args, **named)

    publisher = PublisherBesideConsumers(settings, "test restore beside consumers")
    try:
        assert await bring_together(engine, publisher, settings) == 0
        assert await _published(engine, publisher, broker, 4) == sorted(known + published)
    finally:
        await publisher.close()


async def test_while_another_is_at_the_queue_nothing_is_restored(
    engine: AsyncEngine, publisher: Publisher, settings: ApiSettings, database: asyncpg.Connection
) -> None:
    await insert_rejects(database, await insert_upload(database), [(1, CELLS)])
    await database.execute("SELECT pg_advisory_lock($1)", advisory_locks.DEAD_LETTERS)
    assert await bring_together(engine, publisher, settings) == 0

    await database.execute("SELECT pg_advisory_unlock($1)", advisory_locks.DEAD_LETTERS)
    assert await bring_together(engine, publisher, settings) == 1


async def _published(engine: AsyncEngine, publisher: Publisher, broker: Broker, count: int) -> Sequence[str]:
    """The ids of all letters in the queue once the consumers' sweep has published what is in the outbox.

    Of those that a turn has let go of, some are ready again only a moment later: until so many are, nobody takes any.
    """
    await publish_forgotten_letters(engine, publisher, older_than_seconds=-1)
    return sorted(str(message.correlation_id) for message in await broker.take(DEAD_LETTERS_QUEUE, count))
