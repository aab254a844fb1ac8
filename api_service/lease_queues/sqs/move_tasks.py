"""Move tasks: messages go from a dead-letter queue back to where they died, or to another queue, at a rate.

A task is a row, on which any API process goes on, a step at a time and each in one transaction. So one that dies on
the way loses nothing and moves nothing twice.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import structlog

from api_service.lease_queues import redrive_queries
from api_service.lease_queues.metrics import MESSAGES
from api_service.lease_queues.sqs import move_queries
from shared.database.engine import DATABASE_ERRORS
from shared.service.end_tasks import end_tasks
from shared.service.telemetry import describe_error

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from api_service.lease_queues.lease_queues import LeaseQueues
    from shared.service.failpoints import Failpoints

log = structlog.get_logger(__name__)

# A task that was asked for in this process begins at once; one of another goes on here when that one has died.
LOOK_SECONDS: Final = 5.0
# A step of a task with a rate is a second's share.
STEP_SECONDS: Final = 1.0
UNKNOWN_SOURCE: Final = "CouldNotDetermineMessageSource"
NO_QUEUE: Final = "AWS.SimpleQueueService.NonExistentQueue"


class TaskIsRunning(Exception):
    """One a queue is allowed at a time."""


class MoveTasks:
    def __init__(self, lease_queues: LeaseQueues, failpoints: Failpoints) -> None:
        self._lease_queues = lease_queues
        self._failpoints = failpoints
        self._asked = asyncio.Event()
        self._working: asyncio.Task[None] | None = None

    def open(self) -> None:
        self._working = asyncio.create_task(self._work(), name="SQS move tasks")

    async def close(self) -> None:
        if self._working is not None:
            await end_tasks([self._working])

    async def begin(self, queue_id: int, target: str | None, rate: int | None, to_move: int) -> UUID:
        """Raises `TaskIsRunning`."""
        async with self._lease_queues.looking_after() as connection:
            last_id = await move_queries.last_id(connection, queue_id)
            task_id = await move_queries.begin(
                connection, queue_id=queue_id, target=target, rate=rate, to_move=to_move, last_id=last_id
            )
        if task_id is None:
            raise TaskIsRunning
        self._asked.set()
        return task_id

    async def tasks(self, queue_id: int, limit: int) -> Sequence[Row[Any]]:
        async with self._lease_queues.looking_after() as connection:
            return await move_queries.tasks(connection, queue_id, limit)

    async def source_of(self, task_id: UUID) -> str | None:
        """The queue from which it moves; None: there is no such task, or queue."""
        async with self._lease_queues.looking_after() as connection:
            queue_id = await move_queries.source_of(connection, task_id)
            return None if queue_id is None else await redrive_queries.queue_name(connection, queue_id)

    async def cancel(self, task_id: UUID) -> int | None:
        """How many it has moved; None: it is none that runs."""
        async with self._lease_queues.looking_after() as connection:
            return await move_queries.cancel(connection, task_id)

    async def _work(self) -> None:
        pause = LOOK_SECONDS
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._asked.wait()
            self._asked.clear()
            pause = LOOK_SECONDS
            try:
                while await self._take_step():
                    pause = STEP_SECONDS
            except DATABASE_ERRORS as error:
                log.warning("messages of a move task stay for now", **describe_error(error))

    async def _take_step(self) -> bool:
        """False: no task is due."""
        async with self._lease_queues.looking_after() as connection:
            task = await move_queries.due_task(connection)
            if task is None:
                return False
            name = await redrive_queries.queue_name(connection, task.queue_id)
            moved: Mapping[str, int] = {}
            state = "COMPLETED"
            failure: str | None = None
            if name is not None:
                moved, failure = await _move(connection, task, name)
                state = "FAILED" if failure else "RUNNING" if moved else "COMPLETED"
            await move_queries.note_step(connection, task, sum(moved.values()), state, failure)
            self._failpoints.hit("api.sqs_move_step")
        MESSAGES.labels("moved").inc(sum(moved.values()))
        for queue in moved:
            self._lease_queues.announce(queue)
        return True


async def _move(connection: AsyncConnection, task: Row[Any], name: str) -> tuple[dict[str, int], str | None]:
    """How many went to which queue, and why no more can."""
    step = min(task.rate or move_queries.STEP_MESSAGES, move_queries.STEP_MESSAGES)
    free = await move_queries.free_messages(connection, task.queue_id, task.last_id, step)
    by_target: dict[str, list[int]] = {}
    for message in free:
        target = task.target or message.origin
        if target is None:
            return {}, UNKNOWN_SOURCE
        by_target.setdefault(target, []).append(message.id)
    queues = await redrive_queries.lock_queues(connection, name, *by_target)
    if any(target not in queues for target in by_target):
        return {}, NO_QUEUE
    moved = {
        target: await move_queries.move(connection, task.queue_id, ids, queues[target])
        for target, ids in by_target.items()
    }
    return moved, None
