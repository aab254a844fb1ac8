"""The statements that move messages: send, claim, acknowledge, extend, return. Each commits by itself.

They run on connections in autocommit, one statement a transaction: the locks that a statement takes are gone when its
answer is here, and no process that stops between two of them can hold up the others. The only clock is the database's.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import accumulate
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from api_service.lease_queues.messages import MAX_CLAIM_BYTES, LeasedMessage, NewMessage, Receipt, ReceiveOrder
from shared.database.advisory_locks import LEASE_QUEUE_SENDS


class ClaimStart(NamedTuple):
    """The ends of the line as last seen: a claim that begins there need not wade through entries that are dead.

    `head_id`: no message in line has a smaller id. That stays true: ids of a queue are committed in ascending order,
    and nothing comes back into line. `hidden_from`: no hidden message was due before. That can become untrue only by a
    transaction whose commit takes longer than `_COMMIT_MARGIN`; so a start must be forgotten now and then.
    """

    head_id: int = 0
    hidden_from: datetime | None = None


class Claim(NamedTuple):
    """The messages of each order, in the orders' sequence, and when the next hidden message is due, if that is soon."""

    messages: Sequence[Sequence[LeasedMessage]]
    next_start: ClaimStart
    next_due_seconds: float | None

    @property
    def total(self) -> int:
        return sum(len(messages) for messages in self.messages)


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

_COMMIT_MARGIN = "interval '3 seconds'"
# A receiver looks by itself after so long, and needs to know of nothing later. Leases that were acknowledged leave dead
# entries all the way to the end of their time: to look for the first live one among them could take long.
_LOOK_AHEAD = "interval '1 second'"

# How many more hidden messages that are due a claim looks at than it wants: so many that only a crowd is more.
_DUE_WINDOW = 200

# `due` are hidden messages whose delay or lease is over, `in_line` those that were never hidden; together they are
# handed out by id, which puts a message whose lease ran out back where it was. To find the smallest id among all that
# are due would mean to read them all, so a claim looks at those alone that have been due for longest (`due_window`),
# and at what comes behind them (`due_behind`) where others have locked so many of these that it has not what it wants.
# Rows that another claim has locked are passed over. `head` sees them nevertheless, in case that claim fails.
CLAIM = text(f"""
    WITH queue AS MATERIALIZED (
        SELECT id, max_receives, visibility_timeout_seconds FROM queues WHERE name = :queue
    ), head AS MATERIALIZED (
        SELECT id FROM queue_messages
        WHERE queue_id = (SELECT id FROM queue) AND visible_at IS NULL AND id >= :head_id
        ORDER BY queue_id, id LIMIT 1
    ), due_window AS MATERIALIZED (
        SELECT visible_at, id FROM queue_messages
        WHERE queue_id = (SELECT id FROM queue) AND visible_at <= now()
          AND visible_at >= coalesce(CAST(:hidden_from AS timestamptz), '-infinity')
        ORDER BY queue_id, visible_at, id LIMIT CAST(:wanted AS bigint) + {_DUE_WINDOW}
    ), window_end AS MATERIALIZED (
        SELECT visible_at, id FROM due_window OFFSET CAST(:wanted AS bigint) + {_DUE_WINDOW - 1}
    ), due_first AS MATERIALIZED (
        SELECT id, payload_bytes FROM queue_messages
        WHERE queue_id = (SELECT id FROM queue) AND visible_at <= now()
          AND id = ANY(ARRAY(SELECT id FROM due_window))
        ORDER BY queue_id, id LIMIT CAST(:wanted AS bigint) FOR UPDATE SKIP LOCKED
    ), due_behind AS MATERIALIZED (
        SELECT id, payload_bytes FROM queue_messages
        WHERE queue_id = (SELECT id FROM queue) AND visible_at <= now()
          AND (visible_at, id) > ((SELECT visible_at FROM window_end), (SELECT id FROM window_end))
        ORDER BY queue_id, visible_at, id
        LIMIT CAST(:wanted AS bigint) - (SELECT count(*) FROM due_first) FOR UPDATE SKIP LOCKED
    ), due AS MATERIALIZED (
        SELECT * FROM due_first UNION ALL SELECT * FROM due_behind
    ), in_line AS MATERIALIZED (
        SELECT id, payload_bytes FROM queue_messages
        WHERE queue_id = (SELECT id FROM queue) AND visible_at IS NULL AND id >= (SELECT id FROM head)
        ORDER BY queue_id, id
        LIMIT greatest(CAST(:wanted AS bigint) - (SELECT count(*) FROM due WHERE id < (SELECT id FROM head)), 0)
        FOR UPDATE SKIP LOCKED
    ), places AS MATERIALIZED (
        SELECT id, row_number() OVER by_id AS place, sum(payload_bytes) OVER by_id - payload_bytes AS bytes_before
        FROM (SELECT * FROM due UNION ALL SELECT * FROM in_line) AS candidate
        WINDOW by_id AS (ORDER BY id)
    ), granted AS MATERIALIZED (
        SELECT (SELECT id FROM queue) AS queue_id, places.id, receiver.number, receiver.consumer_id, make_interval(
            secs => coalesce(receiver.timeout_seconds, (SELECT visibility_timeout_seconds FROM queue))) AS timeout
        FROM places
        JOIN unnest(CAST(:consumers AS text[]), CAST(:timeouts AS int[]), CAST(:last_places AS int[]),
                    CAST(:limits AS int[]))
          WITH ORDINALITY AS receiver (consumer_id, timeout_seconds, last_place, "limit", number)
          ON place BETWEEN last_place - "limit" + 1 AND last_place
        WHERE bytes_before < {MAX_CLAIM_BYTES}
    ), leased AS (
        UPDATE queue_messages AS message
        SET visible_at = CASE WHEN receive_count + 1 >= (SELECT max_receives FROM queue) THEN 'infinity'
                              ELSE now() + granted.timeout END,
            lease_expires_at = now() + granted.timeout,
            receipt = gen_random_uuid(),
            consumer_id = granted.consumer_id,
            receive_count = receive_count + 1
        FROM granted
        WHERE message.queue_id = ANY(ARRAY[granted.queue_id]) AND message.id = ANY(ARRAY[granted.id])
        RETURNING granted.number, message.id, CAST(payload AS text) AS payload, receipt, receive_count, enqueued_at,
                  lease_expires_at
    ), edges AS (
        SELECT (SELECT id FROM head) AS head_id,
               least(now() - {_COMMIT_MARGIN}, (
                   SELECT visible_at FROM queue_messages
                   WHERE queue_id = (SELECT id FROM queue)
                     AND visible_at >= coalesce(CAST(:hidden_from AS timestamptz), '-infinity')
                     AND visible_at < now() - {_COMMIT_MARGIN}
                   ORDER BY queue_id, visible_at LIMIT 1)) AS hidden_from,
               extract(epoch FROM (
                   SELECT visible_at FROM queue_messages
                   WHERE queue_id = (SELECT id FROM queue) AND visible_at > now() AND visible_at < now() + {_LOOK_AHEAD}
                   ORDER BY queue_id, visible_at LIMIT 1) - now()) AS next_due_seconds
    )
    SELECT edges.head_id, edges.hidden_from, edges.next_due_seconds, leased.*
    FROM edges LEFT JOIN leased ON true ORDER BY leased.id
""")  # noqa: S608 - constants of this module

