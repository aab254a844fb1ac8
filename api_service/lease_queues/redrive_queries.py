"""The statements that bring the dead back or move them to another queue: chosen by id, slowly, or as soon as they die.

Each is part of a transaction that has locked its queues, in the order of their ids: what moves is sent there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import Row, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from api_service.lease_queues.queue_queries import STATES
from api_service.lease_queues.upkeep_queries import BACK_TO_ITS_PLACE
from shared.database.advisory_locks import LEASE_QUEUE_SENDS
from shared.database.tables import queue_redrives, queues

# So few that no lock lasts.
MOVE_MESSAGES: Final = 1000

_LOCK = text("""
    SELECT id, name, pg_advisory_xact_lock(:send_lock, id)
    FROM (SELECT id, name FROM queues WHERE name = ANY(CAST(:names AS text[])) ORDER BY id OFFSET 0) AS queue
""")
# The dead by their death. `died_before` keeps out what dies again on the way.
_DEAD: Final = """
    SELECT queue_id AS dead_queue_id, id AS dead_id FROM queue_messages
    WHERE queue_id = :queue_id AND coalesce(visible_at = 'infinity' AND lease_expires_at IS NOT NULL, false)
      AND lease_expires_at <= least(now(), CAST(:died_before AS timestamptz))
    ORDER BY queue_id, lease_expires_at, id LIMIT :step FOR UPDATE
"""
_CHOSEN: Final = f"""
    WITH chosen AS MATERIALIZED (
        SELECT CAST(:queue_id AS int) AS chosen_queue_id, chosen_id
        FROM unnest(CAST(:ids AS bigint[])) AS given (chosen_id) ORDER BY chosen_id
    )
    SELECT queue_id AS dead_queue_id, id AS dead_id FROM chosen
    JOIN queue_messages ON queue_id = ANY(ARRAY[chosen_queue_id]) AND id BETWEEN chosen_id AND chosen_id
    WHERE coalesce({STATES["dead"]}, false) FOR UPDATE OF queue_messages
"""  # noqa: S608 - constants of these modules
_IS_THAT_DEAD: Final = "queue_id = ANY(ARRAY[dead_queue_id]) AND id BETWEEN dead_id AND dead_id"


def _redrive(which: str) -> str:
    return f"""
        WITH dead AS MATERIALIZED ({which})
        {BACK_TO_ITS_PLACE} FROM dead WHERE {_IS_THAT_DEAD} RETURNING id
    """


def _move(which: str) -> str:
    return f"""
        WITH dead AS MATERIALIZED ({which}), gone AS (
            DELETE FROM queue_messages USING dead WHERE {_IS_THAT_DEAD} RETURNING queue_messages.*
        )
        INSERT INTO queue_messages (queue_id, payload, payload_bytes, group_id, priority, headers, moved_from)
        SELECT CAST(:target_id AS int), payload, payload_bytes, group_id, priority, headers,
               json_build_object('queue', CAST(:queue AS text), 'id', id, 'receiveCount', receive_count,
                                 'enqueuedAt', enqueued_at)
        FROM gone ORDER BY id RETURNING id
    """  # noqa: S608 - constants of this module


REDRIVE_DEAD = text(_redrive(_DEAD))
REDRIVE_CHOSEN = text(_redrive(_CHOSEN))
MOVE_DEAD = text(_move(_DEAD))
MOVE_CHOSEN = text(_move(_CHOSEN))

_TASK_DUE = (
    select(queue_redrives)
    .where(queue_redrives.c.state == "running", queue_redrives.c.next_at <= text("now()"))
    .order_by(queue_redrives.c.next_at)
    .limit(1)
    .with_for_update(skip_locked=True)
)


class Dead(NamedTuple):
    """Which dead messages: these, or the first so many that died until then."""

    ids: Sequence[int] | None = None
    died_before: datetime | None = None
    limit: int = MOVE_MESSAGES


async def lock_queues(connection: AsyncConnection, *names: str) -> Mapping[str, int]:
    """The ids of those that there are, by their names. What is sent to them waits until the transaction ends."""
    locked = await connection.execute(_LOCK, {"send_lock": LEASE_QUEUE_SENDS, "names": list(names)})
    return {row.name: row.id for row in locked}


async def redrive(connection: AsyncConnection, queue_id: int, dead: Dead) -> int:
    """Put them back to where they were in the line; how many."""
    return len((await connection.execute(*_choose(REDRIVE_CHOSEN, REDRIVE_DEAD, dead, {"queue_id": queue_id}))).all())


async def move(connection: AsyncConnection, queue: str, queue_id: int, target_id: int, dead: Dead) -> int:
    """Send them to another queue, with where they came from, and no receive counted; how many."""
    given = {"queue": queue, "queue_id": queue_id, "target_id": target_id}
    return len((await connection.execute(*_choose(MOVE_CHOSEN, MOVE_DEAD, dead, given))).all())


async def begin_task(connection: AsyncConnection, queue_id: int, target: str | None, rate: int) -> Row[Any]:
    new = insert(queue_redrives).values(queue_id=queue_id, target=target, rate=rate)
    begun: Row[Any] = (await connection.execute(new.returning(queue_redrives))).one()
    return begun


async def task(connection: AsyncConnection, queue_id: int, task_id: UUID) -> Row[Any] | None:
    found = select(queue_redrives).where(queue_redrives.c.id == task_id, queue_redrives.c.queue_id == queue_id)
    return (await connection.execute(found)).one_or_none()


async def cancel_task(connection: AsyncConnection, queue_id: int, task_id: UUID) -> None:
    """One that has ended stays as it is."""
    await connection.execute(
        update(queue_redrives)
        .where(queue_redrives.c.id == task_id, queue_redrives.c.queue_id == queue_id)
        .where(queue_redrives.c.state == "running")
        .values(state="cancelled", finished_at=text("now()"))
    )


async def queue_name(connection: AsyncConnection, queue_id: int) -> str | None:
    """None: it was deleted."""
    found = await connection.execute(select(queues.c.name).where(queues.c.id == queue_id))
    return found.scalar_one_or_none()


async def due_task(connection: AsyncConnection) -> Row[Any] | None:
    """One whose next second has come, locked until the transaction ends."""
    return (await connection.execute(_TASK_DUE)).one_or_none()


async def note_step(connection: AsyncConnection, found: Row[Any], redriven: int) -> None:
    """Less than its rate: there are no more."""
    is_over = redriven < found.rate
    await connection.execute(
        update(queue_redrives)
        .where(queue_redrives.c.id == found.id)
        .values(
            redriven=queue_redrives.c.redriven + redriven,
            next_at=text("now() + interval '1 second'"),
            state="succeeded" if is_over else "running",
            finished_at=text("now()") if is_over else None,
        )
    )


def _choose(chosen: Any, by_death: Any, dead: Dead, given: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    if dead.ids is not None:
        return chosen, {**given, "ids": sorted(set(dead.ids))}
    return by_death, {**given, "died_before": dead.died_before, "step": dead.limit}
