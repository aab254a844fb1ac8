"""Every exchange and queue, with its arguments: the same declarations on RabbitMQ 3.10 and 4.x."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aio_pika import ExchangeType

if TYPE_CHECKING:
    from aio_pika.abc import AbstractChannel

UPLOADS_EXCHANGE: Final = "uploads"
REQUESTS_EXCHANGE: Final = "requests"
REPLIES_EXCHANGE: Final = "replies"
DEAD_LETTERS_EXCHANGE: Final = "dead-letters"

UPLOADS_QUEUE: Final = "uploads.announced"
REQUESTS_QUEUE: Final = "employees.requests"
DEAD_LETTERS_QUEUE: Final = "employees.dead-letters"
DEAD_CHUNKS_QUEUE: Final = "employees.dead-chunks"

# Of the exchange `replies`: what concerns all producers reaches every callback queue.
PRODUCERS_KEY: Final = "producers"

ROW_KEY: Final = "row"
MALFORMED_KEY: Final = "malformed"
CHUNK_KEY: Final = "chunk"

# A quorum queue's default limit (20 from RabbitMQ 4.0 on) would drop what only waits; no limit cannot be said on 3.10.
_NEVER: Final = 1_000_000
REQUEST_DELIVERY_LIMIT: Final = 10


async def declare_topology(channel: AbstractChannel) -> None:
    """Declare everything; safe to repeat. Dead letters come first: what a queue dead-letters needs a place to go."""
    dead_letters = await channel.declare_exchange(DEAD_LETTERS_EXCHANGE, ExchangeType.TOPIC, durable=True)
    letters = await channel.declare_queue(
        DEAD_LETTERS_QUEUE,
        durable=True,
        arguments={"x-queue-type": "quorum", "x-delivery-limit": _NEVER},
    )
    await letters.bind(dead_letters, ROW_KEY)
    await letters.bind(dead_letters, MALFORMED_KEY)
    chunks = await channel.declare_queue(
        DEAD_CHUNKS_QUEUE,
        durable=True,
        arguments={"x-queue-type": "quorum", "x-delivery-limit": _NEVER},
    )
    await chunks.bind(dead_letters, CHUNK_KEY)

    uploads = await channel.declare_exchange(UPLOADS_EXCHANGE, ExchangeType.DIRECT, durable=True)
    announced = await channel.declare_queue(
        UPLOADS_QUEUE,
        durable=True,
        arguments={"x-queue-type": "quorum", "x-delivery-limit": _NEVER},
    )
    await announced.bind(uploads, UPLOADS_QUEUE)

    requests_exchange = await channel.declare_exchange(REQUESTS_EXCHANGE, ExchangeType.DIRECT, durable=True)
    requests = await channel.declare_queue(
        REQUESTS_QUEUE,
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
    await requests.bind(requests_exchange, REQUESTS_QUEUE)
    await channel.declare_exchange(REPLIES_EXCHANGE, ExchangeType.DIRECT, durable=True)
