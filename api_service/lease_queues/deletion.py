"""Takes a queue's name away, so that what is sent under it begins a new queue; its messages go afterwards."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.errors import RollcallError
from shared.service.telemetry import sqlstate

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

# For so long at once everybody else waits behind a deletion that itself waits, and so often it tries.
LOCK_TIMEOUT: Final = "100ms"
TRIES: Final = 30
PAUSE_SECONDS: Final = 0.2
_LOCK_NOT_AVAILABLE: Final = "55P03"

# A statement takes its lock on the table before its snapshot. So no send still believes in the queue: it has committed,
# and is seen below, or it will find that the name is gone.
_LOCK = text("LOCK TABLE queues IN ACCESS EXCLUSIVE MODE")
_QUEUE_ID = text("SELECT id FROM queues WHERE name = :name")
_IS_EMPTY = text("""
    SELECT NOT EXISTS (SELECT FROM (
        SELECT 1 FROM queue_messages WHERE queue_id = :queue_id ORDER BY queue_id, id LIMIT 1
    ) AS message)
""")
_TAKE_NAME = text("""
    WITH deleted AS (DELETE FROM queues WHERE id = :queue_id RETURNING id)
    INSERT INTO deleted_queues (queue_id) SELECT id FROM deleted
""")


class QueueNotEmpty(RollcallError):
    """It was to be deleted only without messages."""


async def take_name(engine: AsyncEngine, name: str, *, only_if_empty: bool) -> int | None:
    """The id of the queue that has lost its name; None: there is none. Raises `QueueNotEmpty`, and database errors."""
    for _ in range(TRIES - 1):
        try:
            return await _try(engine, name, only_if_empty=only_if_empty)
        except DBAPIError as error:
            if sqlstate(error) != _LOCK_NOT_AVAILABLE:
                raise
        await asyncio.sleep(PAUSE_SECONDS)
    return await _try(engine, name, only_if_empty=only_if_empty)


async def _try(engine: AsyncEngine, name: str, *, only_if_empty: bool) -> int | None:
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="READ COMMITTED")
        async with connection.begin():
            return await _take(connection, name, only_if_empty=only_if_empty)


async def _take(connection: AsyncConnection, name: str, *, only_if_empty: bool) -> int | None:
    await connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
    await connection.execute(_LOCK)
    queue_id: int | None = (await connection.execute(_QUEUE_ID, {"name": name})).scalar_one_or_none()
    if queue_id is None:
        return None
    if only_if_empty and not (await connection.execute(_IS_EMPTY, {"queue_id": queue_id})).scalar_one():
        raise QueueNotEmpty
    await connection.execute(_TAKE_NAME, {"queue_id": queue_id})
    return queue_id
