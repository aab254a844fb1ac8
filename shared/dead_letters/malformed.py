"""Stores messages that are no requests, and publishes them to the dead letters, so that they are accounted for."""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING

from sqlalchemy import text

from shared.amqp.topology import DEAD_LETTERS_EXCHANGE, MALFORMED_KEY
from shared.dead_letters.identity import MalformedLetter, letter_id
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


async def dead_letter_malformed(
    engine: AsyncEngine, publisher: Publisher, body: bytes, *, message_id: str | None, reason: str
) -> None:
    """Its id is made from the message, so that a redelivery adds no second row. A large body is kept in part."""
    identifying = hashlib.sha256((message_id or "").encode() + b"\n")
    identifying.update(body)
    digest = identifying.hexdigest()
    malformed_id = uuid.uuid5(uuid.NAMESPACE_OID, digest)
    identity = letter_id(MalformedLetter(malformed_id))
    readable = storable([body[:MALFORMED_BODY_BYTES].decode("utf-8", "replace")])[0]
    async with engine.begin() as connection:
        await connection.execute(_STORE_MALFORMED, {"id": malformed_id, "reason": reason, "body": readable})
    await publisher.publish(
        DEAD_LETTERS_EXCHANGE,
        MALFORMED_KEY,
        body[:LETTER_BYTES],
        message_id=identity,
        correlation_id=identity,
    )
    async with engine.begin() as connection:
        await connection.execute(_MARK_MALFORMED_PUBLISHED, {"id": malformed_id})
