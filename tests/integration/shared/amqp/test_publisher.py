"""A publish that returns is on disk in a queue; one that fails says so, and the next one works."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aio_pika
import pytest

from consumer_service.settings import ConsumerSettings
from shared.amqp.connection import BrokerUnavailable
from shared.amqp.publisher import Publisher, persistent_message
from shared.amqp.topology import REPLIES_EXCHANGE, REQUESTS_EXCHANGE, REQUESTS_QUEUE
from tests.support.broker import Broker, close_connections_named
from tests.support.patience import patience
from tests.support.servers import Servers
from tests.support.waiting import eventually

NAME = "test publisher"
LARGER_THAN_A_FRAME = bytes(300_000)


@pytest.fixture
async def publisher(settings: ConsumerSettings) -> AsyncIterator[Publisher]:
    publisher = Publisher(settings, NAME)
    yield publisher
    await publisher.close()


async def test_message_arrives_persistent_with_its_properties(publisher: Publisher, broker: Broker) -> None:
    await publisher.publish(
        REQUESTS_EXCHANGE,
        REQUESTS_QUEUE,
        b"{}",
        message_id="id",
        correlation_id="correlation",
        reply_to="callback.one",
        headers={"name": "value"},
    )

    (message,) = await broker.take_all(REQUESTS_QUEUE)
    assert (message.body, message.content_type) == (b"{}", "application/json")
    assert message.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
    assert (message.message_id, message.correlation_id, message.reply_to) == ("id", "correlation", "callback.one")
    # Brokers before 4.0 add their delivery count to a first delivery too.
    assert message.headers | {"x-delivery-count": 0} == {"name": "value", "x-delivery-count": 0}


async def test_each_attempt_has_a_message_id_of_its_own(publisher: Publisher, broker: Broker) -> None:
    for _ in range(2):
        await publisher.publish(REQUESTS_EXCHANGE, REQUESTS_QUEUE, b"{}", correlation_id="same")

    messages = await broker.take_all(REQUESTS_QUEUE)
    assert len({message.message_id for message in messages}) == 2


async def test_many_at_once_share_a_channel_and_are_all_there(publisher: Publisher, broker: Broker) -> None:
    await asyncio.gather(*(publisher.publish(REQUESTS_EXCHANGE, REQUESTS_QUEUE, b"%d" % n) for n in range(200)))

    bodies = {message.body for message in await broker.take_all(REQUESTS_QUEUE)}
    assert bodies == {b"%d" % n for n in range(200)}


async def test_many_in_one_go_arrive_in_order_whatever_their_sizes(publisher: Publisher, broker: Broker) -> None:
    bodies = [b"", *(b"%d" % n for n in range(300)), LARGER_THAN_A_FRAME, b"last"]

    await publisher.publish_all(REQUESTS_EXCHANGE, REQUESTS_QUEUE, [persistent_message(body) for body in bodies])

    assert [message.body for message in await broker.take_all(REQUESTS_QUEUE)] == bodies


async def test_many_of_which_no_queue_takes_any_raise_and_the_next_one_works(
    publisher: Publisher, broker: Broker
) -> None:
    with pytest.raises(BrokerUnavailable):
        await publisher.publish_all(
            REQUESTS_EXCHANGE, "no.such.queue", [persistent_message(b"lost") for _ in range(300)]
        )

    await publisher.publish(REQUESTS_EXCHANGE, REQUESTS_QUEUE, b"next")

    assert [message.body for message in await broker.take_all(REQUESTS_QUEUE)] == [b"next"]


async def test_unroutable_message_raises_and_the_next_one_works(publisher: Publisher, broker: Broker) -> None:
    with pytest.raises(BrokerUnavailable):
        await publisher.publish(REQUESTS_EXCHANGE, "no.such.queue", b"lost")

    await publisher.publish(REQUESTS_EXCHANGE, REQUESTS_QUEUE, b"next")

    assert [message.body for message in await broker.take_all(REQUESTS_QUEUE)] == [b"next"]


async def test_deleted_queue_is_declared_by_the_publish_after_the_one_that_noticed(
    publisher: Publisher, broker: Broker
) -> None:
    await publisher.publish(REQUESTS_EXCHANGE, REQUESTS_QUEUE, b"before")
    await broker.delete_queue(REQUESTS_QUEUE)

    with pytest.raises(BrokerUnavailable):
        await publisher.publish(REQUESTS_EXCHANGE, REQUESTS_QUEUE, b"noticed")
    await publisher.publish(REQUESTS_EXCHANGE, REQUESTS_QUEUE, b"after")

    assert [message.body for message in await broker.take_all(REQUESTS_QUEUE)] == [b"after"]


async def test_message_that_need_not_arrive_is_dropped_without_an_error(publisher: Publisher) -> None:
    await publisher.publish(REPLIES_EXCHANGE, "callback.gone", b"{}", mandatory=False)

    assert publisher.is_open


async def test_connection_that_the_broker_closes_is_replaced(
    publisher: Publisher, broker: Broker, servers: Servers, amqp_url: str
) -> None:
    await publisher.publish(REQUESTS_EXCHANGE, REQUESTS_QUEUE, b"before")
    await close_connections_named(servers, amqp_url, NAME)
    await eventually(lambda: not publisher.is_open)

    await publisher.publish(REQUESTS_EXCHANGE, REQUESTS_QUEUE, b"after")

    assert [message.body for message in await broker.take_all(REQUESTS_QUEUE)] == [b"before", b"after"]


async def test_cancelled_publish_leaves_the_publisher_usable(publisher: Publisher, broker: Broker) -> None:
    await publisher.publish(REQUESTS_EXCHANGE, REQUESTS_QUEUE, b"before")
    cancelled = asyncio.create_task(publisher.publish(REQUESTS_EXCHANGE, REQUESTS_QUEUE, b"perhaps"))
    await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled

    await asyncio.wait_for(publisher.publish(REQUESTS_EXCHANGE, REQUESTS_QUEUE, b"after"), 10 * patience())

    assert {b"before", b"after"} <= {message.body for message in await broker.take_all(REQUESTS_QUEUE)}


async def test_broker_that_hangs_up_before_a_word_was_said_counts_as_away(
    settings: ConsumerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a container's port does while the broker in it is down. Then the library raises what is no AMQP error."""

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def connect_slowly(*where: Any, **how: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await open_connection(*where, **how)
        await eventually(reader.at_eof)
        return reader, writer

    open_connection = asyncio.open_connection
    monkeypatch.setattr(asyncio, "open_connection", connect_slowly)
    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        address = f"amqp://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        publisher = Publisher(settings.model_copy(update={"amqp_url": type(settings.amqp_url)(address)}), NAME)
        with pytest.raises(BrokerUnavailable):
            await publisher.publish(REQUESTS_EXCHANGE, REQUESTS_QUEUE, b"{}")
    await publisher.close()


async def test_broker_that_cannot_be_reached_raises(settings: ConsumerSettings) -> None:
    away = settings.model_copy(update={"amqp_url": type(settings.amqp_url)("amqp://127.0.0.1:1/")})
    publisher = Publisher(away, NAME)

    with pytest.raises(BrokerUnavailable):
        await publisher.publish(REQUESTS_EXCHANGE, REQUESTS_QUEUE, b"{}")
    await publisher.close()
