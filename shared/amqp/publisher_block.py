"""Knows when RabbitMQ blocks publishers: it takes no message while its node is short of memory or disk.

It says so to a connection (`connection.blocked`) only when that publishes, and aiormq tells nobody. So its handlers of
the two frames are wrapped, and whoever has to know for sure publishes to nobody.
https://www.rabbitmq.com/docs/connection-blocked
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final

import aio_pika
import structlog
from aiormq.connection import Connection
from prometheus_client import Counter, Gauge

from shared.amqp.topology import REQUESTS_EXCHANGE
from shared.errors import TryAgainLater

if TYPE_CHECKING:
    from aio_pika.abc import AbstractConnection
    from pamqp.commands import Connection as ConnectionFrames

log = structlog.get_logger(__name__)

BLOCKED = Gauge(
    "rollcall_broker_blocks_publishers", "1 while RabbitMQ takes no message: a memory or disk alarm, as far as known."
)
UNCONFIRMED = Counter(
    "rollcall_unconfirmed_publishes_total", "Publishes that RabbitMQ did not confirm: in time, or at all."
)

# No queue is bound by this key, so what is published with it is confirmed and dropped. All services may write there.
_TO_NOBODY: Final = "nobody"
_CONFIRM_SECONDS: Final = 1


class BrokerBlocksPublishers(TryAgainLater):
    """An alarm of the broker, which goes on by itself when it is over."""


class PublisherBlock:
    """What this process was last told, on whichever of its connections."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self._since = 0.0

    def begin(self, reason: str) -> None:
        self._since = time.monotonic()
        if reason != self.reason:
            self.reason = reason
            BLOCKED.set(1)
            log.error(
                "RabbitMQ blocks publishers",
                reason=reason,
                remedy="free memory or disk on the broker's machine; what waits goes on by itself",
            )

    def end(self) -> None:
        if self.reason is not None:
            self.reason = None
            BLOCKED.set(0)
            log.info("RabbitMQ takes messages again")

    def confirmed(self, published_at: float) -> None:
        """What was published then, by `time.monotonic`, has arrived."""
        if published_at >= self._since:
            self.end()


publisher_block: Final = PublisherBlock()


def blocked_text(reason: str) -> str:
    return f"RabbitMQ blocks publishers: {reason}"


async def ask_if_publishers_are_blocked(connection: AbstractConnection) -> str | None:
    """The reason, or None. The connection is of no use afterwards, and should be closed."""
    published_at = time.monotonic()
    channel = await connection.channel(publisher_confirms=True)
    exchange = await channel.get_exchange(REQUESTS_EXCHANGE, ensure=False)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_CONFIRM_SECONDS):
            await exchange.publish(aio_pika.Message(b""), _TO_NOBODY, mandatory=False)
        publisher_block.confirmed(published_at)
    return publisher_block.reason


# Names of the class's private methods, which Python has prefixed.
_ON_BLOCKED: Final = "_Connection__handle_connection_blocked"
_ON_UNBLOCKED: Final = "_Connection__handle_connection_unblocked"
_handle_blocked = getattr(Connection, _ON_BLOCKED)
_handle_unblocked = getattr(Connection, _ON_UNBLOCKED)


async def _blocked(connection: Connection, frame: ConnectionFrames.Blocked) -> None:
    publisher_block.begin(frame.reason)
    await _handle_blocked(connection, frame)


async def _unblocked(connection: Connection, frame: ConnectionFrames.Unblocked) -> None:
    publisher_block.end()
    await _handle_unblocked(connection, frame)


def watch_for_publisher_blocks() -> None:
    """For the whole process, because the library has no other place for it. Once or often."""
    setattr(Connection, _ON_BLOCKED, _blocked)
    setattr(Connection, _ON_UNBLOCKED, _unblocked)
