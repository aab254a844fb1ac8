"""Declares every exchange and queue, with the same arguments on RabbitMQ 3.10 and 4.x."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aio_pika import ExchangeType

if TYPE_CHECKING:
    from aio_pika.abc import AbstractChannel

    from shared.service.settings import SharedSettings

UPLOADS_EXCHANGE: Final = "uploads"
REQUESTS_EXCHANGE: Final = "requests"
REPLIES_EXCHANGE: Final = "replies"
DEAD_LETTERS_EXCHANGE: Final = "dead-letters"

UPLOADS_QUEUE: Final = "uploads.announced"
REQUESTS_QUEUE: Final = "employees.requests"
# Of work on many rows that somebody ordered, so that no upload waits behind it.
BULK_REQUESTS_QUEUE: Final = "employees.bulk-requests"
DEAD_LETTERS_QUEUE: Final = "employees.dead-letters"
DEAD_CHUNKS_QUEUE: Final = "employees.dead-chunks"

# A key of the exchange `replies`: a message for all producers reaches every callback queue by it.
PRODUCERS_KEY: Final = "producers"

ROW_KEY: Final = "row"
MALFORMED_KEY: Final = "malformed"
CHUNK_KEY: Final = "chunk"

# From RabbitMQ 4.0 on a quorum queue drops a message at its 20th return, unless it has a limit of its own. RabbitMQ
# 3.10 has no way to say "no limit".
_NEVER: Final = 1_000_000
REQUEST_DELIVERY_LIMIT: Final = 10


async def declare_topology(channel: AbstractChannel, settings: SharedSettings | None = None) -> None:
    """Safe to repeat: all of it, or only what this service takes messages from (`ROLLCALL_AMQP_DECLARES`).

    The dead letters come first, because other queues dead-letter into them.
    """
    owner = settings.service if settings is not None and settings.amqp_declares == "own" else None
    if owner in (None, "api"):
        await _declare_dead_letters(channel)
    if owner in (None, "producer"):
        await _declare_uploads_and_replies(channel)
    if owner in (None, "consumer"):
        await _declare_requests(channel)


async def _declare_dead_letters(channel: AbstractChannel) -> None:
    dead_letters = await channel.declare_exchange(DEAD_LETTERS_EXCHANGE, ExchangeType.TOPIC, durable=True)
    letters = await channel.declare_queue(
        DEAD_LETTERS_QUEUE,
        durable=True,
        arguments={"x-queue-type": "quorum", "x-delivery-limit": _NEVER},
    )
    await letters.bind(dead_letters, ROW_KEY)
    await letters.bind(dead_letters, MALFORMED_KEY)


async def _declare_uploads_and_replies(channel: AbstractChannel) -> None:
    chunks = await channel.declare_queue(
        DEAD_CHUNKS_QUEUE,
        durable=True,
        arguments={"x-queue-type": "quorum", "x-delivery-limit": _NEVER},
    )
    await chunks.bind(DEAD_LETTERS_EXCHANGE, CHUNK_KEY)
    uploads = await channel.declare_exchange(UPLOADS_EXCHANGE, ExchangeType.DIRECT, durable=True)
    announced = await channel.declare_queue(
        UPLOADS_QUEUE,
        durable=True,
        arguments={"x-queue-type": "quorum", "x-delivery-limit": _NEVER},
    )
    await announced.bind(uploads, UPLOADS_QUEUE)
    await channel.declare_exchange(REPLIES_EXCHANGE, ExchangeType.DIRECT, durable=True)


async def _declare_requests(channel: AbstractChannel) -> None:
    requests_exchange = await channel.declare_exchange(REQUESTS_EXCHANGE, ExchangeType.DIRECT, durable=True)
    for queue in (REQUESTS_QUEUE, BULK_REQUESTS_QUEUE):
        requests = await channel.declare_queue(
            queue,
            durable=True,
            arguments={
                "x-queue-type": "quorum",
                "x-delivery-limit": REQUEST_DELIVERY_LIMIT,
                "x-dead-letter-exchange": DEAD_LETTERS_EXCHANGE,
                "x-dead-letter-routing-key": CHUNK_KEY,
                # At least once needs reject-publish: a full dead-letter target pushes back instead of losing.
                "x-dead-letter-strategy": "at-least-once",
                "x-overflow": "reject-publish",
            },
        )
        await requests.bind(requests_exchange, queue)
