"""The statements that move messages that were sent: claim, acknowledge, extend, return. Each commits by itself.

They run on connections in autocommit, one statement a transaction: the locks that a statement takes are gone when its
answer is here, and no process that stops between two of them can hold up the others. The only clock is the database's.

A message is joined by `queue_id = ANY(ARRAY[…])` and `id BETWEEN … AND …`: one way for the planner, whatever its
statistics say. Two equalities could be merged, which reads a whole queue, and up to PostgreSQL 16 an ANY of ids would
be a filter on a whole queue where that seems short.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import accumulate
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from api_service.lease_queues.messages import MAX_CLAIM_BYTES, LeaseChange, LeasedMessage, Receipt, ReceiveOrder


class ClaimStart(NamedTuple):
    """The ends of the line as last seen: a claim that begins there need not wade through entries that are dead.

    `head_id`: no message in line has a smaller id. That stays true: ids of a queue are committed in ascending order,
    and nothing comes back into line. `hidden_from`: no hidden message was due before. That can become untrue only by a
    transaction whose commit takes longer than `_COMMIT_MARGIN`; so a start must be forgotten now and then.
    `in_line_only`: all that could be leased stood in line, which says where to look first.
    """

    head_id: int = 0
    hidden_from: datetime | None = None
    in_line_only: bool = True


class Claim(NamedTuple):
    """The messages of each order, in the orders' sequence, and when the next hidden message is due, if that is soon."""

    messages: Sequence[Sequence[LeasedMessage]]
    next_start: ClaimStart
    next_due_seconds: float | None

    @property
    def total(self) -> int:
        return sum(len(messages) for messages in self.messages)


_COMMIT_MARGIN = "interval '3 seconds'"
# A receiver looks by itself after so long, and needs to know of nothing later. Leases that were acknowledged leave dead
# entries all the way to the end of their time: to look for the first live one among them could take long.
_LOOK_AHEAD = "interval '1 second'"

# How many more hidden messages that are due a claim looks at than it wants: so many that only a crowd is more.
_DUE_WINDOW = 200

_QUEUE_AND_HEAD = """
    WITH queue AS MATERIALIZED (
        SELECT id, max_receives, visibility_timeout_seconds FROM queues WHERE name = :queue AND NOT paused
    ), head AS MATERIALIZED (
        SELECT id FROM queue_messages
        WHERE queue_id = (SELECT id FROM queue) AND visible_at IS NULL AND id >= :head_id
        ORDER BY queue_id, id LIMIT 1
"""

# Prioritised messages have an index of their own, which is looked into only where there are any.
_PRIORITISED = """
        SELECT 1 FROM queue_messages WHERE queue_id = (SELECT id FROM queue) AND priority > 0
        ORDER BY queue_id, priority, visible_at, id LIMIT 1
"""

# `places` are the candidates in the order in which they are handed out, each with the bytes before it.
_LEASE = f"""
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
            receive_count = receive_count + 1,
            first_received_at = coalesce(first_received_at, now())
        FROM granted
        WHERE message.queue_id = ANY(ARRAY[granted.queue_id]) AND message.id BETWEEN granted.id AND granted.id
        RETURNING granted.number, message.id, CAST(payload AS text) AS payload, receipt, receive_count, enqueued_at,
                  lease_expires_at, group_id, priority, CAST(headers AS text) AS headers,
                  CAST(moved_from AS text) AS moved_from, first_received_at
"""  # noqa: S608 - constants of this module

