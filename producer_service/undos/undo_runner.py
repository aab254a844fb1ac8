"""Works on one undo from its lease to its end: has its ranges taken back, and believes their ledger alone."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from producer_service.sent_ranges import RangeSender
from producer_service.undos import undo_state
from producer_service.uploads import leases
from shared.messages import NAMING_VERSION, UNDO_VERSION, UndoRequest
from shared.service.telemetry import describe_error

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from sqlalchemy.ext.asyncio import AsyncEngine

    from producer_service.requester import Requester
    from producer_service.sent_ranges import SentRange
    from producer_service.settings import ProducerSettings
    from producer_service.uploads.leases import Lease
    from shared.service.failpoints import Failpoints

log = structlog.get_logger(__name__)

RENEWALS_PER_LEASE = 3
FINISH_RETRY_SECONDS = 1

# Blocks that are not summarized yet would be read again for every range, and employees that are put back fill new ones.
# Only the table's owner may have it done.
SUMMARIZED_ROWS = 20_000
_SUMMARIZE = text("SELECT summarize_employees_by_upload()")
# Autovacuum has the lock that this needs, and gives up if somebody waits for it a second. There is a next time.
_GIVE_WAY = text("SET LOCAL lock_timeout = '200ms'")


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
        self._settings = settings
        self._failpoints = failpoints
        self._lease = lease
        self._sender = RangeSender(
            requester,
            settings,
            places,
            self._request_of,
            correlation=f"{lease.upload_id}:undo",
            on_sent=lambda: failpoints.hit("producer.range_published"),
        )
        self._renewed_at = time.monotonic()
        self._rows_sent = 0
        self._log = log.bind(upload_id=str(lease.upload_id))

    async def run(self) -> None:
        self._requester.listen(self._lease.upload_id, self._sender)
        try:
            await self._summarize()
            ranges = undo_state.ranges_left(
                self._engine, self._lease.upload_id, range_rows=self._settings.undo_range_rows
            )
            await self._sender.send_all(ranges, self._done_among)
            self._failpoints.hit("producer.before_undone")
            await self._finish()
        finally:
            self._requester.forget(self._lease.upload_id)

    async def _summarize(self) -> None:
        try:
            async with self._engine.begin() as connection:
                await connection.execute(_GIVE_WAY)
                await connection.execute(_SUMMARIZE)
        except (SQLAlchemyError, OSError) as error:
            self._log.info("index not summarized", **describe_error(error))

    def _request_of(self, rows: SentRange) -> UndoRequest:
        self._rows_sent += rows.last - rows.first + 1
        # Of leavers older consumers know nothing.
        version = NAMING_VERSION if rows.first < 0 else UNDO_VERSION
        return UndoRequest(version=version, upload_id=self._lease.upload_id, first_row=rows.first, last_row=rows.last)

    async def _done_among(self, first_rows: Collection[int]) -> Collection[int]:
        """What the ledger has is done. While the database is away nothing is lost: ranges go on, the fence guards."""
        upload_id, seconds = self._lease.upload_id, self._settings.lease_seconds
        if self._rows_sent >= SUMMARIZED_ROWS:
            self._rows_sent = 0
            await self._summarize()
        try:
            async with self._engine.begin() as connection:
                await undo_state.require_undoing(connection, upload_id)
                if time.monotonic() - self._renewed_at >= seconds / RENEWALS_PER_LEASE:
                    self._renewed_at = time.monotonic()
                    await undo_state.write_progress(connection, self._lease)
                    await leases.renew(connection, self._lease, seconds=seconds)
                return await undo_state.done_among(connection, upload_id, first_rows)
        except (SQLAlchemyError, OSError) as error:
            self._log.warning("the database does not answer", **describe_error(error))
            await asyncio.sleep(self._settings.progress_seconds)
            return ()

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
