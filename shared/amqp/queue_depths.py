"""Asks the broker for the number of messages and consumers of each queue, and whether it takes messages at all."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final, NamedTuple

from shared.amqp.connection import BrokerUnavailable, broker_errors, close_quietly, close_soon, connect
from shared.amqp.publisher_block import (
    BrokerBlocksPublishers,
    ask_if_publishers_are_blocked,
    blocked_text,
    publisher_block,
)
from shared.amqp.topology import (
    BULK_REQUESTS_QUEUE,
    DEAD_CHUNKS_QUEUE,
    DEAD_LETTERS_QUEUE,
    REQUESTS_QUEUE,
    UPLOADS_QUEUE,
    declare_topology,
)

if TYPE_CHECKING:
    from aio_pika.abc import AbstractChannel, AbstractConnection

    from shared.service.settings import SharedSettings

QUEUES: Final = (UPLOADS_QUEUE, REQUESTS_QUEUE, BULK_REQUESTS_QUEUE, DEAD_LETTERS_QUEUE, DEAD_CHUNKS_QUEUE)
# A broker that does not answer must not keep the caller waiting.
ANSWER_SECONDS: Final = 2.5
# A broker waits so long for the process of a quorum queue. One that is too busy to answer counts as empty, without
# consumers.
_UNKNOWN_AFTER_SECONDS: Final = 0.25
_LOOKS_AT_MOST: Final = 8
# Of all queues together, whose state is no ground for doing anything, in `ANSWER_SECONDS`.
_LOOKS_FOR_A_STATE: Final = 2


class QueueDepth(NamedTuple):
    """The ready messages, without those that a consumer has and did not acknowledge, and the consumers."""

    messages: int
    consumers: int


class BrokerState(NamedTuple):
    """The broker's version, the depth of each of `QUEUES`, and why it takes no messages, if so."""

    version: str | None
    queues: dict[str, QueueDepth]
    blocks_publishers: str | None


async def depth_of(channel: AbstractChannel, queue: str) -> QueueDepth:
    """Asks again where a queue that is told to be empty may have been too busy to say. Raises the library's errors."""
    return await _look(channel, queue, _LOOKS_AT_MOST)


async def _look(channel: AbstractChannel, queue: str, at_most: int) -> QueueDepth:
    for _ in range(at_most):
        asked_at = time.monotonic()
        declared = (await channel.declare_queue(queue, passive=True)).declaration_result
        depth = QueueDepth(declared.message_count or 0, declared.consumer_count or 0)
        if depth != (0, 0) or time.monotonic() - asked_at < _UNKNOWN_AFTER_SECONDS:
            break
    return depth


async def read_broker_state(settings: SharedSettings) -> BrokerState:
    """Raises `BrokerUnavailable`. It opens a connection for this, and closes it again."""
    async with _asking(settings) as connection:
        queues = await _read_queues(settings, connection)
        return BrokerState(_version(connection), queues, await ask_if_publishers_are_blocked(connection))


async def read_depth(settings: SharedSettings, queue: str) -> int | None:
    """None when the broker does not answer in time."""
    try:
        async with _asking(settings) as connection:
            return (await _read_queues(settings, connection))[queue].messages
    except BrokerUnavailable:
        return None


async def require_open_publishing(settings: SharedSettings) -> None:
    """Raises `BrokerBlocksPublishers`, and `BrokerUnavailable`. Asks the broker only if it was known to block."""
    if publisher_block.reason is None:
        return
    async with _asking(settings) as connection:
        reason = await ask_if_publishers_are_blocked(connection)
    if reason is not None:
        raise BrokerBlocksPublishers(blocked_text(reason))


@contextlib.asynccontextmanager
async def _asking(settings: SharedSettings) -> AsyncIterator[AbstractConnection]:
    connection = None
    try:
        with broker_errors("the RabbitMQ of ROLLCALL_AMQP_URL"):
            async with asyncio.timeout(ANSWER_SECONDS):
                connection = await connect(settings, "rollcall status")
                yield connection
    finally:
        if publisher_block.reason is None:
            await close_quietly(connection)
        else:
            close_soon(connection)


async def _read_queues(settings: SharedSettings, connection: AbstractConnection) -> dict[str, QueueDepth]:
    channel = await connection.channel(publisher_confirms=False)
    await declare_topology(channel, settings)
    return {name: await _look(channel, name, _LOOKS_FOR_A_STATE) for name in QUEUES}


def _version(connection: AbstractConnection) -> str | None:
    """The version that the broker said when the connection was opened."""
    transport = connection.transport
    said = transport.connection.server_properties.get("version") if transport is not None else None
    return said if isinstance(said, str) else None
