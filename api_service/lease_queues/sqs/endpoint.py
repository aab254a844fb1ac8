"""The SQS endpoint of one API process: what its operations share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from api_service.lease_queues.batcher import Batcher
from api_service.lease_queues.lease_queues import ACKNOWLEDGE_BATCH_RECEIPTS, LeaseQueues
from api_service.lease_queues.messages import Receipt
from api_service.lease_queues.metrics import BATCH_ITEMS, MESSAGES
from api_service.lease_queues.sqs import lease_queries, queue_records
from api_service.lease_queues.sqs.addresses import Addresses, is_queue_name, queue_of_url
from api_service.lease_queues.sqs.errors import QueueMissing, SqsError
from api_service.lease_queues.sqs.lease_queries import Outcome, VisibilityChange
from api_service.lease_queues.sqs.move_tasks import MoveTasks
from api_service.lease_queues.sqs.queue_records import SqsQueue
from shared.access.callers import Caller
from shared.database.engine import is_row_fault
from shared.service.failpoints import Failpoints

LOOKUP_BATCH_NAMES: Final = 1000


class _Deletion(NamedTuple):
    queue: str
    only_held: bool


class SqsEndpoint:
    """Beside the lease queues, whose messages and connections it shares."""

    def __init__(self, lease_queues: LeaseQueues, engine: AsyncEngine, failpoints: Failpoints) -> None:
        self.lease_queues = lease_queues
        # For what looks after queues; what moves messages has the lease queues' own connections.
        self.engine = engine
        self.moves = MoveTasks(lease_queues, failpoints)
        self._lookups = Batcher(self._look_up, max_weight=LOOKUP_BATCH_NAMES, is_one_callers=is_row_fault)
        self._deletions = Batcher(self._delete, max_weight=ACKNOWLEDGE_BATCH_RECEIPTS, is_one_callers=is_row_fault)

    def open(self) -> None:
        self.moves.open()

    async def close(self) -> None:
        await self.moves.close()
        await self._lookups.close()
        await self._deletions.close()

    async def queue(self, name: str) -> SqsQueue:
        """As it stands now: another process may have changed or deleted it. Raises `QueueMissing`."""
        if not is_queue_name(name):
            raise QueueMissing
        (found,) = await self._lookups.submit("", [name], weight=1)
        if found is None:
            raise QueueMissing
        return found

    async def delete(self, queue: SqsQueue, receipts: Sequence[Receipt]) -> Sequence[bool]:
        """For each receipt, whether its message is gone, or need not be, as SQS says it of standard queues."""
        return await self._deletions.submit(_Deletion(queue.name, queue.is_fifo), receipts, weight=len(receipts))

    async def change_visibility(self, queue: SqsQueue, changes: Sequence[VisibilityChange]) -> Sequence[Outcome]:
        async with self.lease_queues.moving() as connection:
            outcomes = await lease_queries.change(connection, queue.name, changes)
        given_back = sum(
            change.seconds == 0 and outcome == "done" for change, outcome in zip(changes, outcomes, strict=True)
        )
        if given_back:
            MESSAGES.labels("given_back").inc(given_back)
            self.lease_queues.announce(queue.name)
        return outcomes

    async def _look_up(self, _: str, names: Sequence[str]) -> Sequence[SqsQueue | None]:
        async with self.lease_queues.moving() as connection:
            return await queue_records.find(connection, names)

    async def _delete(self, deletion: _Deletion, receipts: Sequence[Receipt]) -> Sequence[bool]:
        async with self.lease_queues.moving() as connection:
            outcomes = await lease_queries.delete(connection, deletion.queue, receipts, only_held=deletion.only_held)
            lost = [receipt for receipt, deleted in zip(receipts, outcomes, strict=True) if not deleted]
            refused = set[int]()
            if lost and deletion.only_held:
                refused = await lease_queries.still_there(connection, deletion.queue, lost)
        BATCH_ITEMS.labels("acknowledge").observe(len(receipts))
        MESSAGES.labels("acknowledged").inc(len(receipts) - len(lost))
        MESSAGES.labels("lease_lost").inc(len(lost))
        return [deleted or each.message_id not in refused for each, deleted in zip(receipts, outcomes, strict=True)]


class Call(NamedTuple):
    """One request, whatever protocol it came in."""

    endpoint: SqsEndpoint
    addresses: Addresses
    caller: Caller

    def name_in(self, url: str) -> str:
        """The queue's. Raises `QueueMissing`, and `SqsError` where the caller does not reach it."""
        return self.allowed(queue_of_url(url))

    def allowed(self, name: str) -> str:
        if not self.caller.reaches_queue(name):
            raise SqsError("AccessDenied", f"The key does not reach the queue: it lacks queues:{name}.", status=403)
        return name

    async def queue(self, url: str) -> SqsQueue:
        return await self.endpoint.queue(self.name_in(url))

    async def named(self, name: str) -> SqsQueue:
        """Raises `QueueMissing`, and `SqsError` where the caller does not reach it."""
        if not is_queue_name(name):
            raise QueueMissing
        return await self.endpoint.queue(self.allowed(name))
