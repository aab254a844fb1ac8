"""Acknowledging what is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from shared.amqp.connection import BrokerUnavailable, broker_errors

if TYPE_CHECKING:
    from aio_pika.abc import AbstractIncomingMessage

log = structlog.get_logger(__name__)


async def acknowledge(message: AbstractIncomingMessage) -> None:
    """Never raises for a broker that is away: it delivers the message again, and whoever takes it knows it as done."""
    try:
        with broker_errors("no acknowledgement"):
            await message.ack()
    except BrokerUnavailable as error:
        log.warning("not acknowledged", routing_key=message.routing_key, reason=str(error))