ACKNOWLEDGE = text("""
    WITH given AS MATERIALIZED (
        SELECT queues.id AS queue_id, receipt.id, receipt.token
        FROM queues, unnest(CAST(:ids AS bigint[]), CAST(:tokens AS uuid[])) AS receipt (id, token)
        WHERE queues.name = :queue
    )
    DELETE FROM queue_messages AS message USING given
    WHERE message.queue_id = ANY(ARRAY[given.queue_id]) AND message.id = ANY(ARRAY[given.id])
      AND message.receipt = given.token AND message.lease_expires_at > clock_timestamp()
    RETURNING message.receipt
""")

# A last lease stays the last one however often it is extended; given back, its message is dead.
_EXTEND = text("""
    UPDATE queue_messages
    SET visible_at = CASE WHEN visible_at = 'infinity' THEN visible_at ELSE now() + make_interval(secs => :seconds) END,
        lease_expires_at = now() + make_interval(secs => :seconds),
        receipt = CASE WHEN :seconds > 0 THEN receipt END
    WHERE queue_id = (SELECT id FROM queues WHERE name = :queue) AND id = :id
      AND receipt = :token AND lease_expires_at > clock_timestamp()
    RETURNING lease_expires_at
""")

_UNDO_CLAIM = text("""
    WITH given AS MATERIALIZED (
        SELECT queues.id AS queue_id, receipt.id, receipt.token
        FROM queues, unnest(CAST(:ids AS bigint[]), CAST(:tokens AS uuid[])) AS receipt (id, token)
        WHERE queues.name = :queue
    )
    UPDATE queue_messages AS message
    SET visible_at = now(), lease_expires_at = NULL, receipt = NULL, consumer_id = NULL,
        receive_count = receive_count - 1
    FROM given
    WHERE message.queue_id = ANY(ARRAY[given.queue_id]) AND message.id = ANY(ARRAY[given.id])
      AND message.receipt = given.token
""")

