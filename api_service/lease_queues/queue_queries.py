"""The statements that look at queues and look after them: settings, counts, listings, redrive and purge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from sqlalchemy import Row, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from api_service.lease_queues.messages import MAX_PAGE_BYTES
from shared.database.tables import queues

MessageState = Literal["visible", "inFlight", "delayed", "blocked", "dead"]

# Disjoint, and together everything, whatever the clock says.
STATES: Final[dict[MessageState, str]] = {
    "visible": "(visible_at IS NULL OR visible_at <= now())",
    "inFlight": "(visible_at > now() AND lease_expires_at > now())",
    "delayed": (
        "(visible_at > now() AND visible_at < 'infinity' AND coalesce(lease_expires_at <= now(), true) "
        "AND group_id IS NULL)"
    ),
    # Behind another of its group, which may be in flight for the last time.
    "blocked": (
        "(visible_at > now() AND (lease_expires_at IS NULL OR visible_at < 'infinity' AND lease_expires_at <= now()) "
        "AND group_id IS NOT NULL)"
    ),
    "dead": "(visible_at = 'infinity' AND lease_expires_at <= now())",
}
_STATE: Final = "CASE " + " ".join(f"WHEN {condition} THEN '{state}'" for state, condition in STATES.items()) + " END"

_QUEUE_COLUMNS = (
    "id, name, max_receives, visibility_timeout_seconds, deduplication_seconds, retention_seconds, dead_letter_queue, "
    "paused, created_at"
)

# Each count reads one of the two partial indexes; an order that only it has, and that is not to be left out, makes sure
# of it. The oldest is the one with the lowest id: ids follow the clock.
_QUEUES_WITH_COUNTS = text(f"""
    SELECT {_QUEUE_COLUMNS}, in_line.count + hidden.due AS visible, hidden.in_flight, hidden.delayed, hidden.blocked,
           hidden.dead,
           extract(epoch FROM now() - least(in_line.oldest, hidden.oldest_due)) AS oldest_age_seconds
    FROM queues,
    LATERAL (
        SELECT count(*) AS count, (
            SELECT enqueued_at FROM queue_messages
            WHERE queue_id = queues.id AND visible_at IS NULL ORDER BY queue_id, id LIMIT 1
        ) AS oldest
        FROM queue_messages WHERE queue_id = queues.id AND visible_at IS NULL
    ) AS in_line,
    LATERAL (
        SELECT count(*) FILTER (WHERE {STATES["visible"]}) AS due,
               min(enqueued_at) FILTER (WHERE {STATES["visible"]}) AS oldest_due,
               count(*) FILTER (WHERE {STATES["inFlight"]}) AS in_flight,
               count(*) FILTER (WHERE {STATES["delayed"]}) AS delayed,
               count(*) FILTER (WHERE {STATES["blocked"]}) AS blocked,
               count(*) FILTER (WHERE {STATES["dead"]}) AS dead
        FROM (
            SELECT visible_at, lease_expires_at, enqueued_at, group_id FROM queue_messages
            WHERE queue_id = queues.id AND visible_at IS NOT NULL ORDER BY queue_id, visible_at, id OFFSET 0
        ) AS message
    ) AS hidden
    WHERE (name = :name OR CAST(:name AS text) IS NULL) AND name > :after
    ORDER BY name OFFSET :offset LIMIT :limit
""")  # noqa: S608 - constants of this module

_COUNT_QUEUES = text("SELECT count(*) FROM queues")

_QUEUE_ID = text("SELECT id FROM queues WHERE name = :name")

# Payloads are read from disk where they are cast, which is after the page has been cut.
MESSAGE_COLUMNS: Final = f"""
    id, CAST(payload AS text) AS payload, {_STATE} AS state, receive_count, consumer_id, enqueued_at,
    nullif(visible_at, 'infinity') AS visible_at, lease_expires_at, group_id, priority,
    CAST(headers AS text) AS headers, CAST(moved_from AS text) AS moved_from
