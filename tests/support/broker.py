"""The test's own view of its virtual host: what waits in a queue, who consumes it, and messages put there by hand."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import AMQPError, ChannelNotFoundEntity

from shared.amqp.connection import close_quietly
from shared.amqp.queue_depths import depth_of
from shared.amqp.topology import REPLIES_EXCHANGE, REQUESTS_QUEUE, declare_topology
from shared.messages import ChunkReply, ChunkRequest, Request, decode_reply, decode_request, encode
from tests.support.servers import Servers, management
from tests.support.waiting import eventually


class QueueState(NamedTuple):
    ready: int
    consumers: int


class Broker:
    """One connection, opened again when the broker was away, and a new channel for each question: asking for a queue
    that is gone closes the channel."""

    def __init__(self, amqp_url: str) -> None:
        self._amqp_url = amqp_url
        self._connection: AbstractConnection | None = None

    async def _channel(self) -> AbstractChannel:
        if self._connection is not None:
            with contextlib.suppress(AMQPError, RuntimeError):  # what a connection raises that the broker has closed
                return await self._connection.channel()
            await close_quietly(self._connection)
        self._connection = await aio_pika.connect(self._amqp_url)
        return await self._connection.channel()

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()

    async def state(self, queue: str) -> QueueState:
        """Exact, unlike the statistics of the management API. Raises ChannelNotFoundEntity."""
        channel = await self._channel()
        depth = await depth_of(channel, queue)
        await channel.close()
        return QueueState(depth.messages, depth.consumers)

    async def declare_topology(self) -> None:
        channel = await self._channel()
        await declare_topology(channel)
        await channel.close()

    async def has_exchange(self, name: str) -> bool:
        channel = await self._channel()
        try:
            await channel.declare_exchange(name, aio_pika.ExchangeType.FANOUT, passive=True)
        except ChannelNotFoundEntity:
            return False
        await channel.close()
        return True

    async def has_ready(self, queue: str, count: int) -> bool:
        return (await self.state(queue)).ready == count

    async def take_all(self, queue: str) -> list[AbstractIncomingMessage]:
        """Empty the queue."""
        channel = await self._channel()
        source = await channel.get_queue(queue, ensure=False)
        taken = []
        while (message := await source.get(no_ack=True, fail=False)) is not None:
            taken.append(message)
        await channel.close()
        return taken

    async def purge(self, queue: str) -> None:
        """Throw away what waits in it, however much."""
        channel = await self._channel()
        await (await channel.get_queue(queue, ensure=False)).purge()
        await channel.close()

    async def take(self, queue: str, count: int) -> list[AbstractIncomingMessage]:
        """Wait until so many messages are there, and empty the queue."""
        await eventually(lambda: self.has_ready(queue, count))
        return await self.take_all(queue)

    async def request(self, request: Request | bytes, *, reply_to: str | None = None, message_id: str = "hand") -> None:
        """Put a request on the request queue."""
        await self.publish(
            REQUESTS_QUEUE,
            request if isinstance(request, bytes) else encode(request),
            reply_to=reply_to,
            message_id=message_id,
        )

    async def publish(
        self,
        queue: str,
        body: bytes,
        *,
        reply_to: str | None = None,
        message_id: str = "hand",
        correlation_id: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        channel = await self._channel()
        await declare_topology(channel)
        message = aio_pika.Message(
            body,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            message_id=message_id,
            correlation_id=correlation_id or f"correlation of {message_id}",
            reply_to=reply_to,
            headers={**headers} if headers else None,
        )
        # As the services publish: aio-pika would say 0, which from RabbitMQ 4.3 on lets what says nothing come first.
        message.priority = None
        await channel.default_exchange.publish(message, queue)
        await channel.close()

    async def return_until_dead(self, queue: str, times: int) -> None:
        """Take the one message in the queue and give it back, so often."""
        channel = await self._channel()
        source = await channel.get_queue(queue, ensure=False)
        for _ in range(times):
            await eventually(lambda: self.has_ready(queue, 1))
            message = await source.get()
            assert message is not None
            await message.reject(requeue=True)
        await channel.close()

    async def callback_queue(self) -> AbstractQueue:
        channel = await self._channel()
        await declare_topology(channel)
        queue = await channel.declare_queue(exclusive=True, durable=False)
        await queue.bind(REPLIES_EXCHANGE, queue.name)
        return queue

    async def next_reply(self, queue: AbstractQueue) -> ChunkReply:
        messages: list[AbstractIncomingMessage] = []

        async def arrived() -> bool:
            message = await queue.get(no_ack=True, fail=False)
            if message is not None:
                messages.append(message)
            return bool(messages)

        await eventually(arrived)
        reply = decode_reply(messages[0].body)
        assert isinstance(reply, ChunkReply)
        return reply

    async def delete_queue(self, queue: str) -> None:
        channel = await self._channel()
        await channel.queue_delete(queue)
        await channel.close()

    @contextlib.asynccontextmanager
    async def answering_requests(self, answer: Answer, *, prefetch: int = 0) -> AsyncIterator[None]:
        """A consumer of the test's own on the request queue; `answer` gets each chunk, and its reply is sent."""
        channel = await self._channel()
        await declare_topology(channel)
        await channel.set_qos(prefetch_count=prefetch)
        replies = await channel.get_exchange(REPLIES_EXCHANGE, ensure=False)

        async def on_message(message: AbstractIncomingMessage) -> None:
            request = decode_request(message.body)
            assert isinstance(request, ChunkRequest)
            reply = await answer(request)
            if reply is not None and message.reply_to is not None:
                await replies.publish(aio_pika.Message(encode(reply)), message.reply_to, mandatory=False)
            await message.ack()

        queue = await channel.get_queue(REQUESTS_QUEUE, ensure=False)
        tag = await queue.consume(on_message)
        try:
            yield
        finally:
            await queue.cancel(tag)
            await channel.close()


Answer = Callable[[ChunkRequest], Awaitable[ChunkReply | None]]


@contextlib.asynccontextmanager
async def open_broker(amqp_url: str) -> AsyncIterator[Broker]:
    """With the topology declared."""
    broker = Broker(amqp_url)
    await broker.declare_topology()
    try:
        yield broker
    finally:
        await broker.close()


# By virtual host and name, which tells the ports at both ends.
_closed: set[tuple[str, str]] = set()


async def close_connections_named(servers: Servers, amqp_url: str, name: str) -> int:
    """Make the broker close the connections of the virtual host that carry this name; how many it closed."""
    vhost = amqp_url.rpartition("/")[2]
    closed = 0
    async with management(servers) as api:
        # The list of connections is gathered every few seconds: a new one is not there yet, and one that was closed by
        # an earlier call may still be.
        found: list[str] = []

        async def listed() -> bool:
            connections = (await api.get(f"/api/vhosts/{vhost}/connections")).raise_for_status().json()
            found[:] = [
                connection["name"]
                for connection in connections
                if connection.get("client_properties", {}).get("connection_name") == name
                and (vhost, connection["name"]) not in _closed
            ]
            return bool(found)

        await eventually(listed)
        for connection in found:
            closed += (await api.delete(f"/api/connections/{connection}")).is_success
            _closed.add((vhost, connection))
    return closed