# Most claims of most queues: nothing has a priority and nothing hidden is due, so whatever there is stands in line. A
# look at the first of each tells that. Where it is not so, nothing is leased (`elsewhere`), and it is for `CLAIM`.
CLAIM_IN_LINE = text(f"""{_QUEUE_AND_HEAD}
    ), hidden AS MATERIALIZED (
        SELECT visible_at FROM queue_messages
        WHERE queue_id = (SELECT id FROM queue)
          AND visible_at >= coalesce(CAST(:hidden_from AS timestamptz), '-infinity')
          AND visible_at < now() + {_LOOK_AHEAD}
        ORDER BY queue_id, visible_at, id LIMIT 1
    ), prioritised AS MATERIALIZED ({_PRIORITISED}
    ), edges AS MATERIALIZED (
        SELECT (SELECT id FROM head) AS head_id,
               CASE WHEN NOT EXISTS (SELECT FROM queue) THEN CAST(:hidden_from AS timestamptz)
                    ELSE least(now() - {_COMMIT_MARGIN}, first.visible_at) END AS hidden_from,
               CASE WHEN first.visible_at > now() THEN extract(epoch FROM first.visible_at - now())
                   END AS next_due_seconds,
               coalesce(first.visible_at <= now(), false) OR EXISTS (SELECT FROM prioritised) AS elsewhere
        FROM (SELECT (SELECT visible_at FROM hidden) AS visible_at) AS first
    ), in_line AS MATERIALIZED (
        SELECT id, payload_bytes FROM queue_messages
        WHERE queue_id = (SELECT id FROM queue) AND visible_at IS NULL AND id >= (SELECT id FROM head)
        ORDER BY queue_id, id
        LIMIT CASE WHEN (SELECT elsewhere FROM edges) THEN 0 ELSE CAST(:wanted AS bigint) END
        FOR UPDATE SKIP LOCKED
    ), places AS MATERIALIZED (
        SELECT id, row_number() OVER in_order AS place, sum(payload_bytes) OVER in_order - payload_bytes AS bytes_before
        FROM in_line WINDOW in_order AS (ORDER BY id)
{_LEASE}
    )
    SELECT edges.head_id, edges.hidden_from, edges.next_due_seconds, edges.elsewhere, leased.*
    FROM edges LEFT JOIN leased ON true ORDER BY leased.id
""")  # noqa: S608 - constants of this module


def _due(order: str, condition: str, wanted: str) -> str:
    """So many of the hidden messages whose delay or lease is over and that meet the condition, by an index's order.

    To find the smallest ids among all that are due would mean to read them all, so those are looked at alone that have
    been due for longest (`due_window`), and what comes behind them (`due_behind`) where others have locked so many of
    these that they are not enough.
    """
    due = f"FROM queue_messages WHERE queue_id = (SELECT id FROM queue) AND {condition} AND visible_at <= now()"  # noqa: S608 - constants of this module
    return f"""
            WITH due_window AS MATERIALIZED (
                SELECT visible_at, id {due} ORDER BY {order} LIMIT {wanted} + {_DUE_WINDOW}
            ), window_end AS MATERIALIZED (
                SELECT visible_at, id FROM due_window OFFSET {wanted} + {_DUE_WINDOW - 1}
            ), due_first AS MATERIALIZED (
                SELECT message.id, message.payload_bytes, message.priority
                FROM (SELECT id FROM due_window ORDER BY id) AS seen
                JOIN queue_messages AS message
                  ON message.queue_id = (SELECT id FROM queue) AND message.id = seen.id AND message.visible_at <= now()
                ORDER BY seen.id LIMIT {wanted} FOR UPDATE OF message SKIP LOCKED
            ), due_behind AS MATERIALIZED (
                SELECT id, payload_bytes, priority {due}
                  AND (visible_at, id) > ((SELECT visible_at FROM window_end), (SELECT id FROM window_end))
                ORDER BY {order} LIMIT {wanted} - (SELECT count(*) FROM due_first) FOR UPDATE SKIP LOCKED
            )
            SELECT * FROM due_first UNION ALL SELECT * FROM due_behind
"""  # noqa: S608 - constants of this module


