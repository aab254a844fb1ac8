"""The statements that purge and redrive, step by step: each looks at a bounded number of messages, whatever it finds.

What a step looks at is read in the order of one index, so that no step reads again what the one before has seen, and
what it changes is found by the primary key.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from api_service.lease_queues.queue_queries import STATES, MessageState
from shared.database.advisory_locks import LEASE_QUEUE_SENDS

# So few that no lock lasts. Those that a step redrives are due at one moment, and claims meet them together.
STEP_MESSAGES: Final = 2000


class Cursor(NamedTuple):
    """The last message that was looked at, in the order of the index that is read."""

    visible_at: str = "-infinity"
    id: int = 0


class Extent(NamedTuple):
    """What was there when a sweep began: ids up to the last one, due at that moment."""

    last: int
    begun: datetime


class Overdue(NamedTuple):
    """What a sweep has to do."""

    deleted_queues: Sequence[int]
    queues_with_retention: Sequence[int]
    has_old_deduplications: bool
    # Each with where its dead go.
    dead_letter_queues: Sequence[tuple[str, str]]
    has_redrives: bool
    # Queues that push, each with what changes when its subscription is set anew.
    subscriptions: Sequence[tuple[str, str]]


class Step(NamedTuple):
    looked_at: int
    changed: int
    cursor: Cursor


_BY_ID: Final = ("id > :after_id", "queue_id, id", "id DESC")
_BY_TIME: Final = (
    "(visible_at, id) > (CAST(CAST(:after_time AS text) AS timestamptz), :after_id)",
    "queue_id, visible_at, id",
    "visible_at DESC, id DESC",
)
_PURGE: Final = "DELETE FROM queue_messages USING chosen"
# It keeps its id, and by that its place.
BACK_TO_ITS_PLACE: Final = """
    UPDATE queue_messages
    SET visible_at = now(), lease_expires_at = NULL, receipt = NULL, consumer_id = NULL, receive_count = 0
"""


def _step(change: str, part: str, condition: str, order: tuple[str, str, str]) -> TextClause:
    """`part` is a range of the index that `order` belongs to. Without `coalesce` a partial index would seem to fit.

    Where there are groups the queue's lock comes before those of the rows, as it does for whoever opens the next one.
    """
    after, forwards, backwards = order
    return text(f"""
        WITH grouped AS MATERIALIZED (
            SELECT 1 FROM queue_messages WHERE queue_id = :queue_id AND group_id IS NOT NULL
            ORDER BY queue_id, group_id, visible_at, lease_expires_at, id LIMIT 1
        ), locked AS MATERIALIZED (
            SELECT pg_advisory_xact_lock(:send_lock, :queue_id) FROM grouped
        ), looked_at AS MATERIALIZED (
            SELECT visible_at, id, queue_id, {condition} AS matches FROM queue_messages
            WHERE queue_id = :queue_id AND {part} AND {after} AND id <= :last AND (SELECT count(*) FROM locked) < 2
            ORDER BY {forwards} LIMIT :step
        ), chosen AS MATERIALIZED (
            SELECT queue_id AS chosen_queue_id, id AS chosen_id FROM looked_at WHERE matches ORDER BY id
        ), changed AS (
            {change}
            WHERE queue_id = ANY(ARRAY[chosen_queue_id]) AND id BETWEEN chosen_id AND chosen_id
              AND coalesce({condition}, false)
            RETURNING id
        )
        SELECT (SELECT count(*) FROM looked_at) AS looked_at, (SELECT count(*) FROM changed) AS changed,
               CAST(visible_at AS text) AS visible_at, id
        FROM looked_at ORDER BY {backwards} LIMIT 1
    """)  # noqa: S608 - constants of this module


# The state of a message is a range of one of the indexes, and what its lease says besides.
_PURGES: Final[dict[MessageState | None, Sequence[TextClause]]] = {
    None: [_step(_PURGE, "true", "true", _BY_ID)],
    "visible": [
        _step(_PURGE, "visible_at IS NULL", STATES["visible"], _BY_ID),
        # Not what opens in its group because of those that go.
        _step(_PURGE, "visible_at <= CAST(:begun AS timestamptz)", STATES["visible"], _BY_TIME),
    ],
    "inFlight": [_step(_PURGE, "visible_at > now()", STATES["inFlight"], _BY_TIME)],
    "delayed": [_step(_PURGE, "visible_at > now() AND visible_at < 'infinity'", STATES["delayed"], _BY_TIME)],
    "blocked": [_step(_PURGE, "visible_at > now()", STATES["blocked"], _BY_TIME)],
    "dead": [_step(_PURGE, "visible_at >= 'infinity'", STATES["dead"], _BY_TIME)],
}
PURGES: Final = {state: tuple(statements) for state, statements in _PURGES.items()}
REDRIVES: Final = (_step(f"{BACK_TO_ITS_PLACE} FROM chosen", "visible_at >= 'infinity'", STATES["dead"], _BY_TIME),)

# Ids follow the clock, so a step that finds nothing old is the last.
_IS_OLD: Final = (
    "coalesce(enqueued_at < now() - make_interval(secs => "
    "(SELECT retention_seconds FROM queues WHERE id = :queue_id)), false)"
)
EXPIRY: Final = _step(_PURGE, "true", f"({_IS_OLD} AND NOT coalesce({STATES['inFlight']}, false))", _BY_ID)

_OVERDUE = text("""
    SELECT ARRAY(SELECT queue_id FROM deleted_queues ORDER BY queue_id) AS deleted_queues,
           ARRAY(SELECT id FROM queues WHERE retention_seconds IS NOT NULL ORDER BY id) AS queues_with_retention,
           coalesce((SELECT expires_at <= now() FROM queue_deduplications ORDER BY expires_at LIMIT 1), false)
             AS has_old_deduplications,
           ARRAY(SELECT ARRAY[name, dead_letter_queue] FROM queues WHERE dead_letter_queue IS NOT NULL ORDER BY id)
             AS dead_letter_queues,
           EXISTS (SELECT FROM queue_redrives WHERE state = 'running') AS has_redrives,
           ARRAY(SELECT ARRAY[name, CAST(changed_at AS text)] FROM queue_subscriptions AS subscription, queues
                 WHERE state = 'active' AND queues.id = subscription.queue_id ORDER BY queue_id) AS subscriptions
