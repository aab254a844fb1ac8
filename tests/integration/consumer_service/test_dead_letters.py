"""Rejected rows are stored with their chunk and published after it: at least once, by way of an outbox."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import msgspec
import pytest
from aio_pika.abc import AbstractIncomingMessage
from sqlalchemy.ext.asyncio import AsyncEngine

from consumer_service.dead_letters import LETTERS_PER_ENTRY, publish_forgotten_letters, publish_letters
from shared.amqp.connection import BrokerUnavailable
from shared.amqp.publisher import Publisher
from shared.amqp.topology import DEAD_LETTERS_QUEUE
from tests.integration.consumer_service.conftest import AddUpload, MakeHandler
from tests.support import effects
from tests.support.broker import Broker
from tests.support.chunks import BAD_EMAIL, chunk, row, rows
from tests.support.pipeline import consumer_settings, running_consumer

MAKE_THEM_OLD = """
    WITH rejects AS (UPDATE rejected_rows SET dead_at = now() - interval '2 minutes')
    UPDATE unpublished_letters SET dead_at = now() - interval '2 minutes'
"""


@pytest.fixture
async def publisher(database_url: str, amqp_url: str) -> AsyncIterator[Publisher]:
    publisher = Publisher(consumer_settings(database_url, amqp_url), "test letters")
    yield publisher
    await publisher.close()


async def test_rejected_rows_are_published_once_and_leave_the_outbox(
    engine: AsyncEngine,
    database_url: str,
    amqp_url: str,
    broker: Broker,
    add_upload: AddUpload,
    database: asyncpg.Connection,
) -> None:
    upload_id = await add_upload()
    cells = [*rows(2), BAD_EMAIL, row("x@example.com", mobile="9.19E+11"), ["too", "few"]]
    async with running_consumer(engine, consumer_settings(database_url, amqp_url)):
        for _ in range(2):
            await broker.request(chunk(upload_id, cells))
        messages = await broker.take(DEAD_LETTERS_QUEUE, 3)

    letters = sorted(map(_letter, messages), key=lambda letter: letter["rowNumber"])
    assert [(letter["rowNumber"], letter["lineNumber"], letter["code"]) for letter in letters] == [
        (3, 4, "invalid_email"),
        (4, 5, "spreadsheet_damage"),
        (5, 6, "missing_value"),
    ]
    assert [(fault["code"], fault["field"]) for fault in letters[2]["faults"]] == [
        ("missing_value", "mobile_no"),
        ("missing_value", "email"),
    ]
    assert [fault["message"] for fault in letters[0]["faults"]] == [letters[0]["message"]]
    assert letters[0]["cells"] == BAD_EMAIL
    assert {message.message_id for message in messages} == {f"{upload_id}:{number}:1" for number in (3, 4, 5)}
    assert await effects.count_unpublished(database) == 0
    assert await broker.take_all(DEAD_LETTERS_QUEUE) == []


async def test_cells_that_neither_json_nor_postgres_takes_are_made_storable(
    engine: AsyncEngine,
    publisher: Publisher,
    broker: Broker,
    make_handler: MakeHandler,
    add_upload: AddUpload,
    database: asyncpg.Connection,
) -> None:
    upload_id = await add_upload()
    unstorable = [row("a\x00b@example.com"), row("c@example.com", name="Ch\ud800ris \udfff"), ["\x00", "\x00"]]

    handled = await make_handler().handle(chunk(upload_id, unstorable), careful=False)
    await publish_letters(engine, publisher, handled.letters)

    stored = [json.loads(each["cells"]) for each in await effects.rejects(database, upload_id)]
    assert stored[0][3] == "a\ufffdb@example.com"
    assert stored[1][0] == "Ch\ufffdris \ufffd"
    assert stored[2] == ["\ufffd", "\ufffd"]
    assert [_letter(each)["cells"] for each in await broker.take(DEAD_LETTERS_QUEUE, 3)] == stored


async def test_redelivery_after_a_crash_between_commit_and_publish_publishes_the_letters(
    engine: AsyncEngine,
    database_url: str,
    amqp_url: str,
    broker: Broker,
    make_handler: MakeHandler,
    add_upload: AddUpload,
    database: asyncpg.Connection,
) -> None:
    request = chunk(await add_upload(), [*rows(2), BAD_EMAIL])
    # The consumer that dies here has committed, and never comes to publish.
    await make_handler().handle(request, careful=False)
    await database.execute("UPDATE uploads SET status = 'cancelled'")

    async with running_consumer(engine, consumer_settings(database_url, amqp_url)):
        await broker.request(request)
        (message,) = await broker.take(DEAD_LETTERS_QUEUE, 1)

    assert message.message_id == f"{request.upload_id}:3:1"
    assert await effects.count_unpublished(database) == 0


async def test_redelivery_publishes_only_what_is_left_of_a_chunk_of_many_letters(
    engine: AsyncEngine, publisher: Publisher, make_handler: MakeHandler, add_upload: AddUpload
) -> None:
    request = chunk(await add_upload(), [BAD_EMAIL] * (2 * LETTERS_PER_ENTRY + 1))
    handled = await make_handler().handle(request, careful=False)
    # The consumer dies after the first of them.
    await publish_letters(engine, publisher, handled.letters[:1])

    redelivered = await make_handler().handle(request, careful=False)

    assert [len(entry.letters) for entry in handled.letters] == [LETTERS_PER_ENTRY, LETTERS_PER_ENTRY, 1]
    assert redelivered.letters == handled.letters[1:]


async def test_letters_that_the_broker_did_not_confirm_stay_unpublished(
    engine: AsyncEngine, make_handler: MakeHandler, add_upload: AddUpload, database_url: str
) -> None:
    request = chunk(await add_upload(), [BAD_EMAIL])
    handled = await make_handler().handle(request, careful=False)
    unreachable = Publisher(consumer_settings(database_url), "test letters")

    with pytest.raises(BrokerUnavailable):
        await publish_letters(engine, unreachable, handled.letters)

    again = await make_handler().handle(request, careful=False)
    assert again.letters == handled.letters


async def test_forgotten_letters_are_published_by_the_sweep_after_a_while_and_once(
    engine: AsyncEngine,
    publisher: Publisher,
    broker: Broker,
    make_handler: MakeHandler,
    add_upload: AddUpload,
    database: asyncpg.Connection,
) -> None:
    await make_handler().handle(chunk(await add_upload(), [BAD_EMAIL, BAD_EMAIL]), careful=False)
    assert await publish_forgotten_letters(engine, publisher, older_than_seconds=60) == 0
    await database.execute(MAKE_THEM_OLD)
    await database.execute("UPDATE rejected_rows SET discarded_at = now() WHERE row_number = 2")

    sweeps = [publish_forgotten_letters(engine, publisher, older_than_seconds=60) for _ in range(3)]
    published = await asyncio.gather(*sweeps)

    assert sum(published) == 1
    (message,) = await broker.take(DEAD_LETTERS_QUEUE, 1)
    assert _letter(message)["rowNumber"] == 1


async def test_forgotten_letters_stay_for_the_next_sweep_while_the_broker_is_away(
    engine: AsyncEngine,
    publisher: Publisher,
    make_handler: MakeHandler,
    add_upload: AddUpload,
    database: asyncpg.Connection,
    database_url: str,
) -> None:
    await make_handler().handle(chunk(await add_upload(), [BAD_EMAIL]), careful=False)
    await database.execute(MAKE_THEM_OLD)
    unreachable = Publisher(consumer_settings(database_url), "test letters")

    with pytest.raises(BrokerUnavailable):
        await publish_forgotten_letters(engine, unreachable, older_than_seconds=60)

    assert await publish_forgotten_letters(engine, publisher, older_than_seconds=60) == 1


def _letter(message: AbstractIncomingMessage) -> dict[str, Any]:
    letter: dict[str, Any] = msgspec.json.decode(message.body)
    return letter
