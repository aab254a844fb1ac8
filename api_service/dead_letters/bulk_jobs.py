"""Jobs on many dead letters: each is a row in `bulk_jobs`, and a lease with a fencing number says who works on it.

A step of a job and its count commit in one transaction, which proves the fencing number. So each letter counts once,
whichever process dies or sleeps past its lease.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import Row, text

from api_service.dead_letters.queries import LetterFilter
from shared.dead_letters.identity import letter_id, letter_named
from shared.errors import RollcallError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from shared.dead_letters.identity import Letter

JobKind = Literal["redrive", "delete"]
JobState = Literal["queued", "running", "cancelling", "cancelled", "succeeded"]

RENEWALS_PER_LEASE: Final = 3

_COLUMNS: Final = """
    id, kind, state, upload_id, code, dead_from, dead_before, letter_ids, most, total, left_over, done,
    CAST(resume_point AS text) AS resume_point, created_at, finished_at, fence
"""

_INSERT = text(f"""
    INSERT INTO bulk_jobs
        (kind, upload_id, code, dead_from, dead_before, letter_ids, most, total, left_over, created_at)
    VALUES
        (:kind, :upload_id, :code, :dead_from, :dead_before, :letter_ids, :most, :total, :left_over, :created_at)
    ON CONFLICT DO NOTHING RETURNING {_COLUMNS}
""")  # noqa: S608 - the columns are a constant of this module

_UNFINISHED = text(f"SELECT {_COLUMNS} FROM bulk_jobs WHERE finished_at IS NULL")  # noqa: S608 - the columns are a constant of this module

_FIND = text(f"SELECT {_COLUMNS} FROM bulk_jobs WHERE id = :id")  # noqa: S608 - the columns are a constant of this module

_CANCEL = text("UPDATE bulk_jobs SET state = 'cancelling' WHERE id = :id AND finished_at IS NULL")

_LEASE = text(f"""
    UPDATE bulk_jobs
    SET fence = fence + 1, expires_at = now() + make_interval(secs => :seconds),
        state = CASE WHEN state = 'queued' THEN 'running' ELSE state END
    WHERE finished_at IS NULL AND expires_at <= now()
    RETURNING {_COLUMNS}
""")  # noqa: S608 - the columns are a constant of this module

_RENEW = text("""
    UPDATE bulk_jobs SET expires_at = now() + make_interval(secs => :seconds)
    WHERE id = :id AND fence = :fence RETURNING state
""")

_STATE = text("SELECT state FROM bulk_jobs WHERE id = :id AND fence = :fence")

_STEP = text("""
    UPDATE bulk_jobs
    SET done = done + :done, resume_point = CAST(:resume_point AS jsonb),
        expires_at = now() + make_interval(secs => :seconds)
    WHERE id = :id AND fence = :fence RETURNING state
""")

_FINISH = text("""
    UPDATE bulk_jobs
    SET state = CASE WHEN state = 'cancelling' THEN 'cancelled' ELSE 'succeeded' END, finished_at = now()
    WHERE id = :id AND fence = :fence RETURNING state
""")

_RELEASE = text("""
    UPDATE bulk_jobs SET expires_at = now() + make_interval(secs => :seconds)
    WHERE id = :id AND fence = :fence AND finished_at IS NULL