# `due` are hidden messages whose delay or lease is over, `in_line` those that were never hidden; together they are
# handed out by id, which puts a message whose lease ran out back where it was.
# Of a queue that is paused nothing is seen, and nothing learned of its ends.
# Rows that another claim has locked are passed over. `head` sees them nevertheless, in case that claim fails.
# `preferred` are messages of a priority: by priority, those that are due and those in line. If they are enough, nothing
# else is looked for (`rest`); if not, they are all that can be had, so the others are taken from what has none.
CLAIM = text(f"""{_QUEUE_AND_HEAD}
    ), prioritised AS MATERIALIZED ({_PRIORITISED}
    ), preferred AS MATERIALIZED (
        SELECT found.* FROM prioritised, generate_series(9, 1, -1) AS level (priority), LATERAL (
            SELECT * FROM ({
    _due(
        "queue_id, priority, visible_at, id",
        "priority > 0 AND priority = level.priority",
        "CAST(:wanted AS bigint)",
    )
}           ) AS preferred_due
            UNION ALL
            SELECT * FROM (
                SELECT id, payload_bytes, priority FROM queue_messages
                WHERE queue_id = (SELECT id FROM queue) AND priority > 0 AND priority = level.priority
                  AND visible_at IS NULL
                ORDER BY queue_id, priority, visible_at, id LIMIT CAST(:wanted AS bigint) FOR UPDATE SKIP LOCKED
            ) AS preferred_in_line
        ) AS found
        LIMIT 2 * CAST(:wanted AS bigint)
    ), rest AS MATERIALIZED (
        SELECT CASE WHEN (SELECT count(*) FROM preferred) < CAST(:wanted AS bigint) THEN CAST(:wanted AS bigint)
                    ELSE 0 END AS wanted
    ), due AS MATERIALIZED ({
    _due(
        "queue_id, visible_at, id",
        "visible_at >= coalesce(CAST(:hidden_from AS timestamptz), '-infinity')",
        "(SELECT wanted FROM rest)",
    )
}    ), in_line AS MATERIALIZED (
        SELECT id, payload_bytes, priority FROM queue_messages
        WHERE queue_id = (SELECT id FROM queue) AND visible_at IS NULL AND id >= (SELECT id FROM head)
        ORDER BY queue_id, id
        LIMIT greatest((SELECT wanted FROM rest) - (SELECT count(*) FROM due WHERE id < (SELECT id FROM head)), 0)
        FOR UPDATE SKIP LOCKED
    ), places AS MATERIALIZED (
        SELECT id, row_number() OVER in_order AS place, sum(payload_bytes) OVER in_order - payload_bytes AS bytes_before
        FROM (
            SELECT * FROM preferred
            UNION ALL SELECT * FROM due WHERE priority = 0 UNION ALL SELECT * FROM in_line WHERE priority = 0
        ) AS candidate
        WINDOW in_order AS (ORDER BY priority DESC, id)
{_LEASE}
    ), edges AS (
        SELECT (SELECT id FROM head) AS head_id,
               CASE WHEN NOT EXISTS (SELECT FROM queue) THEN CAST(:hidden_from AS timestamptz)
                    ELSE least(now() - {_COMMIT_MARGIN}, (
                        SELECT visible_at FROM queue_messages
                        WHERE queue_id = (SELECT id FROM queue)
                          AND visible_at >= coalesce(CAST(:hidden_from AS timestamptz), '-infinity')
                          AND visible_at < now() - {_COMMIT_MARGIN}
                        ORDER BY queue_id, visible_at LIMIT 1)) END AS hidden_from,
               extract(epoch FROM (
                   SELECT visible_at FROM queue_messages
                   WHERE queue_id = (SELECT id FROM queue) AND visible_at > now() AND visible_at < now() + {_LOOK_AHEAD}
                   ORDER BY queue_id, visible_at LIMIT 1) - now()) AS next_due_seconds,
               EXISTS (SELECT FROM due) OR EXISTS (SELECT FROM prioritised) AS elsewhere
    )
    SELECT edges.head_id, edges.hidden_from, edges.next_due_seconds, edges.elsewhere, leased.*
    FROM edges LEFT JOIN leased ON true ORDER BY leased.priority DESC, leased.id
""")  # noqa: S608 - constants of this module

ACKNOWLEDGE = text("""
    WITH given AS MATERIALIZED (
        SELECT queues.id AS queue_id, receipt.id, receipt.token
        FROM queues, unnest(CAST(:ids AS bigint[]), CAST(:tokens AS uuid[])) AS receipt (id, token)
        WHERE queues.name = :queue
    )
    DELETE FROM queue_messages AS message USING given
    WHERE message.queue_id = ANY(ARRAY[given.queue_id]) AND message.id BETWEEN given.id AND given.id
      AND message.receipt = given.token AND message.lease_expires_at > clock_timestamp()
    RETURNING message.receipt
""")

