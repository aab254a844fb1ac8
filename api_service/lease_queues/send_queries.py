"""The statements that send messages. The plain one commits by itself; the others are for a transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from api_service.lease_queues.messages import NewMessage
from shared.database.advisory_locks import LEASE_QUEUE_SENDS

_OPEN_QUEUE = text("INSERT INTO queues (name) VALUES (:queue) ON CONFLICT DO NOTHING")

# The lock comes before the ids, and lasts until the commit: ids become visible in their order. That makes first in
# first out hold across senders, and lets a claim start where the line began when it was last seen.
SEND = text("""
    WITH queue AS MATERIALIZED (
        SELECT id, pg_advisory_xact_lock(:send_lock, id) FROM queues WHERE name = :queue
    )
    INSERT INTO queue_messages (queue_id, payload, payload_bytes, visible_at)
    SELECT queue.id, CAST(message.payload AS json), message.payload_bytes,
           CASE WHEN message.delay_seconds > 0 THEN now() + make_interval(secs => message.delay_seconds) END
    FROM queue,
         unnest(CAST(:payloads AS text[]), CAST(:payload_bytes AS int[]), CAST(:delays AS int[]))
           WITH ORDINALITY AS message (payload, payload_bytes, delay_seconds, place)
    ORDER BY message.place
    RETURNING id
""")

# The queue's lock lasts until the commit, and what comes behind it in its transaction sees all that was sent before.
LOCK_QUEUE = text("SELECT id, pg_advisory_xact_lock(:send_lock, id) FROM queues WHERE name = :queue")

SEND_WITH_OPTIONS = text("""
    INSERT INTO queue_messages (queue_id, payload, payload_bytes, visible_at, group_id, priority, headers)
    SELECT CAST(:queue_id AS int), CAST(payload AS json), payload_bytes,
           CASE WHEN delay_seconds > 0 THEN now() + make_interval(secs => delay_seconds)
                WHEN deliver_at > now() THEN deliver_at END,
           group_id, priority, CAST(headers AS json)
    FROM unnest(CAST(:payloads AS text[]), CAST(:payload_bytes AS int[]), CAST(:delays AS int[]),
                CAST(:deliver_ats AS timestamptz[]), CAST(:group_ids AS text[]), CAST(:priorities AS int[]),
                CAST(:headers AS text[]))
           WITH ORDINALITY
           AS message (payload, payload_bytes, delay_seconds, deliver_at, group_id, priority, headers, place)
    ORDER BY place
    RETURNING id
""")

# Only the primary key finds both; an index by time would have to be read whole. `message_queries` says why it is joined
# in this way.
SENT_BEFORE = text("""
    WITH given AS MATERIALIZED (
        SELECT CAST(:queue_id AS int) AS queue_id, given.id
        FROM unnest(CAST(:deduplication_ids AS text[])) AS given (id)
    )
    SELECT known.deduplication_id, known.message_id
    FROM given JOIN queue_deduplications AS known
      ON known.queue_id = ANY(ARRAY[given.queue_id]) AND known.deduplication_id BETWEEN given.id AND given.id
    WHERE known.expires_at > clock_timestamp()
""")

REMEMBER = text("""
    INSERT INTO queue_deduplications (queue_id, deduplication_id, message_id, expires_at)
    SELECT queues.id, sent.deduplication_id, sent.message_id,
           clock_timestamp() + make_interval(secs => queues.deduplication_seconds)
    FROM queues, unnest(CAST(:deduplication_ids AS text[]), CAST(:ids AS bigint[]))
           AS sent (deduplication_id, message_id)
    WHERE queues.id = :queue_id
    ON CONFLICT (queue_id, deduplication_id)
    DO UPDATE SET message_id = excluded.message_id, expires_at = excluded.expires_at
