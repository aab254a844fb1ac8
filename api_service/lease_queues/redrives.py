"""Brings dead messages back, or to another queue: at once, chosen ones, so many a second, or as soon as they die."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any

from api_service.lease_queues import redrive_queries
from api_service.lease_queues.metrics import MESSAGES
from api_service.lease_queues.redrive_queries import MOVE_MESSAGES, Dead
from api_service.lease_queues.send_queries import open_queue
from api_service.lease_queues.upkeep import REQUEST_SECONDS, Swept

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine


class Redrives:
    """`announce` is called with each queue that has got something. Database errors pass through."""

    def __init__(self, engine: AsyncEngine, announce: Callable[[str], None]) -> None:
        self._engine = engine
        self._announce = announce

    async def chosen(self, queue: str, ids: Sequence[int], target: str | None) -> Swept:
        """Those of these messages that are dead."""
        async with self._transaction() as connection:
            redriven = await _redrive(connection, queue, target, Dead(ids))
        self._count(queue, target, redriven)
        return Swept(redriven, complete=True)

    async def to_another(self, queue: str, target: str) -> Swept:
        """All that are dead, in steps; says how far it got when its time is over."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        total, step = 0, MOVE_MESSAGES
        while step == MOVE_MESSAGES:
            if loop.time() - begun > REQUEST_SECONDS:
                return Swept(total, complete=False)
            async with self._transaction() as connection:
                step = await _redrive(connection, queue, target, Dead())
            total += step
            self._count(queue, target, step)
        return Swept(total, complete=True)

    async def begin(self, queue_id: int, target: str | None, rate: int) -> Row[Any]:
        """A task, which any process goes on with, a step a second."""
        async with self._transaction() as connection:
            return await redrive_queries.begin_task(connection, queue_id, target, rate)

    async def task(self, queue_id: int, task_id: UUID) -> Row[Any] | None:
        async with self._transaction() as connection:
            return await redrive_queries.task(connection, queue_id, task_id)

    async def cancel(self, queue_id: int, task_id: UUID) -> Row[Any] | None:
        """The task as it stands then: one that has ended stays as it is."""
        async with self._transaction() as connection:
            await redrive_queries.cancel_task(connection, queue_id, task_id)
            return await redrive_queries.task(connection, queue_id, task_id)

    async def take_step(self) -> bool:
        """The next step of one task: what moved is noted in the same transaction. False: none is due."""
        async with self._transaction() as connection:
            task = await redrive_queries.due_task(connection)
            if task is None:
                return False
            queue = await redrive_queries.queue_name(connection, task.queue_id)
            dead = Dead(died_before=task.created_at, limit=task.rate)
            redriven = 0 if queue is None else await _redrive(connection, queue, task.target, dead)
            await redrive_queries.note_step(connection, task, redriven)
        if queue is not None:
            self._count(queue, task.target, redriven)
        return True

    @contextlib.asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        async with self._engine.connect() as connection:
            await connection.execution_options(isolation_level="READ COMMITTED")
            async with connection.begin():
                yield connection

    def _count(self, queue: str, target: str | None, redriven: int) -> None:
        if redriven:
            MESSAGES.labels("redriven" if target is None else "moved").inc(redriven)
            self._announce(queue if target is None else target)


async def _redrive(connection: AsyncConnection, queue: str, target: str | None, dead: Dead) -> int:
    if target is not None:
        await open_queue(connection, target)
    queues = await redrive_queries.lock_queues(connection, queue, *([] if target is None else [target]))
    if queue not in queues:
        return 0
    if target is None:
        return await redrive_queries.redrive(connection, queues[queue], dead)
    return await redrive_queries.move(connection, queue, queues[queue], queues[target], dead)