""")


class JobLost(RollcallError):
    """Another process has the job now: stop without another write."""


class Job(NamedTuple):
    """Takes the letters that match and died up to `created_at`: `total` of them, of which it is done with `done`."""

    id: UUID
    kind: JobKind
    state: JobState
    matching: LetterFilter
    most: int | None
    total: int
    left_over: int
    done: int
    resume_point: Any
    created_at: datetime
    finished_at: datetime | None
    fence: int


async def insert_job(
    connection: AsyncConnection,
    kind: JobKind,
    matching: LetterFilter,
    *,
    most: int | None,
    matched: int,
    created_at: datetime,
) -> Job | None:
    """None when another one is not finished."""
    total = matched if most is None else min(matched, most)
    parameters = {
        "kind": kind,
        "upload_id": matching.upload_id,
        "code": matching.code,
        "dead_from": matching.dead_from,
        "dead_before": matching.dead_before,
        "letter_ids": None if matching.letters is None else [letter_id(each) for each in matching.letters],
        "most": most,
        "total": total,
        "left_over": matched - total,
        "created_at": created_at,
    }
    return _job((await connection.execute(_INSERT, parameters)).one_or_none())


async def unfinished_job(connection: AsyncConnection) -> Job | None:
    return _job((await connection.execute(_UNFINISHED)).one_or_none())


async def find_job(connection: AsyncConnection, job_id: UUID) -> Job | None:
    return _job((await connection.execute(_FIND, {"id": job_id})).one_or_none())


async def cancel_job(connection: AsyncConnection, job_id: UUID) -> bool:
    """Whether it was there and unfinished. It ends after the step that is under way."""
    return bool((await connection.execute(_CANCEL, {"id": job_id})).rowcount)


async def lease_job(connection: AsyncConnection, *, seconds: float) -> Job | None:
    """The unfinished one, if nobody works on it."""
    return _job((await connection.execute(_LEASE, {"seconds": seconds})).one_or_none())


async def release_job(connection: AsyncConnection, job: Job, *, after_seconds: float) -> None:
    """Any process can have it `after_seconds` from now."""
    await connection.execute(_RELEASE, {"id": job.id, "fence": job.fence, "seconds": after_seconds})


async def finish_job(connection: AsyncConnection, job: Job) -> JobState:
    """Raises `JobLost`."""
    return _state(await connection.execute(_FINISH, {"id": job.id, "fence": job.fence}))


class JobLease:
    """What the holder of a job says and asks while at work. Each method raises `JobLost` once another has the job."""

    def __init__(self, engine: AsyncEngine, job: Job, *, seconds: float) -> None:
        self.job = job
        self.done = job.done
        self._engine = engine
        self._fenced = {"id": job.id, "fence": job.fence, "seconds": seconds}
        self._renewal_seconds = seconds / RENEWALS_PER_LEASE
        self._renewed_at = time.monotonic()

    async def step(self, connection: AsyncConnection, *, done: int, resume_point: object) -> bool:
        """Count so many letters in the caller's transaction. False when the job is to end."""
        parameters = self._fenced | {"done": done, "resume_point": msgspec.json.encode(resume_point).decode()}
        state = _state(await connection.execute(_STEP, parameters))
        self._renewed_at = time.monotonic()
        self.done += done
        return state != "cancelling"

    async def is_wanted(self) -> bool:
        """Renews the lease when it is time. False when the job is to end."""
        is_time = time.monotonic() - self._renewed_at >= self._renewal_seconds
        async with self._engine.begin() as connection:
            state = _state(await connection.execute(_RENEW if is_time else _STATE, self._fenced))
        if is_time:
            self._renewed_at = time.monotonic()
        return state != "cancelling"


def _state(answered: Any) -> JobState:
    state: JobState | None = answered.scalar_one_or_none()
    if state is None:
        raise JobLost
    return state


def _letters(ids: Sequence[str] | None) -> Sequence[Letter] | None:
    return None if ids is None else [letter for each in ids if (letter := letter_named(each)) is not None]


def _job(row: Row[Any] | None) -> Job | None:
    if row is None:
        return None
    return Job(
        id=row.id,
        kind=row.kind,
        state=row.state,
        matching=LetterFilter(row.upload_id, row.code, row.dead_from, row.dead_before, _letters(row.letter_ids)),
        most=row.most,
        total=row.total,
        left_over=row.left_over,
        done=row.done,
        resume_point=None if row.resume_point is None else msgspec.json.decode(row.resume_point),
        created_at=row.created_at,
        finished_at=row.finished_at,
        fence=row.fence,
    )
