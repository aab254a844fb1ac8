"""Undos in the database: which are due, their ranges, how far they are, and their end in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from producer_service.sent_ranges import SentRange
from producer_service.uploads import leases
from producer_service.uploads.leases import Lease, LeaseLost
from shared.errors import RollcallError

if TYPE_CHECKING:
    import uuid
    from collections.abc import AsyncGenerator, Iterable

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

PAGE_CHUNKS = 1000
# Below every place of an employee that an upload wrote.
FIRST_PLACE = -(2**62)


class UndoIncomplete(RollcallError):
    """A range has no entry yet, so it is too early to finish."""


_DUE = text("""
    SELECT u.id FROM uploads AS u LEFT JOIN upload_leases AS l ON l.upload_id = u.id
    WHERE u.status = 'undoing' AND (l.upload_id IS NULL OR l.expires_at < now())
    ORDER BY u.undo_requested_at, u.sequence LIMIT :limit
""")

# `FOR KEY SHARE` waits for a producer that is just finishing the undo.
_ACQUIRE = text("""
    INSERT INTO upload_leases AS l (upload_id, owner, fence, expires_at)
    SELECT id, :owner, 1, now() + make_interval(secs => :seconds)
    FROM uploads WHERE id = :upload_id AND status = 'undoing' FOR KEY SHARE
    ON CONFLICT (upload_id) DO UPDATE SET
        owner = excluded.owner, fence = l.fence + 1, expires_at = excluded.expires_at
    WHERE l.expires_at < now()
    RETURNING fence
""")

# What it did: the chunks of its rows, and below zero the ranges of its leavers.
_DONE_BY_UPLOAD = """
    SELECT first_row, row_count FROM upload_chunks WHERE upload_id = :upload_id
    UNION ALL
    SELECT -last_number, last_number - first_number + 1 FROM leaver_ranges WHERE upload_id = :upload_id
"""

# Those in no range that was taken back, whatever its borders were.
_CHUNKS_AFTER = text(f"""
    SELECT c.first_row, c.row_count FROM ({_DONE_BY_UPLOAD}) AS c
    WHERE c.first_row > :row_number AND NOT EXISTS (
        SELECT FROM upload_undos AS u
        WHERE u.upload_id = :upload_id AND u.first_row <= c.first_row AND u.last_row >= c.first_row)
    ORDER BY c.first_row LIMIT :limit
""")  # noqa: S608 - a constant of this module

_DONE_AMONG = text("SELECT first_row FROM upload_undos WHERE upload_id = :upload_id AND first_row = ANY(:first_rows)")

_STATUS = text("SELECT status FROM uploads WHERE id = :upload_id")

_SUMS = """
    SELECT coalesce(sum(deleted), 0) AS deleted, coalesce(sum(restored), 0) AS restored, coalesce(sum(kept), 0) AS kept
    FROM upload_undos WHERE upload_id = :upload_id
"""

_PROGRESS = text(f"""
    UPDATE uploads AS u
    SET deleted = sums.deleted, restored = sums.restored, kept = sums.kept, revision = u.revision + 1
    FROM ({_SUMS}) AS sums
    WHERE u.id = :upload_id AND u.status = 'undoing'
      AND (u.deleted, u.restored, u.kept) IS DISTINCT FROM (sums.deleted, sums.restored, sums.kept)
      AND EXISTS (SELECT FROM upload_leases AS l WHERE l.upload_id = :upload_id AND l.fence = :fence)
""")  # noqa: S608 - a constant of this module

_LOCK = text("SELECT 1 FROM uploads WHERE id = :upload_id AND status = 'undoing' FOR UPDATE")

# Beside one another in file order, a chunk is left if no range up to it reaches it.
_HAS_LEFT = text(f"""
    SELECT EXISTS (
        SELECT FROM (
            SELECT first_row, is_chunk, max(last_row) OVER (ORDER BY first_row, is_chunk) AS undone_to
            FROM (
                SELECT first_row, true AS is_chunk, {FIRST_PLACE} AS last_row FROM ({_DONE_BY_UPLOAD}) AS done
                UNION ALL
                SELECT first_row, false, last_row FROM upload_undos WHERE upload_id = :upload_id
            ) AS in_order
        ) AS reached
        WHERE is_chunk AND undone_to < first_row)
