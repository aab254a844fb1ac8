"""Many publishes in one write to the socket.

aiormq's `basic_publish` holds the channel's lock for each message, and a lock changes hands once in an iteration of the
event loop: every message of many at once costs an iteration and a system call here, and a packet at the broker. This
does for all of them together what it does for one. It keeps aiormq's own books of confirms, whose names are public but
undocumented: `tests/integration/amqp/test_publisher.py` holds it to what they promise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiormq.abc import ChannelFrame
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.frame import marshal
from pamqp.header import ContentHeader

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable

    from aiormq.channel import Channel

WRITE_BYTES: Final = 64 * 1024


class OutgoingMessage(NamedTuple):
    body: bytes
    properties: Basic.Properties


async def publish_many(
    channel: Channel, messages: Iterable[OutgoingMessage], *, exchange: str, routing_key: str, mandatory: bool
) -> None:
    """Publish all, and wait for all confirms. Raises what `Channel.basic_publish` raises.

    Each needs a `message_id` of its own. After an error or a cancellation the channel must be closed: the messages it
    has counted may not have been sent.
    """
    publish = marshal(Basic.Publish(exchange=exchange, routing_key=routing_key, mandatory=mandatory), channel.number)
    confirms: list[asyncio.Future[Any]] = []
    tags: dict[str, int] = {}
    unsent = bytearray()
    async with channel.lock:
        for message in messages:
            message_id = str(message.properties.message_id)
            channel.delivery_tag += 1
            tags[message_id] = channel.delivery_tag
            confirm = channel.create_future()
            confirms.append(confirm)
            channel.confirmations[channel.delivery_tag] = confirm
            # A message that comes back is known by its id.
            channel.message_id_delivery_tag[message_id] = channel.delivery_tag
            unsent += publish + _content(message, channel)
            if len(unsent) >= WRITE_BYTES:
                await _write(unsent, channel)
        await _write(unsent, channel)
    for confirm in confirms:
        await confirm
    for message_id, tag in tags.items():
        if channel.message_id_delivery_tag.get(message_id) == tag:
            del channel.message_id_delivery_tag[message_id]


def _content(message: OutgoingMessage, channel: Channel) -> bytes:
    header = ContentHeader(body_size=len(message.body), properties=message.properties)
    size = channel.max_content_size
    bodies = [ContentBody(message.body[at : at + size]) for at in range(0, len(message.body), size)]
    return marshal(header, channel.number) + b"".join(marshal(body, channel.number) for body in bodies)


async def _write(unsent: bytearray, channel: Channel) -> None:
    """To the connection's own writer, in order."""
    if unsent:
        await channel.write_queue.put(ChannelFrame(bytes(unsent), should_close=False))
        unsent.clear()
