"""Purges and redrives queues of any length, without holding up whoever sends and receives meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import structlog
from sqlalchemy import TextClause
from sqlalchemy.ext.asyncio import AsyncEngine

from api_service.lease_queues import upkeep_queries
from api_service.lease_queues.queue_queries import MessageState
from api_service.lease_queues.upkeep_queries import EXPIRY, PURGES, REDRIVES, Cursor, Overdue
from shared.database.engine import DATABASE_ERRORS
from shared.service.telemetry import describe_error

log = structlog.get_logger(__name__)

# Shorter than clients and proxies usually wait for an answer.
REQUEST_SECONDS: Final = 10.0


class Swept(NamedTuple):
    """How many messages were changed; `complete`: and no others were there when it began."""

    changed: int
    complete: bool


class Upkeep:
    """On connections of its own, one for each step, so that several at once take turns."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def purge(self, queue_id: int, state: MessageState | None) -> Swept:
        """Delete the messages that are there now, all or those in one state."""
        return await self._sweep(PURGES[state], queue_id, lambda: None)

    async def redrive(self, queue_id: int, stepped: Callable[[], None]) -> Swept:
        """Put dead messages back to where they were in the line, with no receive counted."""
        return await self._sweep(REDRIVES, queue_id, stepped)

    async def finish_deletion(self, queue_id: int) -> Swept:
        """Of a queue whose name is gone. What is left is gone on with, by whichever process finds it."""
        deleted = await self._sweep(PURGES[None], queue_id, lambda: None)
        if deleted.complete:
            async with self._engine.connect() as connection:
                await upkeep_queries.forget_deleted_queue(connection, queue_id)
        return deleted

    async def overdue(self) -> Overdue:
        async with self._engine.connect() as connection:
            return await upkeep_queries.overdue(connection)

    async def drop_old(self, queue_id: int) -> int:
        """Delete what is older than the queue keeps it and in nobody's hands; how many those were."""
        dropped, cursor = 0, Cursor()
        async with self._engine.connect() as connection:
            extent = await upkeep_queries.extent(connection, queue_id)
        while True:
            async with self._engine.connect() as connection:
                step = await upkeep_queries.take_step(connection, EXPIRY, queue_id, cursor, extent)
            dropped, cursor = dropped + step.changed, step.cursor
            if not step.changed:
                return dropped

    async def forget_old_deduplications(self) -> None:
        forgotten = upkeep_queries.STEP_MESSAGES
        while forgotten == upkeep_queries.STEP_MESSAGES:
            async with self._engine.connect() as connection:
                forgotten = await upkeep_queries.forget_old_deduplications(connection)

    async def _sweep(self, statements: Sequence[TextClause], queue_id: int, stepped: Callable[[], None]) -> Swept:
        """Says how far it got when its time is over or the database fails on the way. Raises if nothing was changed."""
        end = asyncio.get_running_loop().time() + REQUEST_SECONDS
        changed = 0
        try:
            async with self._engine.connect() as connection:
                extent = await upkeep_queries.extent(connection, queue_id)
            for statement in statements:
                cursor, is_over = Cursor(), False
                while not is_over:
                    async with self._engine.connect() as connection:
                        step = await upkeep_queries.take_step(connection, statement, queue_id, cursor, extent)
                    cursor, is_over = step.cursor, step.looked_at < upkeep_queries.STEP_MESSAGES
                    changed += step.changed
                    stepped()
                    if not is_over and asyncio.get_running_loop().time() > end:
                        return Swept(changed, complete=False)
        except DATABASE_ERRORS as error:
            if not changed:
                raise
            log.warning("a purge or redrive stopped on its way", changed=changed, **describe_error(error))
            return Swept(changed, complete=False)
        return Swept(changed, complete=True)
