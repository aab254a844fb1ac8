"""The lease queues of one API process, as its routes call them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api_service.lease_queues import message_queries, send_queries
from api_service.lease_queues.batcher import Batcher
from api_service.lease_queues.deletion import take_name
from api_service.lease_queues.message_queries import Claim, ClaimStart
from api_service.lease_queues.messages import LeaseChange, LeasedMessage, NewMessage, Receipt, ReceiveOrder
from api_service.lease_queues.metrics import BATCH_ITEMS, MESSAGES
from api_service.lease_queues.notifications import QueueNotifications
from api_service.lease_queues.queue_queries import MessageState
from api_service.lease_queues.receivers import Receivers
from api_service.lease_queues.redrives import Redrives
from api_service.lease_queues.sweeper import sweep_for_ever
from api_service.lease_queues.upkeep import Swept, Upkeep
from api_service.settings import ApiSettings
from shared.database.engine import DATABASE_ERRORS, create_engine, is_row_fault
from shared.service.end_tasks import end_tasks
from shared.service.telemetry import describe_error

log = structlog.get_logger(__name__)

APPLICATION_NAME = "api_service lease queues"
# Bytes of payload that one statement carries, unless one caller's alone are more. Each message counts this much extra.
SEND_BATCH_BYTES = 2 * 1024 * 1024
MESSAGE_OVERHEAD_BYTES = 2048
ACKNOWLEDGE_BATCH_RECEIPTS = 2000

INSPECTION_CONNECTIONS = 2
UPKEEP_CONNECTIONS = 2

# Each statement finds its rows through one index. Left to its estimates the planner would sometimes read the whole
# table instead: they are taken when a queue is short, and used when it is long.
PLANNER_SETTINGS = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_sort": "off",
    # What is off costs so much by the planner's reckoning that each statement would be compiled.
    "jit": "off",
}


def _create_engine(settings: ApiSettings, application_name: str, pool_size: int) -> AsyncEngine:
    return create_engine(
        settings,
        application_name,
        pool_size=pool_size,
        pool_timeout_seconds=settings.database_pool_timeout_seconds,
        statement_timeout_seconds=settings.statement_timeout_seconds,
        server_settings=PLANNER_SETTINGS,
        autocommit=True,
        ping=False,
    )


class LeaseQueues:
    """Any number of processes may serve the same queues: what they share is in Postgres, and so is the clock."""

    def __init__(self, settings: ApiSettings) -> None:
        # Pools of their own: neither a slow listing nor a long purge must hold up every queue.
        self._engine = _create_engine(settings, APPLICATION_NAME, settings.queue_pool_size)
        self._inspection_engine = _create_engine(settings, f"{APPLICATION_NAME} inspection", INSPECTION_CONNECTIONS)
        self._upkeep_engine = _create_engine(settings, f"{APPLICATION_NAME} upkeep", UPKEEP_CONNECTIONS)
        self._upkeep = Upkeep(self._upkeep_engine)
        self.redrives = Redrives(self._upkeep_engine, self._announce)
        self._sends = Batcher(self._send, max_weight=SEND_BATCH_BYTES, is_one_callers=is_row_fault)
        self._acknowledgements = Batcher(
            self._acknowledge, max_weight=ACKNOWLEDGE_BATCH_RECEIPTS, is_one_callers=is_row_fault
        )
        self._notifications = QueueNotifications(settings.database_url.get_secret_value(), APPLICATION_NAME, self._wake)
        self._receivers: dict[str, Receivers] = {}
        self._undo_tasks: set[asyncio.Task[None]] = set()
        self._sweeping: asyncio.Task[None] | None = None
        self._hear_subscriptions: Callable[[Mapping[str, str]], None] = lambda _: None

    def open(self) -> None:
        self._notifications.open()
        sweeping = sweep_for_ever(self._upkeep, self.redrives, lambda found: self._hear_subscriptions(found))
        self._sweeping = asyncio.create_task(sweeping, name="lease queue sweep")

    def hear_subscriptions(self, hear: Callable[[Mapping[str, str]], None]) -> None:
        """With each sweep, which queues have a subscription, and its version."""
        self._hear_subscriptions = hear

    async def close(self) -> None:
        """Receivers that wait get nothing; what was sent or acknowledged gets its answer."""
        await asyncio.gather(*(receivers.close() for receivers in self._receivers.values()))
        await self._sends.close()
        await self._acknowledgements.close()
        while self._undo_tasks:
            await asyncio.wait(self._undo_tasks)
        await self._notifications.close()
        if self._sweeping is not None:
            await end_tasks([self._sweeping])
        for engine in (self._engine, self._inspection_engine, self._upkeep_engine):
            await engine.dispose()

    async def send(self, queue: str, messages: Sequence[NewMessage]) -> Sequence[int]:
        """The ids, once the messages are durable. All or none; the queue is created if need be."""
        weight = sum(message.payload_bytes + MESSAGE_OVERHEAD_BYTES for message in messages)
        return await self._sends.submit(queue, messages, weight=weight)

    async def receive(self, queue: str, order: ReceiveOrder, wait_seconds: float = 0) -> Sequence[LeasedMessage]:
        """Lease what is first in line, and wait for the first message if there is none. Cancelled, it takes nothing."""
        receivers = self._receivers.get(queue)
        if receivers is None:
            self._forget_idle_receivers()
            receivers = self._receivers[queue] = Receivers(queue, self._claim, self.undo_claim)
        return await receivers.receive(order, wait_seconds)

    async def acknowledge(self, queue: str, receipts: Sequence[Receipt]) -> Sequence[bool]:
        """For each receipt, whether its lease still held; then its message is gone."""
        return await self._acknowledgements.submit(queue, receipts, weight=len(receipts))

    async def extend(self, queue: str, changes: Sequence[LeaseChange]) -> Mapping[Receipt, datetime]:
        """The new ends of those leases that still held. 0 seconds give a message back."""
        async with self._engine.connect() as connection:
            lease_ends = await message_queries.extend(connection, queue, changes)
        given_back = {change.receipt for change in changes if change.seconds == 0} & lease_ends.keys()
        if given_back:
            MESSAGES.labels("given_back").inc(len(given_back))
            self._announce(queue)
        return lease_ends

    async def finish(self, queue: str, message_id: int, consumer_id: str | None = None) -> bool:
        """Acknowledge without a receipt: whether that consumer, or anybody, holds a lease on the message."""
        async with self._engine.connect() as connection:
            finished = await message_queries.finish(connection, queue, message_id, consumer_id)
        MESSAGES.labels("acknowledged" if finished else "lease_lost").inc()
        return finished

    def undo_claim(self, queue: str, receipts: Sequence[Receipt]) -> None:
        """Hand back messages that reached nobody, in the background; if that fails, their leases run out."""
        task = asyncio.create_task(self._undo_claim(queue, receipts))
        self._undo_tasks.add(task)
        task.add_done_callback(self._undo_tasks.discard)

    async def delete(self, queue: str, *, only_if_empty: bool) -> Swept | None:
        """Delete a queue, and then what is in it. None: there is no such queue. Raises `QueueNotEmpty`."""
        queue_id = await take_name(self._upkeep_engine, queue, only_if_empty=only_if_empty)
        if queue_id is None:
            return None
        deleted = await self._upkeep.finish_deletion(queue_id)
        MESSAGES.labels("purged").inc(deleted.changed)
        return deleted

    def announce(self, queue: str) -> None:
        """There may be something for receivers who wait, in all processes."""
        self._announce(queue)

    @contextlib.asynccontextmanager
    async def moving(self) -> AsyncIterator[AsyncConnection]:
        """A connection for one statement on messages, as those here are; none that may take long."""
        async with self._engine.connect() as connection:
            yield connection

    @contextlib.asynccontextmanager
    async def inspecting(self) -> AsyncIterator[AsyncConnection]:
        """A connection for `queue_queries`, whose statements need the planner settings of a queue's."""
        async with self._inspection_engine.connect() as connection:
            yield connection

    @contextlib.asynccontextmanager
    async def looking_after(self) -> AsyncIterator[AsyncConnection]:
        """A transaction for steps of work that no request waits for."""
        async with self._upkeep_engine.connect() as connection:
            await connection.execution_options(isolation_level="READ COMMITTED")
            async with connection.begin():
                yield connection

    async def redrive(self, queue_id: int, queue: str) -> Swept:
        """Put dead messages back to where they were in the line, with no receive counted."""
        redriven = await self._upkeep.redrive(queue_id, lambda: self._announce(queue))
        MESSAGES.labels("redriven").inc(redriven.changed)
        return redriven

    async def purge(self, queue_id: int, state: MessageState | None) -> Swept:
        """Delete the messages that are there now, all or those in one state."""
        purged = await self._upkeep.purge(queue_id, state)
        MESSAGES.labels("purged").inc(purged.changed)
        return purged

    async def _send(self, queue: str, messages: Sequence[NewMessage]) -> Sequence[int]:
        parts = send_queries.in_parts(messages, SEND_BATCH_BYTES)
        if len(parts) == 1 and all(message.is_plain for message in messages):
            async with self._engine.connect() as connection:
                ids = await send_queries.send_or_open(connection, queue, messages)
        else:
            ids = await self._send_parts(queue, parts)
        BATCH_ITEMS.labels("send").observe(len(ids))
        MESSAGES.labels("sent").inc(len(ids))
        self._announce(queue)
        return ids

    async def _send_parts(self, queue: str, parts: Sequence[Sequence[NewMessage]]) -> Sequence[int]:
        """All or none. The queue's lock, which the first part takes, lasts until the commit."""
        ids: list[int] = []
        async with self._engine.connect() as connection:
            await connection.execution_options(isolation_level="READ COMMITTED")
            async with connection.begin():
                for part in parts:
                    ids += await send_queries.send_or_open(connection, queue, part)
        return ids

    async def _claim(self, queue: str, orders: Sequence[ReceiveOrder], start: ClaimStart) -> Claim:
        async with self._engine.connect() as connection:
            claim = await message_queries.claim(connection, queue, orders, start)
        BATCH_ITEMS.labels("claim").observe(claim.total)
        MESSAGES.labels("received").inc(claim.total)
        return claim

    async def _acknowledge(self, queue: str, receipts: Sequence[Receipt]) -> Sequence[bool]:
        async with self._engine.connect() as connection:
            outcomes = await message_queries.acknowledge(connection, queue, receipts)
        BATCH_ITEMS.labels("acknowledge").observe(len(receipts))
        acknowledged = sum(outcomes)
        MESSAGES.labels("acknowledged").inc(acknowledged)
        MESSAGES.labels("lease_lost").inc(len(outcomes) - acknowledged)
        return outcomes

    async def _undo_claim(self, queue: str, receipts: Sequence[Receipt]) -> None:
        try:
            async with self._engine.connect() as connection:
                await message_queries.undo_claim(connection, queue, receipts)
        except DATABASE_ERRORS as error:
            log.warning("messages that reached nobody stay leased", count=len(receipts), **describe_error(error))
        else:
            MESSAGES.labels("given_back").inc(len(receipts))
            self._announce(queue)

    def _announce(self, queue: str) -> None:
        self._wake(queue)
        self._notifications.announce(queue)

    def _wake(self, queue: str | None) -> None:
        for name in list(self._receivers) if queue is None else [queue]:
            if name in self._receivers:
                self._receivers[name].wake()

    def _forget_idle_receivers(self) -> None:
        """Clients make up the names of queues: what is kept for each must not add up."""
        if len(self._receivers) >= 1000:
            self._receivers = {name: each for name, each in self._receivers.items() if not each.is_idle}
