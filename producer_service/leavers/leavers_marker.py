"""Has those marked as left whom an upload's file lacks, once all its rows are in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import SQLAlchemyError

from producer_service.leavers import leavers_state
from producer_service.sent_ranges import RangeSender
from shared.errors import RollcallError
from shared.messages import LeaversRequest
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

WINDOW_RANGES = 4
RETRY_SECONDS = 1


class _Cancelled(RollcallError):
    """Somebody cancelled the upload: who is not marked yet stays."""


class LeaversMarker:
    """Nothing here keeps the lease: who runs it does. `is_cancelled` is asked between ranges."""

    def __init__(
        self,
        engine: AsyncEngine,
        requester: Requester,
        settings: ProducerSettings,
        failpoints: Failpoints,
        lease: Lease,
        is_cancelled: Callable[[], bool],
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._failpoints = failpoints
        self._lease = lease
        self._is_cancelled = is_cancelled
        self.sender = RangeSender(
            requester,
            settings,
            lambda: WINDOW_RANGES,
            self._request_of,
            correlation=f"{lease.upload_id}:leavers",
            on_sent=lambda: failpoints.hit("producer.leavers_published"),
        )

    async def run(self, *, rows_read: int) -> None:
        """Raises `LeaseLost`."""
        if not await self._decide(rows_read):
            return
        self._failpoints.hit("producer.leavers_decided")
        ranges = leavers_state.ranges_left(self._engine, self._lease.upload_id)
        try:
            await self.sender.send_all(ranges, self._done_among)
        except _Cancelled:
            log.info("cancelled: no more leavers are marked", upload_id=str(self._lease.upload_id))

    async def _decide(self, rows_read: int) -> bool:
        range_rows = self._settings.undo_range_rows
        while True:
            try:
                async with self._engine.begin() as connection:
                    return await leavers_state.decide(
                        connection, self._lease, rows_read=rows_read, range_rows=range_rows
                    )
            except (SQLAlchemyError, OSError) as error:
                log.warning("leavers not decided yet", upload_id=str(self._lease.upload_id), **describe_error(error))
                await asyncio.sleep(RETRY_SECONDS)

    def _request_of(self, numbers: SentRange) -> LeaversRequest:
        return LeaversRequest(upload_id=self._lease.upload_id, first_number=numbers.first, last_number=numbers.last)

    async def _done_among(self, first_numbers: Collection[int]) -> Collection[int]:
        if self._is_cancelled():
            raise _Cancelled
        try:
            async with self._engine.connect() as connection:
                return await leavers_state.done_among(connection, self._lease.upload_id, first_numbers)
        except (SQLAlchemyError, OSError) as error:
            # Ranges go on, and the ledger tells later.
            log.warning("the database does not answer", **describe_error(error))
            await asyncio.sleep(self._settings.progress_seconds)
            return ()
