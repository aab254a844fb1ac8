"""Asks the broker for the number of messages and consumers of each queue."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

from shared.amqp.connection import BrokerUnavailable, broker_errors, close_quietly, connect
from shared.amqp.topology import (
    DEAD_CHUNKS_QUEUE,
    DEAD_LETTERS_QUEUE,
    REQUESTS_QUEUE,
    UPLOADS_QUEUE,
    declare_topology,
)

if TYPE_CHECKING:
    from aio_pika.abc import AbstractConnection

    from shared.service.settings import SharedSettings

QUEUES: Final = (UPLOADS_QUEUE, REQUESTS_QUEUE, DEAD_LETTERS_QUEUE, DEAD_CHUNKS_QUEUE)
# A broker that does not answer must not keep the caller waiting.
ANSWER_SECONDS: Final = 3


class QueueDepth(NamedTuple):
    """The ready messages, without those that a consumer has and did not acknowledge, and the consumers."""

    messages: int
    consumers: int


class BrokerState(NamedTuple):
    """The broker's version, and the depth of each of `QUEUES`."""

    version: str | None
    queues: dict[str, QueueDepth]


async def read_broker_state(settings: SharedSettings) -> BrokerState | None:
    """None when the broker does not answer in time. It opens a connection for this, and closes it again."""
    connection = None
    try:
        with broker_errors("no answer"):
            async with asyncio.timeout(ANSWER_SECONDS):
                connection = await connect(settings, "api_service status")
                channel = await connection.channel(publisher_confirms=False)
                await declare_topology(channel)
                queues = {}
                for name in QUEUES:
                    declared = (await channel.declare_queue(name, passive=True)).declaration_result
                    queues[name] = QueueDepth(declared.message_count or 0, declared.consumer_count or 0)
                return BrokerState(_version(connection), queues)
    except BrokerUnavailable:
        return None
    finally:
        await close_quietly(connection)


async def read_depth(settings: SharedSettings, queue: str) -> int | None:
    """None when the broker does not answer in time."""
    state = await read_broker_state(settings)
    return None if state is None else state.queues[queue].messages


def _version(connection: AbstractConnection) -> str | None:
    """The version that the broker said when the connection was opened."""
    transport = connection.transport
    said = transport.connection.server_properties.get("version") if transport is not None else None
    return said if isinstance(said, str) else None
