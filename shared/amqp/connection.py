"""Opening and closing a connection to the broker: one of the nodes given, with a heartbeat and deadlines."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING

import aio_pika
import structlog
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, ChannelInvalidStateError

from shared.errors import TryAgainLater

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aio_pika.abc import AbstractConnection

    from shared.service.settings import SharedSettings

log = structlog.get_logger(__name__)

CONNECT_TIMEOUT_SECONDS = 10
CLOSE_TIMEOUT_SECONDS = 3

# What the libraries raise for a broker that is away, refuses, or has closed the channel under us. The first are
# aio-pika's own list; one of them, StopAsyncIteration, is what a connect raises when the broker hangs up at once.
_BROKER_ERRORS = (*CONNECTION_EXCEPTIONS, ChannelInvalidStateError, TimeoutError)


class BrokerUnavailable(TryAgainLater):
    """The broker cannot be reached, or did not confirm in time. What was published may still arrive."""

    was_connected = False


@contextlib.contextmanager
def broker_errors(doing: str) -> Iterator[None]:
    """Around calls to the broker, and outside of their deadlines: all that they raise becomes `BrokerUnavailable`.

    A cancellation, too, unless it is our own task's: with CancelledError the library rejects whatever still waits on a
    connection that got stuck, and whoever took that for the end of the service would be gone for good.
    """
    try:
        yield
    except _BROKER_ERRORS as error:
        raise BrokerUnavailable(f"{doing}: {type(error).__name__}") from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise BrokerUnavailable(f"{doing}: the connection was stuck") from error


async def connect(settings: SharedSettings, name: str) -> AbstractConnection:
    """Connect to the first node that answers, in random order; `name` is shown in the management UI.

    Not aio-pika's robust connection: that one restores an exclusive queue by its old name, which after a half-open
    drop the broker refuses (405) for the whole connection. Reconnecting is the caller's loop.
    """
    nodes = settings.amqp_url.get_secret_value().split(",")
    random.shuffle(nodes)
    while True:
        try:
            with broker_errors("cannot connect to RabbitMQ"):
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
    """Close within a deadline: while the broker blocks publishers a polite close can hang for ever."""
    if connection is None:
        return
    with contextlib.suppress(BrokerUnavailable), broker_errors("not closed"):
        async with asyncio.timeout(CLOSE_TIMEOUT_SECONDS):
            await connection.close()
