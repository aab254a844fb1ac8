"""A subscription outlives its connection, its queue and its handler's errors, and takes messages one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aio_pika.abc import AbstractIncomingMessage
from aiormq.exceptions import ChannelLockedResource, ChannelNotFoundEntity

from consumer_service.settings import ConsumerSettings
from producer_service.requester import declare_callback_queue
from shared.amqp import subscription as subscriptions
from shared.amqp.connection import BrokerUnavailable
from shared.amqp.publisher import Publisher
from shared.amqp.subscription import Subscription, existing_queue
from shared.amqp.topology import REQUESTS_EXCHANGE, REQUESTS_QUEUE
from tests.support.broker import Broker, QueueState, close_connections_named
from tests.support.patience import patience
from tests.support.pipeline import running
from tests.support.servers import Servers
from tests.support.tcp_proxy import tcp_proxy
from tests.support.waiting import eventually

NAME = "test subscription"


class Handler:
    """Remembers what came, and waits with it while `free` is not set."""

    def __init__(self, *, acknowledges: bool = True) -> None:
        self.bodies: list[bytes] = []
        self.delivery_counts: list[object] = []
        self.free = asyncio.Event()
        self.free.set()
        self.most_at_once = 0
        self._at_once = 0
        self._acknowledges = acknowledges

    async def __call__(self, message: AbstractIncomingMessage) -> None:
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        self.bodies.append(message.body)
        self.delivery_counts.append(message.headers.get("x-delivery-count", 0))
        await self.free.wait()
        self._at_once -= 1
        if self._acknowledges:
            await message.ack()

    async def has(self, count: int) -> None:
        await eventually(lambda: len(self.bodies) >= count)


def subscribe(
    settings: ConsumerSettings, on_message: Callable[[AbstractIncomingMessage], Awaitable[None]], *, prefetch: int = 1
) -> Subscription:
    return Subscription(
        settings, name=NAME, declare_queue=existing_queue(REQUESTS_QUEUE), on_message=on_message, prefetch=prefetch
    )


async def test_messages_come_in_order_and_one_at_a_time_whatever_the_prefetch(
    settings: ConsumerSettings, broker: Broker
) -> None:
    handler = Handler()
    for number in range(5):
        await broker.publish(REQUESTS_QUEUE, b"%d" % number)
    async with running(subscribe(settings, handler, prefetch=5)):
        await handler.has(5)

    assert handler.bodies == [b"0", b"1", b"2", b"3", b"4"]
    assert handler.most_at_once == 1


async def test_connection_that_the_broker_closes_is_opened_again(
    settings: ConsumerSettings, broker: Broker, servers: Servers, amqp_url: str
) -> None:
    handler = Handler()
    async with running(subscribe(settings, handler)):
        assert await close_connections_named(servers, amqp_url, NAME) == 1
        await broker.publish(REQUESTS_QUEUE, b"after")
        await handler.has(1)
        await eventually(lambda: _is(broker, QueueState(ready=0, consumers=1)))


async def test_message_in_hand_when_the_connection_closes_is_finished_before_its_redelivery(
    settings: ConsumerSettings, broker: Broker, servers: Servers, amqp_url: str
) -> None:
    handler = Handler()
    handler.free.clear()
    async with running(subscribe(settings, handler)) as subscription:
        await broker.publish(REQUESTS_QUEUE, b"one")
        await handler.has(1)
        await close_connections_named(servers, amqp_url, NAME)
        await eventually(lambda: not subscription.is_subscribed)
        await eventually(lambda: subscription.is_subscribed)
        assert len(handler.bodies) == 1

        handler.free.set()
        await handler.has(2)

    assert handler.bodies == [b"one", b"one"]
    assert handler.most_at_once == 1
    assert await broker.take_all(REQUESTS_QUEUE) == []


async def test_connection_that_is_stuck_is_given_up_and_replaced(
    settings: ConsumerSettings, broker: Broker, amqp_url: str
) -> None:
    """The library then rejects with CancelledError what waits on it, which must not end us."""
    handler = Handler()
    async with tcp_proxy(amqp_url) as proxy:
        through_proxy = settings.model_copy(
            update={
                "amqp_url": type(settings.amqp_url)(proxy.url),
                "amqp_heartbeat_seconds": 1,
                "publish_timeout_seconds": 60,
            }
        )
        publisher = Publisher(through_proxy, NAME)
        async with running(subscribe(through_proxy, handler)) as subscription:
            await publisher.publish(REQUESTS_EXCHANGE, REQUESTS_QUEUE, b"before")
            await handler.has(1)
            proxy.stall()
            with pytest.raises(BrokerUnavailable):
                await publisher.publish(REQUESTS_EXCHANGE, REQUESTS_QUEUE, b"never")
            await eventually(lambda: not subscription.is_subscribed)
            proxy.resume()
            await publisher.publish(REQUESTS_EXCHANGE, REQUESTS_QUEUE, b"after")
            await eventually(lambda: handler.bodies[-1] == b"after", seconds=40)
        await publisher.close()


async def test_deleted_queue_is_declared_and_subscribed_again(settings: ConsumerSettings, broker: Broker) -> None:
    handler = Handler()
    async with running(subscribe(settings, handler)) as subscription:
        await broker.delete_queue(REQUESTS_QUEUE)
        await eventually(lambda: not subscription.is_subscribed)
        await eventually(lambda: subscription.is_subscribed)
        await broker.publish(REQUESTS_QUEUE, b"after")
        await handler.has(1)


async def test_only_a_deleted_queue_counts_as_renewed_and_only_once(
    settings: ConsumerSettings, broker: Broker, servers: Servers, amqp_url: str
) -> None:
    renewed: list[str | None] = []
    async with running(subscribe(settings, Handler())) as subscription:
        subscription.on_queue_renewed = lambda: renewed.append(subscription.queue_name)
        for _ in range(2):
            await close_connections_named(servers, amqp_url, NAME)
            await eventually(lambda: not subscription.is_subscribed)
            await eventually(lambda: subscription.is_subscribed)
        assert renewed == []

        await broker.delete_queue(REQUESTS_QUEUE)
        await eventually(lambda: bool(renewed))
        await close_connections_named(servers, amqp_url, NAME)
        await eventually(lambda: not subscription.is_subscribed)
        await eventually(lambda: subscription.is_subscribed)

    assert renewed == [REQUESTS_QUEUE]


async def test_paused_subscription_gives_its_message_back_once_and_takes_it_again_when_resumed(
    settings: ConsumerSettings, broker: Broker
) -> None:
    handler = Handler(acknowledges=False)
    async with running(subscribe(settings, handler)) as subscription:
        await broker.publish(REQUESTS_QUEUE, b"one")
        await broker.publish(REQUESTS_QUEUE, b"two")
        await handler.has(1)

        subscription.pause()
        await eventually(lambda: _is(broker, QueueState(ready=2, consumers=0)))
        assert not subscription.is_subscribed
        subscription.resume()
        await handler.has(2)

    assert handler.bodies == [b"one", b"one"]
    assert handler.delivery_counts == [0, 1]


async def test_pause_waits_for_the_message_in_hand(settings: ConsumerSettings, broker: Broker) -> None:
    handler = Handler()
    handler.free.clear()
    async with running(subscribe(settings, handler)) as subscription:
        await broker.publish(REQUESTS_QUEUE, b"one")
        await handler.has(1)
        subscription.pause()
        handler.free.set()
        await eventually(lambda: not subscription.is_subscribed)

    assert await broker.state(REQUESTS_QUEUE) == QueueState(ready=0, consumers=0)


async def test_stop_settles_the_message_in_hand_and_begins_no_other(settings: ConsumerSettings, broker: Broker) -> None:
    handler = Handler()
    handler.free.clear()
    for body in (b"one", b"two", b"three"):
        await broker.publish(REQUESTS_QUEUE, body)
    async with running(subscribe(settings, handler, prefetch=2)) as subscription:
        await handler.has(1)
        subscription.stop()
        handler.free.set()

    assert handler.bodies == [b"one"]
    assert {message.body for message in await broker.take(REQUESTS_QUEUE, 2)} == {b"two", b"three"}


async def test_stop_ends_a_subscription_that_is_paused_or_cannot_connect(
    settings: ConsumerSettings, broker: Broker
) -> None:
    async with running(subscribe(settings, Handler())) as subscription:
        subscription.pause()
        await eventually(lambda: not subscription.is_subscribed)

    unreachable = settings.model_copy(update={"amqp_url": type(settings.amqp_url)("amqp://127.0.0.1:1/")})
    lonely = subscribe(unreachable, Handler())
    trying = asyncio.create_task(lonely.run())
    await asyncio.sleep(0)
    lonely.stop()
    await asyncio.wait_for(trying, 5 * patience())


async def test_message_whose_handler_fails_comes_again(settings: ConsumerSettings, broker: Broker) -> None:
    handler = Handler()

    async def fail_once(message: AbstractIncomingMessage) -> None:
        if message.headers.get("x-delivery-count", 0) == 0:
            raise ValueError
        await handler(message)

    async with running(subscribe(settings, fail_once)):
        await broker.publish(REQUESTS_QUEUE, b"one")
        await handler.has(1)

    assert handler.delivery_counts == [1]
    assert await broker.take_all(REQUESTS_QUEUE) == []


async def test_broker_that_is_away_at_first_is_tried_again_until_it_answers(
    settings: ConsumerSettings, broker: Broker, amqp_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "RECONNECT_SECONDS", (0.05,))
    some_nodes_away = settings.model_copy(
        update={"amqp_url": type(settings.amqp_url)(f"amqp://127.0.0.1:1/, {amqp_url}")}
    )
    handler = Handler()
    async with running(subscribe(some_nodes_away, handler)):
        await broker.publish(REQUESTS_QUEUE, b"one")
        await handler.has(1)


async def test_callback_queue_has_a_new_name_on_each_connection_and_goes_with_it(
    settings: ConsumerSettings, broker: Broker, servers: Servers, amqp_url: str
) -> None:
    names: list[str | None] = []
    callbacks = Subscription(
        settings, name=NAME, declare_queue=declare_callback_queue, on_message=Handler(), prefetch=0, no_ack=True
    )
    callbacks.on_subscribed = lambda: names.append(callbacks.queue_name)
    async with running(callbacks):
        await close_connections_named(servers, amqp_url, NAME)
        await eventually(lambda: len(names) == 2)
        first, second = names
        assert first is not None
        assert second is not None
        # It goes when the broker has tidied up behind its connection, and until then it is still locked.
        await eventually(lambda: _is_gone(broker, first))
        # There, and nobody else's.
        with pytest.raises(ChannelLockedResource):
            await broker.state(second)


async def _is(broker: Broker, state: QueueState) -> bool:
    return await broker.state(REQUESTS_QUEUE) == state


async def _is_gone(broker: Broker, queue: str) -> bool:
    try:
        await broker.state(queue)
    except ChannelNotFoundEntity:
        return True
    except ChannelLockedResource:
        return False
    return False
