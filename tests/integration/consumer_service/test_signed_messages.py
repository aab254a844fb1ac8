"""Whoever may only write to the broker forges no rows: what nobody with the key has signed is `malformed_message`."""

from __future__ import annotations

from typing import NamedTuple

import asyncpg
import msgspec
import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from consumer_service.settings import ConsumerSettings
from shared.amqp.publisher import Publisher
from shared.amqp.signatures import SIGNATURE_HEADER
from shared.amqp.topology import DEAD_LETTERS_QUEUE, REPLIES_EXCHANGE, REQUESTS_EXCHANGE, REQUESTS_QUEUE
from shared.messages import ChunkRequest, encode
from tests.integration.consumer_service.conftest import AddUpload
from tests.support import effects
from tests.support.broker import Broker
from tests.support.chunks import chunk, rows
from tests.support.pipeline import consumer_settings, running_consumer
from tests.support.waiting import eventually

KEY = "k" * 32


@pytest.fixture
def settings(database_url: str, amqp_url: str) -> ConsumerSettings:
    return consumer_settings(database_url, amqp_url, message_key=KEY)


async def send(
    settings: ConsumerSettings, request: ChunkRequest, reply_to: str, *, exchange: str = REQUESTS_EXCHANGE
) -> None:
    publisher = Publisher(settings, "test")
    routing_key = REQUESTS_QUEUE if exchange == REQUESTS_EXCHANGE else reply_to
    await publisher.publish(exchange, routing_key, encode(request), reply_to=reply_to, correlation_id="c")
    await publisher.close()


class Caught(NamedTuple):
    """A genuine message, as somebody who may also read the queue has it."""

    body: bytes
    signature: str
    reply_to: str = "callback.genuine"
    correlation_id: str = "c"

    async def send_again(self, broker: Broker, message_id: str) -> None:
        await broker.publish(
            REQUESTS_QUEUE,
            self.body,
            reply_to=self.reply_to,
            message_id=message_id,
            correlation_id=self.correlation_id,
            headers={SIGNATURE_HEADER: self.signature},
        )


async def catch(settings: ConsumerSettings, broker: Broker, request: ChunkRequest) -> Caught:
    await send(settings, request, "callback.genuine")
    (message,) = await broker.take(REQUESTS_QUEUE, 1)
    return Caught(message.body, str(message.headers[SIGNATURE_HEADER]))


def counted(metric: str) -> float:
    return REGISTRY.get_sample_value(metric) or 0


