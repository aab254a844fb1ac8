"""A message that is held for longer than the broker waits for it comes again; its queue was not deleted for that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aio_pika.abc import AbstractIncomingMessage

from consumer_service.delivery import delivery_number
from shared.amqp.subscription import Subscription, existing_queue
from shared.amqp.topology import REQUESTS_QUEUE
from tests.integration.shared.amqp.conftest import NO_DATABASE
from tests.support import servers as test_servers
from tests.support.broker import open_broker
from tests.support.own_broker import own_broker
from tests.support.pipeline import consumer_settings, running
from tests.support.servers import Servers
from tests.support.waiting import eventually

TIMEOUT_MILLISECONDS = 5_000


@pytest.fixture
async def impatient_url(servers: Servers, tmp_path: Path) -> AsyncIterator[str]:
    """Of a broker that waits for an acknowledgement for five seconds only."""
    with own_broker(servers.kind, tmp_path) as rabbit:
        await rabbit.ctl("eval", f"application:set_env(rabbit, consumer_timeout, {TIMEOUT_MILLISECONDS}).")
        # Up to RabbitMQ 4.2 each channel looks at its own messages, once a minute by default.
        await rabbit.ctl("eval", "application:set_env(rabbit, channel_tick_interval, 500).")
        yield await test_servers.create_vhost(rabbit.instead_of(servers))


@pytest.mark.fault(38)
async def test_message_that_is_held_for_too_long_comes_again_and_the_queue_does_not_count_as_deleted(
    impatient_url: str,
) -> None:
    renewed: list[str] = []
    deliveries: list[int] = []
    let_go = asyncio.Event()

    async def hold(message: AbstractIncomingMessage) -> None:
        deliveries.append(delivery_number(message))
        if len(deliveries) == 1:
            await let_go.wait()
        else:
            await message.ack()

    subscription = Subscription(
        consumer_settings(NO_DATABASE, impatient_url),
        name="test subscription",
        declare_queue=existing_queue(REQUESTS_QUEUE),
        on_message=hold,
        prefetch=1,
    )
    subscription.on_queue_renewed = lambda: renewed.append(REQUESTS_QUEUE)
    async with open_broker(impatient_url) as broker, running(subscription):
        await broker.publish(REQUESTS_QUEUE, b"slow")
        await eventually(lambda: len(deliveries) == 1)
        await eventually(lambda: not subscription.is_subscribed, seconds=60)
        await eventually(lambda: subscription.is_subscribed)
        let_go.set()
        await eventually(lambda: len(deliveries) == 2)
        await eventually(lambda: broker.has_ready(REQUESTS_QUEUE, 0))

    assert deliveries == [1, 2]
    assert renewed == []