""")  # noqa: S608 - constants of this module

# Whatever was neither deleted nor restored is kept, also an employee that somebody deleted since.
_FINISH = text(f"""
    UPDATE uploads AS u
    SET status = 'undone', undone_at = now(), deleted = sums.deleted, restored = sums.restored,
        kept = u.inserted + u.updated + u.deactivated - sums.deleted - sums.restored, revision = u.revision + 1
    FROM ({_SUMS}) AS sums WHERE u.id = :upload_id
""")  # noqa: S608 - a constant of this module

_END_LEASE = text("DELETE FROM upload_leases WHERE upload_id = :upload_id")


async def due_undos(connection: AsyncConnection, *, limit: int) -> list[uuid.UUID]:
    """Those that nobody works on, in the order in which they were asked for."""
    return list((await connection.execute(_DUE, {"limit": limit})).scalars())


async def acquire(connection: AsyncConnection, upload_id: uuid.UUID, *, owner: str, seconds: float) -> Lease | None:
    """None when it is not being undone, or is leased to another producer."""
    parameters = {"upload_id": upload_id, "owner": owner, "seconds": seconds}
    fence: int | None = (await connection.execute(_ACQUIRE, parameters)).scalar_one_or_none()
    return None if fence is None else Lease(upload_id, owner, fence)


async def ranges_left(engine: AsyncEngine, upload_id: uuid.UUID, *, range_rows: int) -> AsyncGenerator[SentRange]:
    """Of at least so many rows each, in file order; a page of the ledger, which grows no more, is read at a time."""
    first_row, row_count, last_row = 0, 0, FIRST_PLACE
    while True:
        async with engine.connect() as connection:
            parameters = {"upload_id": upload_id, "row_number": last_row, "limit": PAGE_CHUNKS}
            chunks = (await connection.execute(_CHUNKS_AFTER, parameters)).all()
        for chunk in chunks:
            first_row = first_row or chunk.first_row
            row_count += chunk.row_count
            last_row = chunk.first_row + chunk.row_count - 1
            if row_count >= range_rows:
                yield SentRange(first_row, last_row)
                first_row = row_count = 0
        if len(chunks) < PAGE_CHUNKS:
            break
    if first_row:
        yield SentRange(first_row, last_row)


async def done_among(connection: AsyncConnection, upload_id: uuid.UUID, first_rows: Iterable[int]) -> set[int]:
    """The first rows of those ranges that were taken back."""
    parameters = {"upload_id": upload_id, "first_rows": list(first_rows)}
    return set((await connection.execute(_DONE_AMONG, parameters)).scalars())


async def require_undoing(connection: AsyncConnection, upload_id: uuid.UUID) -> None:
    """Raises `LeaseLost` when another producer finished it."""
    if (await connection.execute(_STATUS, {"upload_id": upload_id})).scalar_one_or_none() != "undoing":
        raise LeaseLost


async def write_progress(connection: AsyncConnection, lease: Lease) -> None:
    """A hint for people who watch. Nothing is written when another producer has the lease."""
    await connection.execute(_PROGRESS, {"upload_id": lease.upload_id, "fence": lease.fence})


async def finish(connection: AsyncConnection, lease: Lease) -> None:
    """Raises `LeaseLost` and `UndoIncomplete`. The upload is locked first, so that ranges in flight commit before."""
    key = {"upload_id": lease.upload_id}
    if (await connection.execute(_LOCK, key)).one_or_none() is None:
        raise LeaseLost
    await leases.prove(connection, lease)
    if (await connection.execute(_HAS_LEFT, key)).scalar_one():
        raise UndoIncomplete
    await connection.execute(_FINISH, key)
    await connection.execute(_END_LEASE, key)
