"""The producer heeds no reply and no announcement, and sends no dead chunk again, that nobody with the key signed."""

from __future__ import annotations

import uuid

import aio_pika
import asyncpg
import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from producer_service.settings import ProducerSettings
from shared.amqp.publisher import Publisher
from shared.amqp.signatures import SIGNATURE_HEADER
from shared.amqp.topology import (
    DEAD_CHUNKS_QUEUE,
    DEAD_LETTERS_QUEUE,
    PRODUCERS_KEY,
    REPLIES_EXCHANGE,
    REQUESTS_QUEUE,
    UPLOADS_EXCHANGE,
    UPLOADS_QUEUE,
)
from shared.messages import RequestsLost, UploadAnnounced, encode
from tests.integration.producer_service.conftest import StoreFile, file_of
from tests.support.broker import Broker
from tests.support.chunks import chunk, rows
from tests.support.pipeline import running_producer
from tests.support.waiting import eventually


@pytest.fixture
def keyed(settings: ProducerSettings) -> ProducerSettings:
    return settings.model_copy(update={"message_key": SecretStr("k" * 32)})


def refused() -> float:
    return REGISTRY.get_sample_value("rollcall_forged_messages_total") or 0


async def test_forged_replies_announcements_and_dead_chunks_come_to_nothing(
    engine: AsyncEngine,
    keyed: ProducerSettings,
    settings: ProducerSettings,
    broker: Broker,
    store_file: StoreFile,
    database: asyncpg.Connection,
) -> None:
    before = refused()
    forger = Publisher(settings, "forger")
    async with running_producer(engine, keyed):
        upload_id = await store_file(file_of(2))
        (request,) = await broker.take(REQUESTS_QUEUE, 1)
        assert request.headers[SIGNATURE_HEADER]
        assert request.reply_to is not None

        await forger.publish(REPLIES_EXCHANGE, request.reply_to, encode(RequestsLost()), mandatory=False)
        await forger.publish(REPLIES_EXCHANGE, PRODUCERS_KEY, encode(RequestsLost()), mandatory=False)
        await forger.publish(UPLOADS_EXCHANGE, UPLOADS_QUEUE, encode(UploadAnnounced(upload_id=uuid.uuid4())))
        await broker.publish(DEAD_CHUNKS_QUEUE, encode(chunk(upload_id, rows(2), first_row=100)))
        await eventually(lambda: refused() - before == 4)
        await broker.take(DEAD_LETTERS_QUEUE, 1)
        # Had it been heeded, what is unanswered would have been sent again.
        assert await broker.take_all(REQUESTS_QUEUE) == []
        assert await broker.take_all(UPLOADS_QUEUE) == []
    await forger.close()
    assert "not signed" in await database.fetchval("SELECT reason FROM malformed_messages")


async def test_a_genuine_chunk_that_the_broker_dead_lettered_is_sent_again_signed(
    engine: AsyncEngine, keyed: ProducerSettings, broker: Broker, store_file: StoreFile, database: asyncpg.Connection
) -> None:
    async with running_producer(engine, keyed):
        await store_file(file_of(2))
        (sent,) = await broker.take(REQUESTS_QUEUE, 1)
        await broker.publish(
            DEAD_CHUNKS_QUEUE,
            sent.body,
            reply_to=sent.reply_to,
            correlation_id=sent.correlation_id,
            headers={SIGNATURE_HEADER: str(sent.headers[SIGNATURE_HEADER])},
        )
        (again,) = await broker.take(REQUESTS_QUEUE, 1)
    assert isinstance(again, aio_pika.abc.AbstractIncomingMessage)
    assert (again.body, again.headers[SIGNATURE_HEADER]) == (sent.body, sent.headers[SIGNATURE_HEADER])
    assert await database.fetchval("SELECT count(*) FROM malformed_messages") == 0