_FINISH_BY_ID = text("""
    DELETE FROM queue_messages
    WHERE queue_id = (SELECT id FROM queues WHERE name = :queue) AND id = :id
      AND (consumer_id = :consumer_id OR CAST(:consumer_id AS text) IS NULL)
      AND receipt IS NOT NULL AND lease_expires_at > clock_timestamp()
    RETURNING id
""")


async def open_queue(connection: AsyncConnection, queue: str) -> None:
    """With the default settings, unless it is there."""
    await connection.execute(_OPEN_QUEUE, {"queue": queue})


async def send(connection: AsyncConnection, queue: str, messages: Sequence[NewMessage]) -> Sequence[int]:
    """Their ids, in the order given and ascending; none at all when there is no such queue."""
    sent = await connection.execute(
        SEND,
        {
            "send_lock": LEASE_QUEUE_SENDS,
            "queue": queue,
            "payloads": [str(message.payload, "utf-8") for message in messages],
            "payload_bytes": [message.payload_bytes for message in messages],
            "delays": [message.delay_seconds for message in messages],
        },
    )
    return sorted(sent.scalars())


async def send_or_open(connection: AsyncConnection, queue: str, messages: Sequence[NewMessage]) -> Sequence[int]:
    """The same, and opens the queue if need be."""
    ids = await send(connection, queue, messages)
    if not ids:
        await open_queue(connection, queue)
        ids = await send(connection, queue, messages)
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


async def claim(connection: AsyncConnection, queue: str, orders: Sequence[ReceiveOrder], start: ClaimStart) -> Claim:
    """Lease what is first in line, to the first order as much as it wants, then to the next. Unknown queue: nothing."""
    limits = [order.limit for order in orders]
    rows = await connection.execute(
        CLAIM,
        {
            "queue": queue,
            "head_id": start.head_id,
            "hidden_from": start.hidden_from,
            "wanted": sum(limits),
            "consumers": [order.consumer_id for order in orders],
            "timeouts": [order.visibility_timeout_seconds for order in orders],
            "limits": limits,
            "last_places": list(accumulate(limits)),
        },
    )
    messages: list[list[LeasedMessage]] = [[] for _ in orders]
    for head_id, hidden_from, due_seconds, number, *row in rows:
        next_start = ClaimStart(start.head_id if head_id is None else head_id, hidden_from)
        next_due_seconds = None if due_seconds is None else float(due_seconds)
        if number is not None:
            messages[number - 1].append(_leased_message(*row))
    return Claim(messages, next_start, next_due_seconds)


async def acknowledge(connection: AsyncConnection, queue: str, receipts: Sequence[Receipt]) -> Sequence[bool]:
    """Delete the messages whose lease still holds; for each receipt, whether it was the one that did."""
    # By id, so that two statements with receipts in common cannot wait for each other.
    deleted = await connection.execute(ACKNOWLEDGE, {"queue": queue, **_columns(sorted(receipts))})
    tokens = set(deleted.scalars())
    outcomes = []
    for receipt in receipts:
        outcomes.append(receipt.token in tokens)
        tokens.discard(receipt.token)
    return outcomes


async def extend(connection: AsyncConnection, queue: str, receipt: Receipt, seconds: int) -> datetime | None:
    """Let the lease end so many seconds from now, 0 = give the message back. When it ends; None = it had ended."""
    extended = await connection.execute(
        _EXTEND, {"queue": queue, "id": receipt.message_id, "token": receipt.token, "seconds": seconds}
    )
    return extended.scalar_one_or_none()


async def undo_claim(connection: AsyncConnection, queue: str, receipts: Sequence[Receipt]) -> None:
    """As if the messages had not been handed out: for those that reached nobody."""
    await connection.execute(_UNDO_CLAIM, {"queue": queue, **_columns(sorted(receipts))})


async def finish(connection: AsyncConnection, queue: str, message_id: int, consumer_id: str | None) -> bool:
    """Delete a message by its id while this consumer, or with None anybody, holds a lease on it."""
    finished = await connection.execute(_FINISH_BY_ID, {"queue": queue, "id": message_id, "consumer_id": consumer_id})
    return finished.first() is not None


def _leased_message(
    message_id: int, payload: str, token: UUID, receive_count: int, enqueued_at: datetime, lease_expires_at: datetime
) -> LeasedMessage:
    receipt = Receipt(message_id, token)
    return LeasedMessage(message_id, payload, receipt, receive_count, enqueued_at, lease_expires_at)


def _columns(receipts: Sequence[Receipt]) -> dict[str, list[Any]]:
    return {
        "ids": [receipt.message_id for receipt in receipts],
        "tokens": [receipt.token for receipt in receipts],
    }
