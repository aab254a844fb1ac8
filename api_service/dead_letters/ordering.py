"""Takes orders for jobs, one at a time in the whole system."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from api_service.dead_letters.bulk_jobs import insert_job, unfinished_job
from api_service.dead_letters.queries import count_malformed, count_matching_rows, current_time
from api_service.http.problems import Problem, ProblemCode

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncEngine

    from api_service.dead_letters.bulk_jobs import Job, JobKind
    from api_service.dead_letters.queries import LetterFilter


def job_address(job_id: UUID) -> str:
    return f"/v1/dead-letters/jobs/{job_id}"


async def order_job(engine: AsyncEngine, kind: JobKind, matching: LetterFilter, *, most: int | None) -> Job:
    """The new job, which takes what matches at this moment. Raises `dead_letters_busy`."""
    async with engine.begin() as connection:
        if (running := await unfinished_job(connection)) is not None:
            _refuse(running)
        now = await current_time(connection)
        matched = await count_matching_rows(connection, matching, until=now)
        if kind == "delete" and matching.takes_malformed:
            matched += await count_malformed(connection, matching, until=now)
        job = await insert_job(connection, kind, matching, most=most, matched=matched, created_at=now)
        if job is None:
            _refuse(await unfinished_job(connection))
    return job


def _refuse(running: Job | None) -> NoReturn:
    if running is None:
        raise Problem(ProblemCode.DEAD_LETTERS_BUSY, "It has ended by now: try again.")
    address = job_address(running.id)
    raise Problem(
        ProblemCode.DEAD_LETTERS_BUSY,
        f"It is done with {running.done} of {running.total} and {running.state}. Watch it at {address}, or stop it by "
        f"DELETE {address}.",
        headers={"Location": address},
    )
