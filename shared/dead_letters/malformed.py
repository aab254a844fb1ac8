"""Stores messages that are no requests, and publishes them to the dead letters, so that they are accounted for."""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING

from sqlalchemy import text

from shared.amqp.publisher import persistent_message
from shared.amqp.topology import MALFORMED_KEY
from shared.dead_letters.identity import MalformedLetter, letter_id
from shared.dead_letters.room import publish_if_room
from shared.rows.employee_row import storable

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from shared.amqp.publisher import Publisher

MALFORMED_BODY_BYTES = 64 * 1024
# The letter's part of it.
LETTER_BYTES = 1024 * 1024

_STORE_MALFORMED = text("""
    INSERT INTO malformed_messages (id, reason, body) VALUES (:id, :reason, :body) ON CONFLICT DO NOTHING
""")

_MARK_MALFORMED_PUBLISHED = text("UPDATE malformed_messages SET published_at = now() WHERE id = :id")

_LOCK_UNPUBLISHED = text("""
    SELECT id, body FROM malformed_messages
    WHERE published_at IS NULL AND discarded_at IS NULL AND dead_at < now() - make_interval(secs => :seconds)
    ORDER BY dead_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
""")


async def dead_letter_malformed(
    engine: AsyncEngine, publisher: Publisher, body: bytes, *, message_id: str | None, reason: str
) -> None:
    """Store it, and publish its letter if there is room. Its id is made from the message, so that a redelivery adds no
    second row. A large body is kept in part.
    """
    identifying = hashlib.sha256((message_id or "").encode() + b"\n")
    identifying.update(body)
    digest = identifying.hexdigest()
    malformed_id = uuid.uuid5(uuid.NAMESPACE_OID, digest)
    readable = storable([body[:MALFORMED_BODY_BYTES].decode("utf-8", "replace")])[0]
    async with engine.begin() as connection:
        await connection.execute(_STORE_MALFORMED, {"id": malformed_id, "reason": reason, "body": readable})
    if await _publish(publisher, malformed_id, body[:LETTER_BYTES]):
        async with engine.begin() as connection:
            await connection.execute(_MARK_MALFORMED_PUBLISHED, {"id": malformed_id})


async def publish_waiting_malformed(engine: AsyncEngine, publisher: Publisher, *, older_than_seconds: float) -> int:
    """Publish the letters that found no room; returns their number. Their bodies are as stored, cut and readable."""
    published = 0
    while True:
        async with engine.begin() as connection:
            waiting = (await connection.execute(_LOCK_UNPUBLISHED, {"seconds": older_than_seconds})).one_or_none()
            if waiting is None or not await _publish(publisher, waiting.id, waiting.body.encode()):
                return published
            await connection.execute(_MARK_MALFORMED_PUBLISHED, {"id": waiting.id})
        published += 1


async def _publish(publisher: Publisher, malformed_id: uuid.UUID, body: bytes) -> bool:
    identity = letter_id(MalformedLetter(malformed_id))
    letter = persistent_message(body, message_id=identity, correlation_id=identity)
    return await publish_if_room(publisher, MALFORMED_KEY, [letter], count=1)
