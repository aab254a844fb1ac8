"""Works on one undo from its lease to its end: sends its ranges, a few at a time, and believes their ledger alone.

Replies only say that it is worth a look. A range that is sent twice does nothing the second time, so what is in doubt
is sent again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from producer_service.undos import undo_state
from producer_service.uploads import leases
from shared.amqp.connection import BrokerUnavailable
from shared.amqp.topology import BULK_REQUESTS_QUEUE
from shared.messages import UndoRequest, encode
from shared.service.telemetry import describe_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.ext.asyncio import AsyncEngine

    from producer_service.requester import Requester
    from producer_service.settings import ProducerSettings
    from producer_service.undos.undo_state import UndoRange
    from producer_service.uploads.leases import Lease
    from shared.messages import ChunkReply
    from shared.service.failpoints import Failpoints

log = structlog.get_logger(__name__)

RENEWALS_PER_LEASE = 3
BROKER_RETRY_SECONDS = 1
FINISH_RETRY_SECONDS = 1

# Blocks that are not summarized yet would be read again for every range.
_SUMMARIZE = text("SELECT brin_summarize_new_values('employees_upload_idx')")


@dataclass
class _SentRange:
    rows: UndoRange
    answer_seconds: float
    due: float = 0.0


class UndoRunner:
    """`run()` ends when the upload is undone. Raises `LeaseLost`, and errors that a fresh start may mend."""

    def __init__(
        self,
        engine: AsyncEngine,
        requester: Requester,
        places: Callable[[], int],
        settings: ProducerSettings,
        failpoints: Failpoints,
        lease: Lease,
    ) -> None:
        self._engine = engine
        self._requester = requester
        self._places = places
        self._settings = settings
        self._failpoints = failpoints
        self._lease = lease
        self._waiting: dict[int, _SentRange] = {}
        self._news = asyncio.Event()
        self._renewed_at = time.monotonic()
        self._log = log.bind(upload_id=str(lease.upload_id))

    async def run(self) -> None:
        self._requester.listen(self._lease.upload_id, self)
        try:
            await self._summarize()
            await self._take_back_all()
            self._failpoints.hit("producer.before_undone")
            await self._finish()
        finally:
            self._requester.forget(self._lease.upload_id)

    def on_reply(self, reply: ChunkReply) -> None:
        if reply.first_row in self._waiting:
            self._news.set()

    def on_replies_lost(self) -> None:
        self._news.set()

    def on_requests_lost(self) -> None:
        for sent in self._waiting.values():
            sent.due = 0
        self._news.set()

    async def _summarize(self) -> None:
        try:
            async with self._engine.begin() as connection:
                await connection.execute(_SUMMARIZE)
        except (SQLAlchemyError, OSError) as error:
            self._log.warning("index not summarized", **describe_error(error))

    async def _take_back_all(self) -> None:
        range_rows = self._settings.undo_range_rows
        ranges = undo_state.ranges_left(self._engine, self._lease.upload_id, range_rows=range_rows)
        async with contextlib.aclosing(ranges):
            is_exhausted = False
            while True:
                while not is_exhausted and len(self._waiting) < self._places():
                    rows = await anext(ranges, None)
                    if rows is None:
                        is_exhausted = True
                    else:
                        self._waiting[rows.first_row] = _SentRange(rows, self._settings.republish_seconds)
                if not self._waiting:
                    return
                await self._send_due()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), self._settings.progress_seconds)
                self._news.clear()
                await self._look()

    async def _send_due(self) -> None:
        now = time.monotonic()
        await asyncio.gather(*(self._send(sent) for sent in self._waiting.values() if sent.due <= now))

    async def _send(self, sent: _SentRange) -> None:
        """Tried again while the broker is away. A publish that failed may have arrived."""
        first_row, last_row = sent.rows
        body = encode(UndoRequest(upload_id=self._lease.upload_id, first_row=first_row, last_row=last_row))
        try:
            await self._requester.send(
                body, correlation_id=f"{self._lease.upload_id}:undo:{first_row}", queue=BULK_REQUESTS_QUEUE
            )
        except BrokerUnavailable as error:
            self._log.warning("range not sent", first_row=first_row, reason=str(error))
            sent.due = time.monotonic() + BROKER_RETRY_SECONDS
        else:
            sent.due = time.monotonic() + sent.answer_seconds
            sent.answer_seconds *= 2
            self._failpoints.hit("producer.range_published")

    async def _look(self) -> None:
        """What the ledger has is done. While the database is away nothing is lost: ranges go on, the fence guards."""
        upload_id, seconds = self._lease.upload_id, self._settings.lease_seconds
        try:
            async with self._engine.begin() as connection:
                await undo_state.require_undoing(connection, upload_id)
                if time.monotonic() - self._renewed_at >= seconds / RENEWALS_PER_LEASE:
                    await leases.renew(connection, self._lease, seconds=seconds)
                    self._renewed_at = time.monotonic()
                    await undo_state.write_progress(connection, self._lease)
                done = await undo_state.done_among(connection, upload_id, self._waiting)
        except (SQLAlchemyError, OSError) as error:
            self._log.warning("the database does not answer", **describe_error(error))
            await asyncio.sleep(self._settings.progress_seconds)
        else:
            for first_row in done:
                del self._waiting[first_row]

    async def _finish(self) -> None:
        while True:
            try:
                async with self._engine.begin() as connection:
                    await undo_state.finish(connection, self._lease)
            except (SQLAlchemyError, OSError) as error:
                self._log.warning("not undone yet", **describe_error(error))
                await asyncio.sleep(FINISH_RETRY_SECONDS)
            else:
                return
