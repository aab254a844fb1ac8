"""Publishes with publisher confirms, on a connection of its own that is replaced whenever it is in doubt."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from typing import TYPE_CHECKING, cast

import structlog
from aio_pika import DeliveryMode
from aio_pika.exceptions import DeliveryError
from pamqp.commands import Basic

from shared.amqp.connection import BrokerUnavailable, broker_errors, close_quietly, connect
from shared.amqp.publish_many import OutgoingMessage, publish_many
from shared.amqp.publisher_block import UNCONFIRMED, blocked_text, publisher_block
from shared.amqp.queue_depths import depth_of
from shared.amqp.signatures import Signatures, purpose_of
from shared.amqp.topology import declare_topology

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from aio_pika.abc import AbstractChannel, AbstractConnection
    from aiormq.channel import Channel

    from shared.amqp.queue_depths import QueueDepth
    from shared.service.settings import SharedSettings

log = structlog.get_logger(__name__)


def persistent_message(
    body: bytes,
    *,
    message_id: str | None = None,
    correlation_id: str | None = None,
    reply_to: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> OutgoingMessage:
    """A message that survives a restart of the broker.

    Its `message_id` is new for each attempt unless given. A returned message is known by it: with two of one id in
    flight on a channel, the wrong one would be taken for the returned one.
    """
    return OutgoingMessage(
        body,
        Basic.Properties(
            delivery_mode=DeliveryMode.PERSISTENT,
            content_type="application/json",
            message_id=message_id or uuid.uuid4().hex,
            correlation_id=correlation_id,
            reply_to=reply_to,
            headers={**headers} if headers else None,
        ),
    )


class QueueFull(BrokerUnavailable):
    """The queue took not all of the messages, because it is at the limit that somebody has given it by a policy."""


class Publisher:
    """Publishes persistent, mandatory messages. When a publish returns, the broker has it on disk in a queue.

    Any failure throws the connection away, because after a time-out nobody knows what is in flight on its channel. A
    message that timed out while the broker blocked publishers is delivered later. So every caller must be able to
    publish the same message again without harm.
    """

    def __init__(self, settings: SharedSettings, name: str) -> None:
        self.settings = settings
        self._signatures = Signatures(settings)
        self._name = name
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._opening = asyncio.Lock()
        self._closers: set[asyncio.Task[None]] = set()

    @property
    def is_open(self) -> bool:
        return self._channel is not None and not self._channel.is_closed

    async def publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        *,
        message_id: str | None = None,
        correlation_id: str | None = None,
        reply_to: str | None = None,
        headers: Mapping[str, str] | None = None,
        mandatory: bool = True,
    ) -> None:
        """Publish and wait for the confirm. Raises `BrokerUnavailable`; the message may or may not have arrived.

        A `mandatory` message must reach a queue. If there is none, the next publish declares the topology anew.
        """
        message = persistent_message(
            body, message_id=message_id, correlation_id=correlation_id, reply_to=reply_to, headers=headers
        )
        await self.publish_all(exchange, routing_key, [message], mandatory=mandatory)

    async def publish_all(
        self, exchange: str, routing_key: str, messages: Iterable[OutgoingMessage], *, mandatory: bool = True
    ) -> None:
        """Publish several in one go, and wait for all confirms; otherwise as `publish`. Raises `QueueFull` too."""
        channel = await self._open_channel()
        purpose = purpose_of(exchange, routing_key)
        signed = (self._signatures.sign(message, purpose) for message in messages)
        published_at = time.monotonic()
        try:
            with _unconfirmed(exchange):
                async with asyncio.timeout(self.settings.publish_timeout_seconds):
                    underlay = cast("Channel", await channel.get_underlay_channel())
                    await publish_many(
                        underlay, signed, exchange=exchange, routing_key=routing_key, mandatory=mandatory
                    )
        except (BrokerUnavailable, asyncio.CancelledError) as error:
            UNCONFIRMED.inc()
            self._discard(channel)
            if _is_rejection(error):
                raise QueueFull(f"publish to {exchange}: the queue is full") from error
            raise
        publisher_block.confirmed(published_at)

    async def depth(self, queue: str) -> QueueDepth:
        """Of a queue of the topology. Raises `BrokerUnavailable`."""
        channel = await self._open_channel()
        try:
            with broker_errors(f"no answer about {queue}"):
                async with asyncio.timeout(self.settings.publish_timeout_seconds):
                    return await depth_of(channel, queue)
        except (BrokerUnavailable, asyncio.CancelledError):
            self._discard(channel)
            raise

    async def close(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        await close_quietly(connection)
        await asyncio.gather(*self._closers)

    async def _open_channel(self) -> AbstractChannel:
        async with self._opening:
            if self._channel is not None and not self._channel.is_closed:
                return self._channel
            if self._channel is not None:
                self._discard(self._channel)
            connection = await connect(self.settings, self._name)
            try:
                with broker_errors("cannot open a channel"):
                    async with asyncio.timeout(self.settings.publish_timeout_seconds):
                        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
                        await declare_topology(channel, self.settings)
            except (BrokerUnavailable, asyncio.CancelledError):
                self._close_later(connection)
                raise
            self._connection, self._channel = connection, channel
            return channel

    def _discard(self, channel: AbstractChannel) -> None:
        if channel is not self._channel:
            return
        if self._connection is not None:
            self._close_later(self._connection)
        self._connection = self._channel = None

    def _close_later(self, connection: AbstractConnection) -> None:
        task = asyncio.create_task(close_quietly(connection))
        self._closers.add(task)
        task.add_done_callback(self._closers.discard)


@contextlib.contextmanager
def _unconfirmed(exchange: str) -> Iterator[None]:
    """As `broker_errors`, and it tells of an alarm."""
    try:
        with broker_errors(f"publish to {exchange} not confirmed"):
            yield
    except BrokerUnavailable as error:
        if publisher_block.reason is None:
            raise
        raise BrokerUnavailable(f"{error}: {blocked_text(publisher_block.reason)}") from error


def _is_rejection(error: BaseException | None) -> bool:
    """The broker's negative confirm. A PublishError, which is a DeliveryError too, means that there is no queue."""
    while error is not None and type(error) is not DeliveryError:
        error = error.__cause__
    return error is not None
