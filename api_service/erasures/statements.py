"""The statements on erasures themselves, their leases, and who is suppressed. Nothing here commits.

A step of an erasure and what it found commit in one transaction, which proves the fencing number. So what is on record
was done, and by one process.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database import advisory_locks
from shared.errors import RollcallError

ErasureState = Literal["queued", "running", "succeeded"]

_COLUMNS: Final = """
    id, person, key_id, email, state, requested_by, CAST(found AS text) AS found, CAST(files AS text) AS files,
    CAST(resume_point AS text) AS resume_point, fence, created_at, finished_at,
    EXISTS (SELECT FROM suppressions AS s WHERE s.person = erasures.person) AS is_suppressed
"""

_INSERT = text(f"""
    INSERT INTO erasures (person, key_id, email, requested_by) VALUES (:person, :key_id, :email, :requested_by)
    ON CONFLICT DO NOTHING RETURNING {_COLUMNS}
""")  # noqa: S608 - the columns are a constant of this module

_UNFINISHED = text(f"""
    SELECT {_COLUMNS} FROM erasures WHERE person = :person AND finished_at IS NULL
""")  # noqa: S608 - as above

_FIND = text(f"SELECT {_COLUMNS} FROM erasures WHERE id = :id")  # noqa: S608 - as above

_LIST = text(f"""
    SELECT {_COLUMNS} FROM erasures
    WHERE CAST(:before AS timestamptz) IS NULL OR (created_at, id) < (:before, CAST(:before_id AS uuid))
    ORDER BY created_at DESC, id DESC OFFSET :offset LIMIT :limit
