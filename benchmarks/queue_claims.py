"""How long one claim takes, by what waits behind it: the same work on a short and on a long queue, in turns."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from api_service.lease_queues import message_queries, send_queries
from api_service.lease_queues.lease_queues import PLANNER_SETTINGS
from api_service.lease_queues.message_queries import ClaimStart
from api_service.lease_queues.messages import NewMessage, ReceiveOrder
from benchmarks import queue_contents
from benchmarks.queue_load import PAYLOAD_TEXT
from benchmarks.result import Result, summarise

ROUNDS = 500
WARM_UP_ROUNDS = 20


async def measure_claims(url: str, batches: Sequence[int], waiting: Sequence[int]) -> list[Result]:
    """On one connection and with nobody else there; the send before and the acknowledgement after are not in it."""
    engine = create_async_engine(
        url.replace("postgresql://", "postgresql+asyncpg://", 1),
        isolation_level="AUTOCOMMIT",
        connect_args={"server_settings": PLANNER_SETTINGS},
    )
    results = []
    async with engine.connect() as connection:
        for batch in batches:
            await queue_contents.empty(url)
            queues = [_Queue(connection, batch, count) for count in waiting]
            for queue in queues:
                await queue_contents.fill(url, queue.name, queue.waiting, PAYLOAD_TEXT)
            for number in range(-WARM_UP_ROUNDS, ROUNDS):
                for queue in queues:
                    seconds = await queue.pass_messages()
                    if number >= 0:
                        queue.latencies.append(seconds)
            results += [queue.result() for queue in queues]
    await engine.dispose()
    return results


class _Queue:
    def __init__(self, connection: AsyncConnection, batch: int, waiting: int) -> None:
        self.name = f"claims-{waiting}"
        self.waiting = waiting
        self.latencies: list[float] = []
        self._connection = connection
        self._batch = batch
        self._start = ClaimStart()

    async def pass_messages(self) -> float:
        """Send as many as are claimed and acknowledged; the seconds that the claim took."""
        await send_queries.send(
            self._connection, self.name, [NewMessage(PAYLOAD_TEXT.encode(), len(PAYLOAD_TEXT))] * self._batch
        )
        begin = time.perf_counter()
        claim = await message_queries.claim(
            self._connection, self.name, [ReceiveOrder("bench", self._batch)], self._start
        )
        seconds = time.perf_counter() - begin
        self._start = claim.next_start
        assert claim.total == self._batch, claim
        await message_queries.acknowledge(
            self._connection, self.name, [message.receipt for message in claim.messages[0]]
        )
        return seconds

    def result(self) -> Result:
        done = self._batch * len(self.latencies)
        return summarise("claim", "claim", self._batch, 1, self.waiting, done, sum(self.latencies), self.latencies)
