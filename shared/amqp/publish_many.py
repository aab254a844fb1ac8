"""Publishes many messages with one write to the socket.

aiormq's `basic_publish` holds the channel's lock for each message, and a lock changes hands once in an iteration of the
event loop. So each of many messages would cost an iteration and a system call here, and a packet at the broker. This
module does for all of them together what aiormq does for one. It enters the confirms into aiormq's own tables, whose
names are public but undocumented; `tests/integration/shared/amqp/test_publisher.py` shows that they still work so.
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
    from collections.abc import Iterable, Iterator

    from aiormq.channel import Channel

WRITE_BYTES: Final = 64 * 1024


class OutgoingMessage(NamedTuple):
    """Its `message_id` differs from that of all others in flight on the channel: by it a returned message is known."""

    body: bytes
    properties: Basic.Properties


class _Batch(NamedTuple):
    frames: bytes
    message_ids: list[str]


async def publish_many(
    channel: Channel, messages: Iterable[OutgoingMessage], *, exchange: str, routing_key: str, mandatory: bool
) -> None:
    """Publish all, and wait for all confirms. Raises what `Channel.basic_publish` raises."""
    publish = marshal(Basic.Publish(exchange=exchange, routing_key=routing_key, mandatory=mandatory), channel.number)
    confirms: list[asyncio.Future[Any]] = []
    async with channel.lock:
        for batch in _batches(channel, publish, messages):
            await channel.write_queue.put(ChannelFrame(batch.frames, should_close=False))
            # Counted only once the frames are in the queue. Nothing else has run since, so no confirm can be here yet.
            confirms += [_expect_confirm(channel, message_id) for message_id in batch.message_ids]
    for confirm in confirms:
        await confirm


def _batches(channel: Channel, publish: bytes, messages: Iterable[OutgoingMessage]) -> Iterator[_Batch]:
    """The messages' frames, some messages at a time, or a part of one. A message counts with its last frame."""
    frames, message_ids = bytearray(), list[str]()
    for message in messages:
        frames += publish
        for frame in _content(channel, message):
            if len(frames) >= WRITE_BYTES:
                yield _Batch(bytes(frames), message_ids)
                frames, message_ids = bytearray(), []
            frames += frame
        message_ids.append(str(message.properties.message_id))
        if len(frames) >= WRITE_BYTES:
            yield _Batch(bytes(frames), message_ids)
            frames, message_ids = bytearray(), []
    if message_ids:
        yield _Batch(bytes(frames), message_ids)


def _content(channel: Channel, message: OutgoingMessage) -> Iterator[bytes]:
    yield marshal(ContentHeader(body_size=len(message.body), properties=message.properties), channel.number)
    # A broker without a limit makes the size of a frame's content negative.
    size = channel.max_content_size if channel.max_content_size > 0 else max(1, len(message.body))
    for at in range(0, len(message.body), size):
        yield marshal(ContentBody(message.body[at : at + size]), channel.number)


def _expect_confirm(channel: Channel, message_id: str) -> asyncio.Future[Any]:
    channel.delivery_tag += 1
    tag = channel.delivery_tag
    confirm = channel.create_future()
    channel.confirmations[tag] = confirm
    channel.message_id_delivery_tag[message_id] = tag

    def forget_message_id(_: object) -> None:
        if channel.message_id_delivery_tag.get(message_id) == tag:
            del channel.message_id_delivery_tag[message_id]

    confirm.add_done_callback(forget_message_id)
    return confirm
