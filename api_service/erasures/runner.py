"""Brings erasures to their end, whichever process took the order for them.

What a step found is on record with its effect, and each step does no harm when it is done again. So whoever goes on
after a crash begins with the first step that is not on record.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import structlog

from api_service.erasures.statements import Erasure, ErasureLost, MustWait, lease_erasure, renew_lease
from api_service.erasures.work import ErasureWork
from shared.amqp.connection import BrokerUnavailable
from shared.database.engine import DATABASE_ERRORS
from shared.database.suppressions import ErasureKeyWrong
from shared.service.telemetry import describe_error
from shared.upload_store import StoreFull, StoreUnavailable

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from api_service.erasures.later_files import LaterFiles
    from api_service.settings import ApiSettings

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 3
RETRY_SECONDS: Final = 3
WAIT_SECONDS: Final = 1

WorkOn = Callable[[Erasure], ErasureWork]


class ErasureRunner:
    def __init__(self, engine: AsyncEngine, settings: ApiSettings, work_on: WorkOn, later_files: LaterFiles) -> None:
        self._engine = engine
        self._later_files = later_files
        self._settings = settings
        self._work_on = work_on
        self._ordered = asyncio.Event()

    def wake(self) -> None:
        """There is a new erasure: do not wait for the next look."""
        self._ordered.set()

    async def run(self) -> None:
        """For ever; what fails is tried again."""
        while True:
            try:
                if await self._work() or await self._later_files.rewrite_next():
                    continue
            except (*DATABASE_ERRORS, StoreUnavailable, StoreFull, ErasureKeyWrong) as error:
                log.warning("erasures put off", **describe_error(error))
            except Exception as error:  # a fresh start a little later may mend it
                log.error("erasures failed", **describe_error(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._ordered.wait()
            self._ordered.clear()

    async def _work(self) -> bool:
        """False when there is nothing to do."""
        async with self._engine.begin() as connection:
            erasure = await lease_erasure(connection, seconds=self._settings.job_lease_seconds)
        if erasure is None:
            return False
        work = self._work_on(erasure)
        named = {"erasure_id": str(erasure.id)}
        try:
            await work.run()
        except ErasureLost:
            log.warning("another process has the erasure now", **named)
        except MustWait as wait:
            await self._note_waiting(work, erasure, wait)
        except asyncio.CancelledError:
            await self._release(erasure, after_seconds=0)
            raise
        except (*DATABASE_ERRORS, BrokerUnavailable, StoreUnavailable, StoreFull) as error:
            log.warning("erasure put off", retry_seconds=RETRY_SECONDS, **named, **describe_error(error))
            await self._release(erasure, after_seconds=RETRY_SECONDS)
        except Exception as error:  # a fresh start a little later may mend it
            log.error("erasure failed", retry_seconds=RETRY_SECONDS, **named, **describe_error(error))
            await self._release(erasure, after_seconds=RETRY_SECONDS)
        return True

    async def _note_waiting(self, work: ErasureWork, erasure: Erasure, wait: MustWait) -> None:
        with contextlib.suppress(ErasureLost, *DATABASE_ERRORS):
            await work.note_waiting(wait.reasons)
        await self._release(erasure, after_seconds=WAIT_SECONDS)

    async def _release(self, erasure: Erasure, *, after_seconds: float) -> None:
        try:
            async with self._engine.begin() as connection:
                await renew_lease(connection, erasure, seconds=after_seconds)
        except ErasureLost:
            pass
        except DATABASE_ERRORS as error:
            log.warning("lease left to run out", erasure_id=str(erasure.id), **describe_error(error))
