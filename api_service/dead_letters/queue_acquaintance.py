"""Knows whether this dead-letter queue and this database belong together, by a mark that goes with either of them.

The mark is an exchange, bound to the queue, whose name says which database it is: the server, its history, and the
table itself. A restored database has another name to look for, a new broker has no exchange, and one that is bound to
nothing but a queue that was deleted is deleted with it (`auto_delete`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from aio_pika import ExchangeType
from aio_pika.exceptions import ChannelNotFoundEntity
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.amqp.connection import broker_errors, close_quietly, connect
from shared.amqp.topology import DEAD_LETTERS_QUEUE, declare_topology

if TYPE_CHECKING:
    from aio_pika.abc import AbstractChannel

    from shared.service.settings import SharedSettings

BROKER_ANSWER_SECONDS: Final = 10

# `pg_restore` makes the table anew, a restored copy of the files begins another timeline.
MARKER = text("""
    SELECT concat_ws('.', 'dead-letters.of', system_identifier, timeline_id,
                     (SELECT oid FROM pg_database WHERE datname = current_database()),
                     CAST(CAST('rejected_rows' AS regclass) AS oid))
    FROM pg_control_system(), pg_control_checkpoint()
""")


async def marker_of(connection: AsyncConnection) -> str:
    marker: str = (await connection.execute(MARKER)).scalar_one()
    return marker


async def are_acquainted(settings: SharedSettings, marker: str) -> bool:
    """Raises `BrokerUnavailable`."""
    async with _channel(settings) as channel:
        try:
            await channel.declare_exchange(marker, ExchangeType.FANOUT, passive=True)
        except ChannelNotFoundEntity:
            return False
    return True


async def acquaint(settings: SharedSettings, marker: str) -> None:
    """Raises `BrokerUnavailable`."""
    async with _channel(settings) as channel:
        await declare_topology(channel, settings)
        exchange = await channel.declare_exchange(marker, ExchangeType.FANOUT, durable=True, auto_delete=True)
        queue = await channel.get_queue(DEAD_LETTERS_QUEUE, ensure=False)
        await queue.bind(exchange)


@contextlib.asynccontextmanager
async def _channel(settings: SharedSettings) -> AsyncIterator[AbstractChannel]:
    connection = await connect(settings, "api_service dead letters")
    try:
        with broker_errors("dead letters not compared with their table"):
            async with asyncio.timeout(BROKER_ANSWER_SECONDS):
                yield await connection.channel(publisher_confirms=False)
    finally:
        await close_quietly(connection)
