"""The statements by which SQS deletes what was received and changes for how long it is hidden.

A receipt is good here until the message is received again, whether or not its time is over: who is late with a message
that nobody else has yet is not to do it twice. That is what SQS promises of standard queues; on FIFO queues, where the
next message of the group may be out by then, the lease must still hold, as it must at the lease queues' own door.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from api_service.lease_queues.messages import LeasedMessage, Receipt

Outcome = Literal["done", "expired", "unknown"]

DELETE = text("""
    WITH given AS MATERIALIZED (
        SELECT queues.id AS queue_id, receipt.id, receipt.token
        FROM queues, unnest(CAST(:ids AS bigint[]), CAST(:tokens AS uuid[])) AS receipt (id, token)
        WHERE queues.name = :queue
    )
    DELETE FROM queue_messages AS message USING given
    WHERE message.queue_id = ANY(ARRAY[given.queue_id]) AND message.id BETWEEN given.id AND given.id
      AND message.receipt = given.token
      AND (NOT CAST(:only_held AS boolean) OR message.lease_expires_at > clock_timestamp())
    RETURNING message.receipt
""")

# A deletion of what is not there any more is most likely one that is made again, because its answer was lost.
STILL_THERE = text("""
    WITH given AS MATERIALIZED (
        SELECT queues.id AS queue_id, given.id FROM queues, unnest(CAST(:ids AS bigint[])) AS given (id)
        WHERE queues.name = :queue
    )
    SELECT message.id FROM given, LATERAL (
        SELECT id FROM queue_messages WHERE queue_id = given.queue_id AND id = given.id ORDER BY queue_id, id LIMIT 1
    ) AS message
""")

# Given back, a message keeps its receipt, by which it can still be deleted.
CHANGE = text("""
    WITH given AS MATERIALIZED (
        SELECT queues.id AS queue_id, change.id, change.token, change.seconds
        FROM queues, unnest(CAST(:ids AS bigint[]), CAST(:tokens AS uuid[]), CAST(:seconds AS int[]))
             AS change (id, token, seconds)
        WHERE queues.name = :queue
    ), found AS MATERIALIZED (
        SELECT given.queue_id, given.id, given.token, given.seconds,
               message.lease_expires_at > clock_timestamp() AS is_held
        FROM given JOIN queue_messages AS message
          ON message.queue_id = ANY(ARRAY[given.queue_id]) AND message.id BETWEEN given.id AND given.id
             AND message.receipt = given.token
    ), changed AS (
        UPDATE queue_messages AS message
        SET visible_at = CASE WHEN visible_at = 'infinity' THEN visible_at
                              ELSE now() + make_interval(secs => found.seconds) END,
            lease_expires_at = now() + make_interval(secs => found.seconds)
        FROM found
        WHERE message.queue_id = ANY(ARRAY[found.queue_id]) AND message.id BETWEEN found.id AND found.id
          AND message.receipt = found.token AND message.lease_expires_at > clock_timestamp()
        RETURNING message.receipt
    )
    SELECT token, token IN (SELECT receipt FROM changed) AS is_done FROM found
""")

# A receive that is made again has the same messages, for as long as before from now on. Those that are hidden have an
# index by time; those with their last lease one of their own, where no other message of a group is.
RECEIVE_AGAIN = text("""
    WITH held AS MATERIALIZED (
        SELECT queue_id AS held_queue_id, id AS held_id FROM (
            SELECT queue_id, id, consumer_id, lease_expires_at FROM queue_messages
            WHERE queue_id = :queue_id AND visible_at > now() AND visible_at < 'infinity'
            ORDER BY queue_id, visible_at, id OFFSET 0
        ) AS hidden
        WHERE consumer_id = :consumer_id AND lease_expires_at > now()
        UNION ALL
        SELECT queue_id, id FROM (
            SELECT queue_id, id, consumer_id FROM queue_messages
            WHERE queue_id = :queue_id AND visible_at = 'infinity' AND lease_expires_at IS NOT NULL
              AND lease_expires_at > now()
            ORDER BY queue_id, lease_expires_at, id OFFSET 0
        ) AS last_lease
        WHERE consumer_id = :consumer_id
    )
    UPDATE queue_messages
    SET visible_at = CASE WHEN visible_at = 'infinity' THEN visible_at ELSE now() + make_interval(secs => :seconds) END,
        lease_expires_at = now() + make_interval(secs => :seconds)
    FROM held
    WHERE queue_id = ANY(ARRAY[held_queue_id]) AND id BETWEEN held_id AND held_id
      AND consumer_id = :consumer_id AND receipt IS NOT NULL AND lease_expires_at > clock_timestamp()
    RETURNING id, CAST(payload AS text) AS payload, receipt, receive_count, enqueued_at, lease_expires_at, group_id,
              priority, CAST(headers AS text) AS headers, CAST(moved_from AS text) AS moved_from, first_received_at
""")


class VisibilityChange(NamedTuple):
    receipt: Receipt
    seconds: int


async def delete(
    connection: AsyncConnection, queue: str, receipts: Sequence[Receipt], *, only_held: bool
) -> Sequence[bool]:
    """For each receipt, whether it was the one by which its message is gone."""
    given = sorted(set(receipts))
    parameters = {"ids": [each.message_id for each in given], "tokens": [each.token for each in given]}
    deleted = await connection.execute(DELETE, {"queue": queue, "only_held": only_held, **parameters})
    tokens = set(deleted.scalars())
    return [receipt.token in tokens for receipt in receipts]


async def still_there(connection: AsyncConnection, queue: str, receipts: Sequence[Receipt]) -> set[int]:
    """The ids of those whose messages are, whoever has them."""
    ids = sorted({receipt.message_id for receipt in receipts})
    return set((await connection.execute(STILL_THERE, {"queue": queue, "ids": ids})).scalars())


async def receive_again(
    connection: AsyncConnection, queue_id: int, consumer_id: str, seconds: int
) -> Sequence[LeasedMessage]:
    """What this consumer holds, in its order, by the receipts that it was given."""
    parameters = {"queue_id": queue_id, "consumer_id": consumer_id, "seconds": seconds}
    rows = (await connection.execute(RECEIVE_AGAIN, parameters)).all()
    messages = [
        LeasedMessage(message_id, payload, Receipt(message_id, token), *rest)
        for message_id, payload, token, *rest in rows
    ]
    return sorted(messages, key=lambda message: message.id)


async def change(connection: AsyncConnection, queue: str, changes: Sequence[VisibilityChange]) -> Sequence[Outcome]:
    """Let each message come back so many seconds from now, if it is still hidden. Of several of one the last counts."""
    last = {each.receipt: each.seconds for each in changes}
    given = sorted(last)
    parameters = {
        "ids": [receipt.message_id for receipt in given],
        "tokens": [receipt.token for receipt in given],
        "seconds": [last[receipt] for receipt in given],
    }
    found = {row.token: row.is_done for row in await connection.execute(CHANGE, {"queue": queue, **parameters})}
    outcomes: dict[bool | None, Outcome] = {True: "done", False: "expired", None: "unknown"}
    return [outcomes[found.get(each.receipt.token)] for each in changes]
