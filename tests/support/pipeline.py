"""The consumer and the producer in the test's own event loop, wired as their apps wire them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from consumer_service.delivery import Deliveries
from consumer_service.reply_sender import ReplySender
from consumer_service.settings import ConsumerSettings
from producer_service.requester import Requester
from producer_service.settings import ProducerSettings
from producer_service.uploads.dead_chunks import DeadChunks
from producer_service.uploads.dispatcher import Dispatcher
from shared.amqp.publisher import Publisher
from shared.amqp.subscription import Subscription
from shared.database.engine import create_engine
from shared.service.failpoints import Failpoints
from shared.upload_store import UploadStore
from tests.support.patience import patience
from tests.support.waiting import eventually

NO_BROKER = "amqp://127.0.0.1:1/none"


def consumer_settings(database_url: str, amqp_url: str = NO_BROKER, **own: Any) -> ConsumerSettings:
    """Settings by field name, whatever the environment says."""
    return ConsumerSettings.model_validate({"database_url": database_url, "amqp_url": amqp_url, **own})


def producer_settings(
    database_url: str, upload_store_url: str, amqp_url: str = NO_BROKER, **own: Any
) -> ProducerSettings:
    """Settings by field name, whatever the environment says."""
    return ProducerSettings.model_validate(
        {"database_url": database_url, "amqp_url": amqp_url, "upload_store_url": upload_store_url, **own}
    )


def wide_engine(settings: ConsumerSettings | ProducerSettings) -> AsyncEngine:
    """A pool wide enough for several consumers at once."""
    return create_engine(settings, "rollcall test", pool_size=12, pool_timeout_seconds=30)


@contextlib.asynccontextmanager
async def running(subscription: Subscription) -> AsyncIterator[Subscription]:
    """The subscription is up when the block begins, and has settled its last message when it ends."""
    consuming = asyncio.create_task(subscription.run())
    try:
        await eventually(lambda: subscription.is_subscribed or consuming.done())
        yield subscription
    finally:
        subscription.stop()
        await asyncio.wait_for(consuming, 20 * patience())


@contextlib.asynccontextmanager
async def running_consumer(engine: AsyncEngine, settings: ConsumerSettings) -> AsyncIterator[Deliveries]:
    """A consumer that is subscribed to both request queues."""
    letters = Publisher(settings, "test dead letters")
    reply_publisher = Publisher(settings, "test replies")
    replies = ReplySender(reply_publisher)
    deliveries = Deliveries(engine, letters, replies, settings, Failpoints(settings.failpoints))
    sending = asyncio.create_task(replies.run())
    try:
        async with contextlib.AsyncExitStack() as stack:
            for subscription in deliveries.subscriptions:
                await stack.enter_async_context(running(subscription))
            yield deliveries
            deliveries.stop()
        await replies.drain(seconds=2)
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await deliveries.close()
        await asyncio.gather(letters.close(), reply_publisher.close())


class Producer(NamedTuple):
    dispatcher: Dispatcher
    requester: Requester
    dead_chunks: DeadChunks


@contextlib.asynccontextmanager
async def running_producer(engine: AsyncEngine, settings: ProducerSettings) -> AsyncIterator[Producer]:
    """A producer with its three subscriptions up and its sweep running."""
    requester = Requester(settings)
    dispatcher = Dispatcher(
        engine, UploadStore(settings.upload_store_url), requester, settings, Failpoints(settings.failpoints)
    )
    dead_chunks = DeadChunks(engine, settings)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(dead_chunks.close)
        stack.push_async_callback(requester.close)
        for subscription in (requester.replies, dispatcher.announcements, dead_chunks.subscription):
            await stack.enter_async_context(running(subscription))
        rounds = [asyncio.create_task(dispatcher.sweep()), asyncio.create_task(dispatcher.keep_windows_fitting())]
        try:
            yield Producer(dispatcher, requester, dead_chunks)
        finally:
            for task in rounds:
                task.cancel()
            await asyncio.gather(*rounds, return_exceptions=True)
            await dispatcher.stop()