async def test_forged_messages_are_dead_lettered_and_genuine_ones_have_their_effect(
    engine: AsyncEngine, settings: ConsumerSettings, broker: Broker, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    upload_id = await add_upload()
    forged = chunk(upload_id, rows(3))
    callbacks = await broker.callback_queue()
    caught = await catch(settings, broker, chunk(upload_id, rows(1), first_row=20))
    await send(settings, forged, callbacks.name, exchange=REPLIES_EXCHANGE)
    reply = await callbacks.get(no_ack=True, timeout=10)
    assert reply is not None
    refused_before = counted("rollcall_forged_messages_total")

    async with running_consumer(engine, settings):
        await broker.request(forged, message_id="unsigned")
        await caught._replace(body=encode(forged)).send_again(broker, "another body")
        await caught._replace(reply_to=callbacks.name).send_again(broker, "another address")
        await caught._replace(correlation_id="d").send_again(broker, "another answer")
        signed_as_reply = Caught(reply.body, str(reply.headers[SIGNATURE_HEADER]), callbacks.name)
        await signed_as_reply.send_again(broker, "a reply's signature")
        stranger = settings.model_copy(update={"message_key": SecretStr("x" * 32)})
        await send(stranger, forged, callbacks.name)
        await send(settings, chunk(upload_id, rows(2), first_row=10), callbacks.name)
        answer = await broker.next_reply(callbacks)
        await eventually(lambda: broker.has_ready(DEAD_LETTERS_QUEUE, 6))

    assert (answer.first_row, answer.counts.inserted) == (10, 2)
    assert (await effects.ledger_counts(database, upload_id)).rows == 2
    assert await database.fetchval("SELECT count(*) FROM employees") == 2
    reasons = await database.fetch("SELECT DISTINCT reason FROM malformed_messages ORDER BY reason")
    assert [row["reason"] for row in reasons] == [
        "the message is not signed (ROLLCALL_MESSAGE_KEY)",
        "the message is signed by nobody who has the key for this (ROLLCALL_MESSAGE_KEY)",
    ]
    assert counted("rollcall_forged_messages_total") - refused_before == 6
    # The letter of a forged message is not signed: nobody can send it as a genuine one.
    assert not any(SIGNATURE_HEADER in letter.headers for letter in await broker.take_all(DEAD_LETTERS_QUEUE))


async def test_the_same_message_once_more_is_a_ledger_hit(
    engine: AsyncEngine, settings: ConsumerSettings, broker: Broker, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    upload_id = await add_upload()
    await broker.declare_topology()
    caught = await catch(settings, broker, chunk(upload_id, rows(3)))
    callbacks = await broker.callback_queue()
    async with running_consumer(engine, settings):
        for message_id in ("once", "twice"):
            await caught.send_again(broker, message_id)
        await send(settings, chunk(upload_id, rows(1), first_row=10), callbacks.name)
        assert (await broker.next_reply(callbacks)).first_row == 10
    assert (await effects.ledger_counts(database, upload_id)).rows == 4
    assert await database.fetchval("SELECT count(*) FROM malformed_messages") == 0


@pytest.mark.parametrize("own", [{"message_key": ""}, {"unsigned_messages": "accept"}], ids=["no key", "accept"])
async def test_unsigned_messages_are_taken_without_a_key_and_while_they_are_accepted(
    own: dict[str, str],
    database_url: str,
    amqp_url: str,
    engine: AsyncEngine,
    settings: ConsumerSettings,
    broker: Broker,
    add_upload: AddUpload,
    database: asyncpg.Connection,
) -> None:
    upload_id = await add_upload()
    callbacks = await broker.callback_queue()
    taken_before = counted("rollcall_unsigned_messages_total")
    lenient = consumer_settings(database_url, amqp_url, **{"message_key": KEY, **own})
    async with running_consumer(engine, lenient):
        await broker.request(chunk(upload_id, rows(3)), reply_to=callbacks.name)
        assert (await broker.next_reply(callbacks)).counts.inserted == 3
        # And one that is signed, as by a service that was replaced before.
        await send(settings, chunk(upload_id, rows(1), first_row=10), callbacks.name)
        assert (await broker.next_reply(callbacks)).first_row == 10
    taken = counted("rollcall_unsigned_messages_total") - taken_before
    assert taken == (1 if "unsigned_messages" in own else 0)
    assert await database.fetchval("SELECT count(*) FROM malformed_messages") == 0


async def test_a_message_of_a_newer_release_is_signed_anew_when_it_is_given_back(
    engine: AsyncEngine, settings: ConsumerSettings, broker: Broker, add_upload: AddUpload
) -> None:
    newer = msgspec.json.encode(msgspec.to_builtins(chunk(await add_upload(), rows(1))) | {"version": 99})
    publisher = Publisher(settings, "test")
    before = counted("rollcall_consumer_newer_messages_total")
    async with running_consumer(engine, settings):
        await publisher.publish(REQUESTS_EXCHANGE, REQUESTS_QUEUE, newer, reply_to="r", correlation_id="c")
        # The second time it is known that its copy was taken for genuine.
        await eventually(lambda: counted("rollcall_consumer_newer_messages_total") >= before + 2)
    await publisher.close()
    (message,) = await broker.take(REQUESTS_QUEUE, 1)
    assert message.body == newer
    assert await broker.take_all(DEAD_LETTERS_QUEUE) == []
