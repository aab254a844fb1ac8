"""Puts rejected rows back on a request queue, a batch at a time, and waits until each has moved on.

A row has moved on once it does not stand at its attempt any more: it is in, or dead again with a new letter in the
outbox, or deleted. Until then its letter stays in the queue of dead letters, so nothing is lost with a request
(docs/decisions/0016).
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from api_service.dead_letters.queries import LetterKey, OutstandingRow, outstanding_among, outstanding_rows
from shared.amqp.publisher import persistent_message
from shared.amqp.topology import BULK_REQUESTS_QUEUE, REQUESTS_EXCHANGE
from shared.messages import RedriveRequest, encode
from shared.service.backoff import Backoff

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncEngine

    from api_service.dead_letters.bulk_jobs import JobLease
    from shared.amqp.publisher import Publisher
    from shared.service.failpoints import Failpoints

log = structlog.get_logger(__name__)

# The window of bulk work: so many rows are in the queue at a time.
BATCH_ROWS: Final = 1000
# A consumer works on so many while a chunk waits; each may be of another chunk, and so a transaction of its own.
REQUEST_ROWS: Final = 100
LOOK_SECONDS: Final = (0.02, 0.05, 0.1, 0.2, 0.5)
RESEND_SECONDS: Final = 10


class RedrivePoint(msgspec.Struct, frozen=True):
    """All rows up to `after` have moved on; of those up to `batch_end`, `batch_rows`, nobody knows yet."""

    after: LetterKey | None = None
    batch_end: LetterKey | None = None
    batch_rows: int = 0


class Redrive:
    """One job, from where it stands."""

    def __init__(self, engine: AsyncEngine, publisher: Publisher, lease: JobLease, failpoints: Failpoints) -> None:
        self._engine = engine
        self._publisher = publisher
        self._lease = lease
        self._failpoints = failpoints
        self._point = msgspec.convert(lease.job.resume_point or {}, RedrivePoint)

    async def run(self) -> None:
        """Returns when all rows have moved on, or the job is to end. To do any part of it again is harmless."""
        wanted = await self._lease.is_wanted()
        while wanted or self._point.batch_rows:
            if not self._point.batch_rows and not await self._choose_batch():
                return
            wanted = await self._finish_batch()

    async def _choose_batch(self) -> bool:
        """Writes down what is sent next, before it is sent: whoever goes on then waits for the same rows."""
        job = self._lease.job
        most = BATCH_ROWS if job.most is None else min(BATCH_ROWS, job.most - self._lease.done)
        if most <= 0:
            return False
        async with self._engine.begin() as connection:
            rows = await outstanding_rows(
                connection, job.matching, after=self._point.after, until=job.created_at, limit=most
            )
            if not rows:
                return False
            point = RedrivePoint(self._point.after, rows[-1].key, len(rows))
            await self._lease.step(connection, done=0, resume_point=point)
        self._point = point
        self._failpoints.hit("api.redrive_batch_chosen")
        return True

    async def _finish_batch(self) -> bool:
        """False when the job is to end."""
        job, point = self._lease.job, self._point
        async with self._engine.connect() as connection:
            rows = await outstanding_rows(
                connection,
                job.matching,
                after=point.after,
                up_to=point.batch_end,
                until=job.created_at,
                limit=point.batch_rows,
            )
        left = await self._move_on(rows)
        done = point.batch_rows - left
        self._failpoints.hit("api.redrive_batch_done")
        async with self._engine.begin() as connection:
            after = RedrivePoint(point.batch_end)
            wanted = await self._lease.step(connection, done=done, resume_point=after)
        self._point = after
        return wanted

    async def _move_on(self, rows: Sequence[OutstandingRow]) -> int:
        """Send these rows until all have moved on. Returns how many had not when the job was to end."""
        looks, resend_seconds = Backoff(LOOK_SECONDS), RESEND_SECONDS
        sent_at: float | None = None
        while rows:
            if not await self._lease.is_wanted():
                # What has moved on since the last look counts, too.
                return len(await self._standing_among(rows))
            if sent_at is None or time.monotonic() - sent_at >= resend_seconds:
                resend_seconds *= 1 if sent_at is None else 2
                await self._send(rows)
                sent_at = time.monotonic()
                self._failpoints.hit("api.redrive_batch_sent")
            await asyncio.sleep(looks.next_seconds())
            standing = await self._standing_among(rows)
            if len(standing) < len(rows):
                sent_at = time.monotonic()
            rows = standing
        return 0

    async def _standing_among(self, rows: Sequence[OutstandingRow]) -> Sequence[OutstandingRow]:
        async with self._engine.connect() as connection:
            standing, _ = await outstanding_among(connection, [row.letter for row in rows])
        return standing

    async def _send(self, rows: Sequence[OutstandingRow]) -> None:
        by_upload: dict[UUID, list[tuple[int, int]]] = defaultdict(list)
        for row in rows:
            by_upload[row.key.upload_id].append((row.key.row_number, row.attempt))
        requests = [
            RedriveRequest(upload_id=upload_id, rows=pairs[start : start + REQUEST_ROWS])
            for upload_id, pairs in by_upload.items()
            for start in range(0, len(pairs), REQUEST_ROWS)
        ]
        await self._publisher.publish_all(
            REQUESTS_EXCHANGE, BULK_REQUESTS_QUEUE, [persistent_message(encode(request)) for request in requests]
        )
