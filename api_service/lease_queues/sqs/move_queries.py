"""The statements of move tasks, which take messages out of a dead-letter queue and send them where they came from.

A step locks the queues before the messages, as everything does that sends (`redrive_queries`). It moves what nobody has
under a lease: what is in line first, then what is due again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import Row, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.tables import sqs_move_tasks

_IN_LINE = text("""
    SELECT id, moved_from ->> 'queue' AS origin FROM queue_messages
    WHERE queue_id = :queue_id AND visible_at IS NULL AND id <= :last_id
    ORDER BY queue_id, id LIMIT :step
""")
_DUE = text("""
    SELECT id, moved_from ->> 'queue' AS origin FROM queue_messages
    WHERE queue_id = :queue_id AND visible_at <= now() AND id <= :last_id
    ORDER BY queue_id, visible_at, id LIMIT :step
""")
# As at AWS they are new messages, sent just now. Whom a claim has locked is waited for, and then is no longer free.
_MOVE = text("""
    WITH given AS MATERIALIZED (
        SELECT CAST(:queue_id AS int) AS queue_id, given.id
        FROM unnest(CAST(:ids AS bigint[])) AS given (id) ORDER BY given.id
    ), gone AS (
        DELETE FROM queue_messages AS message USING given
        WHERE message.queue_id = ANY(ARRAY[given.queue_id]) AND message.id BETWEEN given.id AND given.id
          AND coalesce(message.visible_at <= now(), true)
        RETURNING message.*
    )
    INSERT INTO queue_messages (queue_id, payload, payload_bytes, group_id, priority, headers)
    SELECT CAST(:target_id AS int), payload, payload_bytes, group_id, priority, headers FROM gone ORDER BY id
    RETURNING id
""")
_LAST_ID = text("SELECT id FROM queue_messages WHERE queue_id = :queue_id ORDER BY queue_id DESC, id DESC LIMIT 1")

# One second's share is moved a second; without a rate a step is due at once.
_DUE_TASK = (
    select(sqs_move_tasks)
    .where(sqs_move_tasks.c.state == "RUNNING", sqs_move_tasks.c.next_at <= text("clock_timestamp()"))
    .order_by(sqs_move_tasks.c.next_at)
    .limit(1)
    .with_for_update(skip_locked=True)
)
STEP_MESSAGES: Final = 1000


class Free(NamedTuple):
    """A message that can be moved, and the queue in which it died."""

    id: int
    origin: str | None


async def last_id(connection: AsyncConnection, queue_id: int) -> int:
    """What is sent later is not moved."""
    return int((await connection.execute(_LAST_ID, {"queue_id": queue_id})).scalar() or 0)


async def free_messages(connection: AsyncConnection, queue_id: int, until: int, step: int) -> Sequence[Free]:
    found = list[Free]()
    for statement in (_IN_LINE, _DUE):
        parameters = {"queue_id": queue_id, "last_id": until, "step": step - len(found)}
        found += [Free(*row) for row in await connection.execute(statement, parameters)]
    return found


async def move(connection: AsyncConnection, queue_id: int, ids: Sequence[int], target_id: int) -> int:
    """How many, after both queues were locked."""
    parameters = {"queue_id": queue_id, "ids": list(ids), "target_id": target_id}
    return len((await connection.execute(_MOVE, parameters)).all())


async def begin(connection: AsyncConnection, **columns: Any) -> UUID | None:
    """None: one of this queue is running."""
    new = insert(sqs_move_tasks).values(**columns)
    alone = new.on_conflict_do_nothing(
        index_elements=[sqs_move_tasks.c.queue_id], index_where=sqs_move_tasks.c.state == text("'RUNNING'")
    )
    task_id: UUID | None = (await connection.execute(alone.returning(sqs_move_tasks.c.id))).scalar_one_or_none()
    return task_id


async def tasks(connection: AsyncConnection, queue_id: int, limit: int) -> Sequence[Row[Any]]:
    """The latest first."""
    found = select(sqs_move_tasks).where(sqs_move_tasks.c.queue_id == queue_id)
    return (await connection.execute(found.order_by(sqs_move_tasks.c.created_at.desc()).limit(limit))).all()


async def source_of(connection: AsyncConnection, task_id: UUID) -> int | None:
    found = select(sqs_move_tasks.c.queue_id).where(sqs_move_tasks.c.id == task_id)
    queue_id: int | None = (await connection.execute(found)).scalar_one_or_none()
    return queue_id


async def cancel(connection: AsyncConnection, task_id: UUID) -> int | None:
    """How many it has moved; None: it is none that runs."""
    cancelled = (
        update(sqs_move_tasks)
        .where(sqs_move_tasks.c.id == task_id, sqs_move_tasks.c.state == "RUNNING")
        .values(state="CANCELLED")
        .returning(sqs_move_tasks.c.moved)
    )
    moved: int | None = (await connection.execute(cancelled)).scalar_one_or_none()
    return moved


async def due_task(connection: AsyncConnection) -> Row[Any] | None:
    """One whose next step has come, locked until the transaction ends."""
    return (await connection.execute(_DUE_TASK)).one_or_none()


async def note_step(connection: AsyncConnection, task: Row[Any], moved: int, state: str, failure: str | None) -> None:
    pause = text("clock_timestamp() + interval '1 second'" if task.rate else "clock_timestamp()")
    await connection.execute(
        update(sqs_move_tasks)
        .where(sqs_move_tasks.c.id == task.id)
        .values(moved=sqs_move_tasks.c.moved + moved, next_at=pause, state=state, failure=failure)
    )
