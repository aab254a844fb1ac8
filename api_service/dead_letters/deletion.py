"""Discards dead letters, so many in a transaction with their count; they stay in their upload's report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from api_service.dead_letters.queries import LetterKey, discard_malformed, discard_rows, outstanding_rows

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from api_service.dead_letters.bulk_jobs import JobLease
    from shared.service.failpoints import Failpoints

STEP_LETTERS: Final = 2000


class Deletion:
    """One job, from where it stands."""

    def __init__(self, engine: AsyncEngine, lease: JobLease, failpoints: Failpoints) -> None:
        self._engine = engine
        self._lease = lease
        self._failpoints = failpoints
        self._after = msgspec.convert(lease.job.resume_point, LetterKey | None)

    async def run(self) -> None:
        """Returns when all are discarded, or the job is to end."""
        if not await self._lease.is_wanted():
            return
        while (discarded := await self._discard_rows()) is not None:
            if not discarded:
                return
        if self._lease.job.matching.takes_malformed:
            while await self._discard_malformed():
                pass

    async def _discard_rows(self) -> bool | None:
        """None when there are no more, False when the job is to end."""
        job = self._lease.job
        async with self._engine.begin() as connection:
            rows = await outstanding_rows(
                connection, job.matching, after=self._after, until=job.created_at, limit=STEP_LETTERS
            )
            if not rows:
                return None
            discarded = await discard_rows(connection, rows)
            wanted = await self._lease.step(connection, done=discarded, resume_point=rows[-1].key)
        self._after = rows[-1].key
        self._failpoints.hit("api.deletion_step")
        return wanted

    async def _discard_malformed(self) -> bool:
        """False when there are no more, or the job is to end."""
        job = self._lease.job
        async with self._engine.begin() as connection:
            discarded = await discard_malformed(connection, job.matching, until=job.created_at, limit=STEP_LETTERS)
            return discarded > 0 and await self._lease.step(connection, done=discarded, resume_point=self._after)
