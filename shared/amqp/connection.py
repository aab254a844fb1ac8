"""Opens and closes connections to the broker, within deadlines, to whichever of the given nodes answers."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING

import aio_pika
import structlog
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, ChannelInvalidStateError

from shared.amqp.error_reasons import reason_of_broker
from shared.amqp.publisher_block import watch_for_publisher_blocks
from shared.amqp.readable_properties import tolerate_unreadable_properties
from shared.errors import TryAgainLater

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aio_pika.abc import AbstractConnection

    from shared.service.settings import SharedSettings

log = structlog.get_logger(__name__)

CONNECT_TIMEOUT_SECONDS = 10
CLOSE_TIMEOUT_SECONDS = 3

# The libraries raise these for a broker that is away, refuses, or has closed the channel. The first are aio-pika's own
# list; one of them, StopAsyncIteration, comes from a connect when the broker hangs up at once.
_BROKER_ERRORS = (*CONNECTION_EXCEPTIONS, ChannelInvalidStateError, TimeoutError)


tolerate_unreadable_properties()
watch_for_publisher_blocks()

_closing: set[asyncio.Task[None]] = set()


class BrokerUnavailable(TryAgainLater):
    """The broker cannot be reached, or did not confirm in time. A message that was published may still arrive."""

    was_connected = False


@contextlib.contextmanager
def broker_errors(doing: str) -> Iterator[None]:
    """Turns all errors of calls to the broker into `BrokerUnavailable`. It stands outside of their deadlines.

    A CancelledError too, unless this task itself is cancelled: the library raises it from every call that waits on a
    stuck connection, and a task that took it for the end of the service would never come back. And the other way round:
    a task that is cancelled while the library connects may get an error of the broker's for it, and would go on.
    """
    try:
        yield
    except _BROKER_ERRORS as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError from error
        raise BrokerUnavailable(f"{doing}: {reason_of_broker(error)}") from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise BrokerUnavailable(f"{doing}: the connection was stuck") from error


async def connect(settings: SharedSettings, name: str) -> AbstractConnection:
    """Connect to the first node that answers, in random order; `name` is shown in the management UI.

    aio-pika's robust connection is not used: it restores an exclusive queue by its old name, which the broker refuses
    (405) after a half-open drop, for the whole connection. The caller reconnects in a loop.
    """
    nodes = settings.amqp_url.get_secret_value().split(",")
    random.shuffle(nodes)
    while True:
        try:
            with broker_errors("cannot connect to the RabbitMQ of ROLLCALL_AMQP_URL"):
                async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
                    return await aio_pika.connect(
                        nodes.pop().strip(),
                        heartbeat=settings.amqp_heartbeat_seconds,
                        client_properties={"connection_name": name},
                    )
        except BrokerUnavailable:
            if not nodes:
                raise


async def close_quietly(connection: AbstractConnection | None) -> None:
    """Close within a deadline, because a close can hang for ever while the broker blocks publishers."""
    if connection is None:
        return
    # Of a task that is cancelled, too: what it does after this, on its way out, is still to be done.
    with contextlib.suppress(BrokerUnavailable), broker_errors("not closed"), contextlib.suppress(*_BROKER_ERRORS):
        async with asyncio.timeout(CLOSE_TIMEOUT_SECONDS):
            await connection.close()


def close_soon(connection: AbstractConnection | None) -> None:
    """In the background, for a caller who has an answer to give: a broker that blocks publishers lets a close hang."""
    closing = asyncio.create_task(close_quietly(connection))
    _closing.add(closing)
    closing.add_done_callback(_closing.discard)