# A last lease stays the last one however often it is extended; given back, its message is dead.
EXTEND = text("""
    WITH given AS MATERIALIZED (
        SELECT queues.id AS queue_id, change.id, change.token, change.seconds
        FROM queues, unnest(CAST(:ids AS bigint[]), CAST(:tokens AS uuid[]), CAST(:seconds AS int[]))
          AS change (id, token, seconds)
        WHERE queues.name = :queue
    )
    UPDATE queue_messages AS message
    SET visible_at = CASE WHEN visible_at = 'infinity' THEN visible_at
                          ELSE now() + make_interval(secs => given.seconds) END,
        lease_expires_at = now() + make_interval(secs => given.seconds),
        receipt = CASE WHEN given.seconds > 0 THEN receipt END
    FROM given
    WHERE message.queue_id = ANY(ARRAY[given.queue_id]) AND message.id BETWEEN given.id AND given.id
      AND message.receipt = given.token AND message.lease_expires_at > clock_timestamp()
    RETURNING given.token, message.lease_expires_at
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
    WHERE message.queue_id = ANY(ARRAY[given.queue_id]) AND message.id BETWEEN given.id AND given.id
      AND message.receipt = given.token
""")

_FINISH_BY_ID = text("""
    DELETE FROM queue_messages
    WHERE queue_id = (SELECT id FROM queues WHERE name = :queue) AND id = :id
      AND (consumer_id = :consumer_id OR CAST(:consumer_id AS text) IS NULL)
      AND receipt IS NOT NULL AND lease_expires_at > clock_timestamp()
    RETURNING id
""")


async def claim(connection: AsyncConnection, queue: str, orders: Sequence[ReceiveOrder], start: ClaimStart) -> Claim:
    """Lease what is first in line, to the first order as much as it wants, then to the next. Unknown queue: nothing."""
    if start.in_line_only:
        claimed = await _claim(connection, CLAIM_IN_LINE, queue, orders, start)
        if claimed.next_start.in_line_only:
            return claimed
    return await _claim(connection, CLAIM, queue, orders, start)


async def _claim(
    connection: AsyncConnection, statement: TextClause, queue: str, orders: Sequence[ReceiveOrder], start: ClaimStart
) -> Claim:
    limits = [order.limit for order in orders]
    rows = await connection.execute(
        statement,
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
    for head_id, hidden_from, due_seconds, elsewhere, number, *row in rows:
        next_start = ClaimStart(start.head_id if head_id is None else head_id, hidden_from, not elsewhere)
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


async def extend(connection: AsyncConnection, queue: str, changes: Sequence[LeaseChange]) -> Mapping[Receipt, datetime]:
    """Let each lease end so many seconds from now, 0 = give the message back. When it ends, of those that still held.

    Of several changes of one lease the last counts.
    """
    last = {change.receipt: change.seconds for change in changes}
    receipts = sorted(last)
    extended = await connection.execute(
        EXTEND, {"queue": queue, **_columns(receipts), "seconds": [last[receipt] for receipt in receipts]}
    )
    ends = {row.token: row.lease_expires_at for row in extended}
    return {receipt: ends[receipt.token] for receipt in receipts if receipt.token in ends}


async def undo_claim(connection: AsyncConnection, queue: str, receipts: Sequence[Receipt]) -> None:
    """As if the messages had not been handed out: for those that reached nobody."""
    await connection.execute(_UNDO_CLAIM, {"queue": queue, **_columns(sorted(receipts))})


async def finish(connection: AsyncConnection, queue: str, message_id: int, consumer_id: str | None) -> bool:
    """Delete a message by its id while this consumer, or with None anybody, holds a lease on it."""
    finished = await connection.execute(_FINISH_BY_ID, {"queue": queue, "id": message_id, "consumer_id": consumer_id})
    return finished.first() is not None


def _leased_message(message_id: int, payload: str, token: UUID, *rest: Any) -> LeasedMessage:
    return LeasedMessage(message_id, payload, Receipt(message_id, token), *rest)


def _columns(receipts: Sequence[Receipt]) -> dict[str, list[Any]]:
    return {
        "ids": [receipt.message_id for receipt in receipts],
        "tokens": [receipt.token for receipt in receipts],
    }