""")


async def open_queue(connection: AsyncConnection, queue: str) -> None:
    """With the default settings, unless it is there."""
    await connection.execute(_OPEN_QUEUE, {"queue": queue})


async def send(connection: AsyncConnection, queue: str, messages: Sequence[NewMessage]) -> Sequence[int]:
    """Their ids, in the order given and ascending; none at all when there is no such queue."""
    sent = await connection.execute(SEND, {"send_lock": LEASE_QUEUE_SENDS, "queue": queue, **_columns(messages)})
    return sorted(sent.scalars())


async def send_with_options(connection: AsyncConnection, queue: str, messages: Sequence[NewMessage]) -> Sequence[int]:
    """The same, in the caller's transaction; what was sent before with its deduplication id gets the id of then."""
    locked = await connection.execute(LOCK_QUEUE, {"send_lock": LEASE_QUEUE_SENDS, "queue": queue})
    queue_id = locked.scalar()
    if queue_id is None:
        return []
    known = await _sent_before(connection, queue_id, messages)
    new = _without_repetitions(messages, known)
    sent = iter(await _insert(connection, queue_id, new))
    first_ids: dict[str, int] = {}
    ids = []
    for message in messages:
        key = message.deduplication_id
        if key is None:
            ids.append(next(sent))
        elif key in known:
            ids.append(known[key])
        else:
            if key not in first_ids:
                first_ids[key] = next(sent)
            ids.append(first_ids[key])
    await _remember(connection, queue_id, first_ids)
    return ids


async def send_or_open(connection: AsyncConnection, queue: str, messages: Sequence[NewMessage]) -> Sequence[int]:
    """As `send` if that is enough, else as `send_with_options`; opens the queue if need be."""
    statement = send if all(message.is_plain for message in messages) else send_with_options
    ids = await statement(connection, queue, messages)
    # It may be deleted as soon as it is there, more than once.
    while messages and not ids:
        await open_queue(connection, queue)
        ids = await statement(connection, queue, messages)
    return ids


def in_parts(messages: Sequence[NewMessage], part_bytes: int) -> list[Sequence[NewMessage]]:
    """Consecutive messages of about so many bytes of payload: the driver holds what it sends several times over."""
    parts, start, size = list[Sequence[NewMessage]](), 0, 0
    for place, message in enumerate(messages):
        if size and size + message.payload_bytes > part_bytes:
            parts.append(messages[start:place])
            start, size = place, 0
        size += message.payload_bytes
    return [*parts, messages[start:]]


def _without_repetitions(messages: Sequence[NewMessage], known: Mapping[str, int]) -> list[NewMessage]:
    seen = set(known)
    new = []
    for message in messages:
        if message.deduplication_id is None:
            new.append(message)
        elif message.deduplication_id not in seen:
            seen.add(message.deduplication_id)
            new.append(message)
    return new


async def _sent_before(connection: AsyncConnection, queue_id: int, messages: Sequence[NewMessage]) -> Mapping[str, int]:
    keys = sorted({message.deduplication_id for message in messages if message.deduplication_id is not None})
    if not keys:
        return {}
    found = await connection.execute(SENT_BEFORE, {"queue_id": queue_id, "deduplication_ids": keys})
    return {row.deduplication_id: row.message_id for row in found}


async def _remember(connection: AsyncConnection, queue_id: int, ids: Mapping[str, int]) -> None:
    if ids:
        sent = {"deduplication_ids": list(ids), "ids": list(ids.values())}
        await connection.execute(REMEMBER, {"queue_id": queue_id, **sent})


async def _insert(connection: AsyncConnection, queue_id: int, messages: Sequence[NewMessage]) -> Sequence[int]:
    if not messages:
        return []
    options = {
        "deliver_ats": [message.deliver_at for message in messages],
        "group_ids": [message.group_id for message in messages],
        "priorities": [message.priority for message in messages],
        "headers": [message.headers for message in messages],
    }
    sent = await connection.execute(SEND_WITH_OPTIONS, {"queue_id": queue_id, **_columns(messages), **options})
    return sorted(sent.scalars())


def _columns(messages: Sequence[NewMessage]) -> dict[str, Any]:
    return {
        "payloads": [str(message.payload, "utf-8") for message in messages],
        "payload_bytes": [message.payload_bytes for message in messages],
        "delays": [message.delay_seconds for message in messages],
    }