"""


def _list_messages(condition: str) -> str:
    return f"""
        SELECT {MESSAGE_COLUMNS}, page_rows
        FROM (
            SELECT *, count(*) OVER () AS page_rows,
                   sum(payload_bytes) OVER (ORDER BY id) - payload_bytes AS bytes_before
            FROM (
                SELECT * FROM queue_messages
                WHERE queue_id = :queue_id AND id > :after AND {condition}
                ORDER BY queue_id, id OFFSET :offset LIMIT :limit
            ) AS page
        ) AS page
        WHERE bytes_before < :max_bytes ORDER BY id
    """  # noqa: S608 - constants of this module


def _count_messages(condition: str) -> str:
    return f"SELECT count(*) FROM queue_messages WHERE queue_id = :queue_id AND {condition}"  # noqa: S608 - constants


def _count_hidden(condition: str) -> str:
    return f"""
        SELECT count(*) FROM (
            SELECT FROM queue_messages WHERE queue_id = :queue_id AND visible_at IS NOT NULL AND {condition}
            ORDER BY queue_id, visible_at, id OFFSET 0
        ) AS message
    """  # noqa: S608 - constants of this module


_CONDITIONS: Final[dict[MessageState | None, str]] = {None: "true"} | STATES
_LISTS = {state: text(_list_messages(condition)) for state, condition in _CONDITIONS.items()}
_COUNTS = {
    state: text((_count_messages if state in {None, "visible"} else _count_hidden)(condition))
    for state, condition in _CONDITIONS.items()
}


class MessagePage(NamedTuple):
    """`was_cut`: more were asked for and are there, but their payloads are too large."""

    rows: Sequence[Row[Any]]
    was_cut: bool


async def list_queues(connection: AsyncConnection, *, after: str, offset: int, limit: int) -> Sequence[Row[Any]]:
    """By name, from after that one, with how many messages are in each state."""
    parameters = {"name": None, "after": after, "offset": offset, "limit": limit}
    return (await connection.execute(_QUEUES_WITH_COUNTS, parameters)).all()


async def count_queues(connection: AsyncConnection) -> int:
    return int((await connection.execute(_COUNT_QUEUES)).scalar_one())


async def queue_with_counts(connection: AsyncConnection, name: str) -> Row[Any] | None:
    parameters = {"name": name, "after": "", "offset": 0, "limit": 1}
    return (await connection.execute(_QUEUES_WITH_COUNTS, parameters)).one_or_none()


async def queue_id(connection: AsyncConnection, name: str) -> int | None:
    found: int | None = (await connection.execute(_QUEUE_ID, {"name": name})).scalar_one_or_none()
    return found


async def configure(connection: AsyncConnection, name: str, settings: Mapping[str, Any]) -> None:
    """Create the queue or change it, by columns; leases that are out keep what they were given."""
    made = insert(queues).values(name=name, **settings)
    await connection.execute(made.on_conflict_do_update(index_elements=[queues.c.name], set_=dict(settings)))


async def change(connection: AsyncConnection, name: str, settings: Mapping[str, Any]) -> bool:
    """Columns that are not named stay. False: there is no such queue."""
    changed = update(queues).where(queues.c.name == name).values(settings or {"name": name})
    return (await connection.execute(changed.returning(queues.c.id))).first() is not None


async def list_messages(
    connection: AsyncConnection,
    queue_id: int,
    state: MessageState | None,
    *,
    after: int,
    offset: int,
    limit: int,
    max_bytes: int = MAX_PAGE_BYTES,
) -> MessagePage:
    """In the order of the line, without touching them; no more than `max_bytes` of payload, and always one."""
    parameters = {"queue_id": queue_id, "after": after, "offset": offset, "limit": limit, "max_bytes": max_bytes}
    rows = (await connection.execute(_LISTS[state], parameters)).all()
    return MessagePage(rows, was_cut=bool(rows) and len(rows) < rows[0].page_rows)


async def count_messages(connection: AsyncConnection, queue_id: int, state: MessageState | None) -> int:
    return int((await connection.execute(_COUNTS[state], {"queue_id": queue_id})).scalar_one())