""")  # noqa: S608 - as above

_COUNT = text("SELECT count(*) FROM erasures")

_LOCK_SUPPRESSIONS = text("SELECT pg_advisory_xact_lock(:lock)")

_OTHER_KEY = text("SELECT EXISTS (SELECT FROM suppressions WHERE key_id <> :key_id)")

_SUPPRESS = text("INSERT INTO suppressions (person, key_id) VALUES (:person, :key_id) ON CONFLICT DO NOTHING")

_ALLOW = text("DELETE FROM suppressions WHERE person = :person")

_LEASE = text(f"""
    UPDATE erasures
    SET fence = fence + 1, expires_at = now() + make_interval(secs => :seconds), state = 'running'
    WHERE id = (SELECT id FROM erasures WHERE finished_at IS NULL AND expires_at <= now()
                ORDER BY expires_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING {_COLUMNS}
""")  # noqa: S608 - as above

_RENEW = text("""
    UPDATE erasures SET expires_at = now() + make_interval(secs => :seconds)
    WHERE id = :id AND fence = :fence AND finished_at IS NULL RETURNING id
""")

_STEP = text("""
    UPDATE erasures
    SET found = CAST(:found AS jsonb), files = CAST(:files AS jsonb), resume_point = CAST(:resume_point AS jsonb),
        expires_at = now() + make_interval(secs => :seconds)
    WHERE id = :id AND fence = :fence AND finished_at IS NULL RETURNING id
""")

_FINISH = text("""
    UPDATE erasures SET state = 'succeeded', finished_at = now(), email = NULL, resume_point = '{}'
    WHERE id = :id AND fence = :fence AND finished_at IS NULL RETURNING id
""")


class ErasureLost(RollcallError):
    """Another process has the erasure now: stop without another write."""


class MustWait(RollcallError):
    """Something has to end before the next step; `reasons` say what."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__(", ".join(reasons))
        self.reasons = reasons


class OtherKey(RollcallError):
    """People were erased with another `ROLLCALL_ERASURE_KEY` than this process has."""


class ResumePoint(msgspec.Struct, omit_defaults=True):
    """How far the work is. Steps that are `done` are not begun again; the others do no harm when they are."""

    done: list[str] = []
    # Transactions with smaller numbers may not have seen the suppression.
    horizon: str | None = None
    # Letters of rows that died before may still be on their way.
    letters_before: datetime | None = None
    # Uploads up to this one were looked through, but for those that `wait` until they are finished.
    after: tuple[datetime, UUID] | None = None
    until: datetime | None = None
    waiting: list[UUID] = []
    waits_for: list[str] = []


class Erasure(NamedTuple):
    """An erasure as it is on record. `email` is None once it is finished."""

    id: UUID
    person: str
    key_id: str
    email: str | None
    state: ErasureState
    requested_by: str | None
    found: dict[str, int]
    files: list[dict[str, Any]]
    resume_point: ResumePoint
    fence: int
    created_at: datetime
    finished_at: datetime | None
    is_suppressed: bool


async def order_erasure(
    connection: AsyncConnection, *, person: str, key_id: str, email: str, requested_by: str | None
) -> Erasure:
    """From the commit on nobody lets the person in again. The erasure that is under way already, if there is one.

    Raises `OtherKey`.
    """
    await connection.execute(_LOCK_SUPPRESSIONS, {"lock": advisory_locks.SUPPRESSIONS})
    named = {"person": person, "key_id": key_id}
    if (await connection.execute(_OTHER_KEY, named)).scalar_one():
        raise OtherKey
    await connection.execute(_SUPPRESS, named)
    inserted = await connection.execute(_INSERT, named | {"email": email, "requested_by": requested_by})
    erasure = _erasure(inserted.one_or_none())
    if erasure is None:
        erasure = _erasure((await connection.execute(_UNFINISHED, named)).one())
    assert erasure is not None  # noqa: S101 - the conflict was with one that is unfinished, and the lock keeps it so
    return erasure


async def find_erasure(connection: AsyncConnection, erasure_id: UUID) -> Erasure | None:
    return _erasure((await connection.execute(_FIND, {"id": erasure_id})).one_or_none())


async def list_erasures(
    connection: AsyncConnection, *, before: tuple[datetime, UUID] | None, offset: int, limit: int
) -> tuple[Sequence[Erasure], int]:
    """Newest first, and how many there are."""
    at, erasure_id = before or (None, None)
    parameters = {"before": at, "before_id": erasure_id, "offset": offset, "limit": limit}
    rows = (await connection.execute(_LIST, parameters)).all()
    total = (await connection.execute(_COUNT)).scalar_one()
    return [_made(row) for row in rows], total


async def allow_again(connection: AsyncConnection, person: str) -> bool:
    """Whether the person was suppressed."""
    await connection.execute(_LOCK_SUPPRESSIONS, {"lock": advisory_locks.SUPPRESSIONS})
    return bool((await connection.execute(_ALLOW, {"person": person})).rowcount)


async def lease_erasure(connection: AsyncConnection, *, seconds: float) -> Erasure | None:
    """One that is not finished and that nobody works on."""
    return _erasure((await connection.execute(_LEASE, {"seconds": seconds})).one_or_none())


async def renew_lease(connection: AsyncConnection, erasure: Erasure, *, seconds: float) -> None:
    """Any process can have it `seconds` from now. Raises `ErasureLost`."""
    await _proved(connection, _RENEW, erasure, seconds=seconds)


async def write_step(connection: AsyncConnection, erasure: Erasure, *, seconds: float) -> None:
    """What was found and how far it is, in the transaction of the step itself. Raises `ErasureLost`."""
    await _proved(
        connection,
        _STEP,
        erasure,
        seconds=seconds,
        found=_json(erasure.found),
        files=_json(erasure.files),
        resume_point=_json(erasure.resume_point),
    )


async def finish_erasure(connection: AsyncConnection, erasure: Erasure) -> None:
    """Raises `ErasureLost`."""
    await _proved(connection, _FINISH, erasure)


async def _proved(connection: AsyncConnection, statement: Any, erasure: Erasure, **values: object) -> None:
    parameters = {"id": erasure.id, "fence": erasure.fence, **values}
    if (await connection.execute(statement, parameters)).one_or_none() is None:
        raise ErasureLost


def _erasure(row: Row[Any] | None) -> Erasure | None:
    return None if row is None else _made(row)


def _made(row: Row[Any]) -> Erasure:
    return Erasure(
        id=row.id,
        person=row.person,
        key_id=row.key_id,
        email=row.email,
        state=row.state,
        requested_by=row.requested_by,
        found=msgspec.json.decode(row.found),
        files=msgspec.json.decode(row.files),
        resume_point=msgspec.json.decode(row.resume_point, type=ResumePoint),
        fence=row.fence,
        created_at=row.created_at,
        finished_at=row.finished_at,
        is_suppressed=row.is_suppressed,
    )


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
