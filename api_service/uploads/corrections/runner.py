"""Brings corrections to their end, whichever process took them: sends their rows, a window at a time, and waits.

The rows in the table are the truth: one that has no outcome waits. So whoever goes on after a crash sends what waits,
and to send a row twice does no harm, because a consumer gives it one outcome.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import structlog
from sqlalchemy import Row

from api_service.uploads.corrections import statements
from api_service.uploads.corrections.statements import Correction, CorrectionState
from shared.amqp.connection import BrokerUnavailable
from shared.amqp.publisher import persistent_message
from shared.amqp.topology import BULK_REQUESTS_QUEUE, REQUESTS_EXCHANGE
from shared.database.engine import DATABASE_ERRORS
from shared.messages import CorrectionRequest, encode
from shared.service.backoff import Backoff
from shared.service.telemetry import describe_error

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from api_service.settings import ApiSettings
    from shared.amqp.publisher import Publisher
    from shared.service.failpoints import Failpoints

log = structlog.get_logger(__name__)

# So many rows are in the queue at a time, as of a redrive.
WINDOW_ROWS: Final = 1000
WINDOW_BYTES: Final = 8 * 1024 * 1024
REQUEST_ROWS: Final = 100
REQUEST_BYTES: Final = 1024 * 1024
# Corrections of up to so many rows never wait for larger ones.
SMALL_ROWS: Final = 100
LOOK_SECONDS: Final = (0.02, 0.05, 0.1, 0.2, 0.5)
RESEND_SECONDS: Final = 10
IDLE_SECONDS: Final = 3
RETRY_SECONDS: Final = 3
RENEWALS_PER_LEASE: Final = 3
# People correct one row after the other, and the queue is turned once for many of them.
LETTERS_PAUSE_SECONDS: Final = 5

DropLetters = Callable[[], Awaitable[bool | None]]


class _Stopped(Exception):
    """Somebody stopped the correction, or another process has it."""


class CorrectionRunner:
    def __init__(
        self,
        engine: AsyncEngine,
        publisher: Publisher,
        settings: ApiSettings,
        failpoints: Failpoints,
        drop_letters: DropLetters,
    ) -> None:
        """`drop_letters` takes letters whose rows have moved on out of their queue; False if it could not yet."""
        self._engine = engine
        self._publisher = publisher
        self._settings = settings
        self._failpoints = failpoints
        self._drop_letters = drop_letters
        self._ordered = asyncio.Condition()
        self._letters_moved = asyncio.Event()

    async def wake(self) -> None:
        """There is a new correction: do not wait for the next look."""
        async with self._ordered:
            self._ordered.notify_all()

    def letters_moved(self) -> None:
        """Rows have moved on, so their letters are to go."""
        self._letters_moved.set()

    async def run(self) -> None:
        """For ever; what fails is tried again."""
        async with asyncio.TaskGroup() as lanes:
            lanes.create_task(self._work_for_ever(most_rows=None))
            lanes.create_task(self._work_for_ever(most_rows=SMALL_ROWS))
            lanes.create_task(self._drop_letters_for_ever())

    async def _work_for_ever(self, *, most_rows: int | None) -> None:
        while True:
            try:
                if await self._work(most_rows):
                    continue
            except DATABASE_ERRORS as error:
                log.warning("corrections put off: the database does not answer", **describe_error(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(IDLE_SECONDS), self._ordered:
                    await self._ordered.wait()

    async def _work(self, most_rows: int | None) -> bool:
        """False when there is nothing to do."""
        async with self._engine.begin() as connection:
            correction = await statements.lease_correction(
                connection, most_rows=most_rows, seconds=self._settings.job_lease_seconds
            )
        if correction is None:
            return False
        named = {"correction_id": str(correction.id), "upload_id": str(correction.upload_id)}
        try:
            await _Work(self._engine, self._publisher, self._settings, self._failpoints, correction).run()
        except _Stopped:
            log.warning("another process has the correction now", **named)
        except asyncio.CancelledError:
            await self._release(correction, after_seconds=0)
            raise
        except (*DATABASE_ERRORS, BrokerUnavailable) as error:
            log.warning("correction put off", retry_seconds=RETRY_SECONDS, **named, **describe_error(error))
            await self._release(correction, after_seconds=RETRY_SECONDS)
        except Exception as error:  # a fresh start a little later may mend it
            log.error("correction failed", retry_seconds=RETRY_SECONDS, **named, **describe_error(error))
            await self._release(correction, after_seconds=RETRY_SECONDS)
        self.letters_moved()
        return True

    async def _release(self, correction: Correction, *, after_seconds: float) -> None:
        try:
            async with self._engine.begin() as connection:
                await statements.renew_lease(connection, correction, seconds=after_seconds)
        except DATABASE_ERRORS as error:
            log.warning("lease left to run out", correction_id=str(correction.id), **describe_error(error))

    async def _drop_letters_for_ever(self) -> None:
        while True:
            await self._letters_moved.wait()
            await asyncio.sleep(LETTERS_PAUSE_SECONDS)
            self._letters_moved.clear()
            try:
                # Whoever has the queue in hand may have passed these letters before their rows moved on.
                if await self._drop_letters() is False:
                    self._letters_moved.set()
            except (*DATABASE_ERRORS, BrokerUnavailable) as error:
                log.warning("letters of corrected rows stay for now", **describe_error(error))
                self._letters_moved.set()


class _Work:
    """On one correction, from where it stands."""

    def __init__(
        self,
        engine: AsyncEngine,
        publisher: Publisher,
        settings: ApiSettings,
        failpoints: Failpoints,
        correction: Correction,
    ) -> None:
        self._engine = engine
        self._publisher = publisher
        self._failpoints = failpoints
        self._correction = correction
        self._lease_seconds = settings.job_lease_seconds
        self._renewed_at = time.monotonic()

    async def run(self) -> None:
        """Returns when no row waits any more. Raises `_Stopped` if another process has it."""
        after = 0
        while (await self._renew() != "cancelling") and (window := await self._choose_window(after)):
            await self._settle(window)
            after = window[-1].row_number
        while await self._renew() == "cancelling" and await self._cancel_step():
            pass
        async with self._engine.begin() as connection:
            await statements.finish_correction(connection, self._correction.id)
        log.info("correction finished", correction_id=str(self._correction.id))

    async def _choose_window(self, after: int) -> Sequence[Row[Any]]:
        async with self._engine.connect() as connection:
            rows = await statements.waiting_rows(connection, self._correction.id, after=after, limit=WINDOW_ROWS)
        return next(statements.cut(rows, most_rows=WINDOW_ROWS, most_bytes=WINDOW_BYTES), [])

    async def _settle(self, window: Sequence[Row[Any]]) -> None:
        """Send these rows until each has its outcome, or the correction is to end."""
        looks, resend_seconds = Backoff(LOOK_SECONDS), RESEND_SECONDS
        sent_at: float | None = None
        waiting = list(window)
        while waiting:
            if sent_at is None or time.monotonic() - sent_at >= resend_seconds:
                resend_seconds *= 1 if sent_at is None else 2
                await self._send(waiting)
                sent_at = time.monotonic()
                self._failpoints.hit("api.correction_window_sent")
            await asyncio.sleep(looks.next_seconds())
            async with self._engine.connect() as connection:
                numbers = [row.row_number for row in waiting]
                standing = set(await statements.still_waiting(connection, self._correction.id, numbers))
            if len(standing) < len(waiting):
                sent_at = time.monotonic()
                waiting = [row for row in waiting if row.row_number in standing]
            is_time = time.monotonic() - self._renewed_at >= self._lease_seconds / RENEWALS_PER_LEASE
            if is_time and await self._renew() == "cancelling":
                return
        self._failpoints.hit("api.correction_window_done")

    async def _send(self, rows: Sequence[Row[Any]]) -> None:
        for part in statements.cut(rows, most_rows=REQUEST_ROWS, most_bytes=REQUEST_BYTES):
            async with self._engine.connect() as connection:
                cells = await statements.cells_of(connection, self._correction.id, [row.row_number for row in part])
            if cells:
                request = correction_request(self._correction, cells)
                await self._publisher.publish_all(REQUESTS_EXCHANGE, BULK_REQUESTS_QUEUE, [persistent_message(request)])

    async def _cancel_step(self) -> bool:
        async with self._engine.begin() as connection:
            return await statements.cancel_rows(connection, self._correction.id)

    async def _renew(self) -> CorrectionState:
        async with self._engine.begin() as connection:
            state = await statements.renew_lease(connection, self._correction, seconds=self._lease_seconds)
        if state is None:
            raise _Stopped
        self._renewed_at = time.monotonic()
        return state


def correction_request(correction: Correction, rows: list[tuple[int, int, list[str]]]) -> bytes:
    """Rows with their attempts and cells, as a message."""
    return encode(CorrectionRequest(upload_id=correction.upload_id, correction_id=correction.id, rows=rows))
