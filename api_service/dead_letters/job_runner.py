"""Works on jobs until they are finished, whichever process took the order for them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

import structlog

from api_service.dead_letters.bulk_jobs import JobLease, JobLost, finish_job, lease_job, release_job
from api_service.dead_letters.deletion import Deletion
from api_service.dead_letters.redrive import Redrive
from api_service.dead_letters.stale_letters import turn_queue
from shared.amqp.connection import BrokerUnavailable
from shared.database.engine import DATABASE_ERRORS
from shared.service.telemetry import describe_error

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from api_service.dead_letters.bulk_jobs import Job
    from api_service.settings import ApiSettings
    from shared.amqp.publisher import Publisher
    from shared.service.failpoints import Failpoints

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 3
RETRY_SECONDS: Final = 3
LOCK_RETRY_SECONDS: Final = 1


class JobRunner:
    def __init__(
        self, engine: AsyncEngine, publisher: Publisher, settings: ApiSettings, failpoints: Failpoints
    ) -> None:
        self._engine = engine
        self._publisher = publisher
        self._settings = settings
        self._failpoints = failpoints
        self._ordered = asyncio.Event()

    def wake(self) -> None:
        """There is a new job: do not wait for the next look."""
        self._ordered.set()

    async def run(self) -> None:
        """For ever; what fails is tried again."""
        while True:
            try:
                if await self._work():
                    continue
            except DATABASE_ERRORS as error:
                log.warning("jobs put off: the database does not answer", **describe_error(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._ordered.wait()
            self._ordered.clear()

    async def _work(self) -> bool:
        """False when there is nothing to do."""
        async with self._engine.begin() as connection:
            job = await lease_job(connection, seconds=self._settings.job_lease_seconds)
        if job is None:
            return False
        job_log = log.bind(job_id=str(job.id), kind=job.kind)
        try:
            await self._run_to_end(job)
        except JobLost:
            job_log.warning("another process has the job now")
        except asyncio.CancelledError:
            await self._release(job, after_seconds=0)
            raise
        except (*DATABASE_ERRORS, BrokerUnavailable) as error:
            job_log.warning("job put off", retry_seconds=RETRY_SECONDS, **describe_error(error))
            await self._release(job, after_seconds=RETRY_SECONDS)
        except Exception as error:  # a fresh start a little later may mend it
            job_log.error("job failed", retry_seconds=RETRY_SECONDS, **describe_error(error))
            await self._release(job, after_seconds=RETRY_SECONDS)
        return True

    async def _run_to_end(self, job: Job) -> None:
        lease = JobLease(self._engine, job, seconds=self._settings.job_lease_seconds)
        work: Redrive | Deletion
        if job.kind == "redrive":
            work = Redrive(self._engine, self._publisher, lease, self._failpoints)
        else:
            work = Deletion(self._engine, lease, self._failpoints)
        await work.run()
        self._failpoints.hit("api.job_before_turn")
        if lease.done:
            await self._drop_letters(lease)
        async with self._engine.begin() as connection:
            state = await finish_job(connection, job)
        log.info("job finished", job_id=str(job.id), kind=job.kind, state=state)

    async def _drop_letters(self, lease: JobLease) -> None:
        async def still_mine() -> None:
            await lease.is_wanted()
            self._failpoints.hit("api.job_turning")

        while not await turn_queue(self._engine, self._publisher, self._settings, still_mine=still_mine):
            await asyncio.sleep(LOCK_RETRY_SECONDS)
            await lease.is_wanted()

    async def _release(self, job: Job, *, after_seconds: float) -> None:
        try:
            async with self._engine.begin() as connection:
                await release_job(connection, job, after_seconds=after_seconds)
        except DATABASE_ERRORS as error:
            log.warning("lease left to run out", job_id=str(job.id), **describe_error(error))