""")
_FORGET_DELETED_QUEUE = text("DELETE FROM deleted_queues WHERE queue_id = :queue_id")
# One that is used anew meanwhile is locked, or is not old any more.
_FORGET_OLD_DEDUPLICATIONS = text("""
    WITH old AS MATERIALIZED (
        SELECT queue_id, deduplication_id FROM queue_deduplications WHERE expires_at <= now()
        ORDER BY expires_at LIMIT :step FOR UPDATE SKIP LOCKED
    )
    DELETE FROM queue_deduplications AS known USING old
    WHERE known.queue_id = ANY(ARRAY[old.queue_id])
      AND known.deduplication_id BETWEEN old.deduplication_id AND old.deduplication_id
""")

_EXTENT = text("""
    SELECT coalesce((
        SELECT id FROM queue_messages WHERE queue_id = :queue_id ORDER BY queue_id DESC, id DESC LIMIT 1
    ), 0) AS last, clock_timestamp() AS begun
""")


async def extent(connection: AsyncConnection, queue_id: int) -> Extent:
    return Extent(*(await connection.execute(_EXTENT, {"queue_id": queue_id})).one())


async def overdue(connection: AsyncConnection) -> Overdue:
    return Overdue(*(await connection.execute(_OVERDUE)).one())


async def forget_deleted_queue(connection: AsyncConnection, queue_id: int) -> None:
    """Once nothing of it is left."""
    await connection.execute(_FORGET_DELETED_QUEUE, {"queue_id": queue_id})


async def forget_old_deduplications(connection: AsyncConnection) -> int:
    """A step's worth of them; how many those were."""
    return (await connection.execute(_FORGET_OLD_DEDUPLICATIONS, {"step": STEP_MESSAGES})).rowcount


async def take_step(
    connection: AsyncConnection, statement: TextClause, queue_id: int, cursor: Cursor, extent: Extent
) -> Step:
    """One of `PURGES` or `REDRIVES`, or `EXPIRY`, for messages past the cursor and within the extent."""
    parameters = {
        "queue_id": queue_id,
        "after_id": cursor.id,
        "last": extent.last,
        "begun": extent.begun,
        "step": STEP_MESSAGES,
        "after_time": cursor.visible_at,
        "send_lock": LEASE_QUEUE_SENDS,
    }
    used = {name: value for name, value in parameters.items() if f":{name}" in statement.text}
    row = (await connection.execute(statement, used)).one_or_none()
    if row is None:
        return Step(0, 0, cursor)
    return Step(row.looked_at, row.changed, Cursor(row.visible_at or cursor.visible_at, row.id))
