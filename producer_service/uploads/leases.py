"""Leases say which producer works on an upload, by the database's clock alone.

Each new holder gets a larger fencing number. Before a holder changes the upload's state it proves its number. So one
that slept past its lease finds that there is a newer one.

Whoever locks an upload and its lease locks the upload first, producers as well as whoever cancels a draft. Otherwise
they would run into deadlocks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import text

from shared.database.upload_layout import MAY_LACK_NAMES
from shared.errors import RollcallError
from shared.rows.csv_format import NEWEST_READER_VERSION
from shared.upload_status import HELD_STATES

if TYPE_CHECKING:
    import uuid

    from sqlalchemy.ext.asyncio import AsyncConnection


class LeaseLost(RollcallError):
    """Another producer has the upload now: stop without another write."""


class Lease(NamedTuple):
    upload_id: uuid.UUID
    owner: str
    fence: int
    # An earlier holder died, of whatever, and no chunk was answered since.
    is_suspected: bool = False
    # Producers in a row that died while they read nothing but this upload (`trials`).
    deaths: int = 0
    # Whether the file was not found in the store when it was last looked for.
    file_was_missing: bool = False


# Of a row without a name it decides who is there, and of whom the file lacks, and earlier uploads may bring somebody
# yet. One that has begun goes on.
_WAITS_FOR_EARLIER_ONES = f"""
    u.status = 'queued' AND (u.absent_scope IS NOT NULL OR jsonb_exists_any(u.field_columns, {MAY_LACK_NAMES}))
    AND EXISTS (
        SELECT 1 FROM uploads AS earlier
        WHERE earlier.finished_at IS NULL AND earlier.sequence < u.sequence
          AND earlier.status IN ('queued', 'running', 'cancelling'))
"""  # noqa: S608 - constants

# `FOR KEY SHARE` waits for a producer that is finishing the upload (`upload_state.finish` holds the row `FOR UPDATE`).
# A holder that released its lease, or that comes back to its own upload, did not die. Producers up to release 0.2 count
# deaths in `fruitless`, of whatever they died; none that this one has seen is theirs to count.
_ACQUIRE = text(f"""
    INSERT INTO upload_leases AS l (upload_id, owner, fence, expires_at)
    SELECT u.id, :owner, 1, now() + make_interval(secs => :seconds)
    FROM uploads AS u
    WHERE u.id = :upload_id AND u.finished_at IS NULL AND u.status <> ALL(CAST(:held AS text[]))
      AND u.reader_version <= :newest_reader AND NOT ({_WAITS_FOR_EARLIER_ONES})
    FOR KEY SHARE
    ON CONFLICT (upload_id) DO UPDATE SET
        owner = excluded.owner,
        fence = l.fence + 1,
        expires_at = CASE WHEN l.runs_out_at IS NULL THEN excluded.expires_at ELSE l.expires_at END,
        runs_out_at = CASE WHEN l.runs_out_at IS NOT NULL THEN excluded.expires_at END,
        suspected = l.suspected OR l.owner NOT IN ('', excluded.owner),
        fruitless = 0
    WHERE coalesce(l.runs_out_at, l.expires_at) < now()
    RETURNING fence, suspected AS is_suspected, cardinality(array_remove(trial_producers, owner)) AS deaths,
              file_missing_since IS NOT NULL AS file_was_missing
""")  # noqa: S608 - constants

# What this release accepted keeps its infinite `expires_at`.
_EXPIRE = """
    expires_at = CASE WHEN runs_out_at IS NULL THEN now() + make_interval(secs => :seconds) ELSE expires_at END,
    runs_out_at = CASE WHEN runs_out_at IS NOT NULL THEN now() + make_interval(secs => :seconds) END
"""

_RENEW = text(f"UPDATE upload_leases SET {_EXPIRE} WHERE upload_id = :upload_id AND fence = :fence")  # noqa: S608 - constants

_RELEASE = text(f"""
    UPDATE upload_leases SET owner = '', {_EXPIRE} WHERE upload_id = :upload_id AND fence = :fence
""")  # noqa: S608 - constants

_MARK_TRIAL = text("""
    UPDATE upload_leases SET trial_producers = array_append(array_remove(trial_producers, :owner), :owner)
    WHERE upload_id = :upload_id AND fence = :fence
""")

# What one survived proves nothing any more against the upload. A lease that was lost is another's to judge by.
_UNMARK_TRIAL = text("""
    UPDATE upload_leases
    SET trial_producers = CASE WHEN :is_survived AND fence = :fence THEN '{}'
                               ELSE array_remove(trial_producers, :owner) END
    WHERE upload_id = :upload_id
""")

_ACQUIT = text("""
    UPDATE upload_leases SET suspected = false, trial_producers = '{}' WHERE upload_id = :upload_id AND fence = :fence
""")

_NOTE_MISSING_FILE = text("""
    UPDATE upload_leases SET file_missing_since = coalesce(file_missing_since, now())
    WHERE upload_id = :upload_id AND fence = :fence
    RETURNING CAST(extract(epoch FROM now() - file_missing_since) AS float)
""")

_NOTE_FOUND_FILE = text("""
    UPDATE upload_leases SET file_missing_since = NULL WHERE upload_id = :upload_id AND fence = :fence
""")

_PROVE = text("SELECT fence FROM upload_leases WHERE upload_id = :upload_id FOR UPDATE")

_DUE = text(f"""
    SELECT u.id FROM uploads AS u LEFT JOIN upload_leases AS l ON l.upload_id = u.id
    WHERE u.finished_at IS NULL AND u.status <> ALL(CAST(:held AS text[])) AND u.reader_version <= :newest_reader
      AND u.byte_count > :over_bytes AND u.byte_count <= :up_to_bytes
      AND (l.upload_id IS NULL OR coalesce(l.runs_out_at, l.expires_at) < now())
      AND NOT ({_WAITS_FOR_EARLIER_ONES})
    ORDER BY coalesce(cardinality(l.trial_producers), 0), u.sequence LIMIT :limit
""")  # noqa: S608 - constants


async def acquire(connection: AsyncConnection, upload_id: uuid.UUID, *, owner: str, seconds: float) -> Lease | None:
    """None when the upload is finished, held, unknown, another producer's, begun by a newer reader's rules, or waits
    for those that were accepted before it."""
    parameters = {
        "upload_id": upload_id,
        "owner": owner,
        "seconds": seconds,
        "newest_reader": NEWEST_READER_VERSION,
        "held": list(HELD_STATES),
    }
    row = (await connection.execute(_ACQUIRE, parameters)).one_or_none()
    return None if row is None else Lease(upload_id, owner, **row._mapping)


async def renew(connection: AsyncConnection, lease: Lease, *, seconds: float) -> None:
    """Raises `LeaseLost`. A lease that ran out is renewed all the same, unless another producer has the upload."""
    renewed = await connection.execute(_RENEW, {"upload_id": lease.upload_id, "fence": lease.fence, "seconds": seconds})
    if renewed.rowcount == 0:
        raise LeaseLost


async def release(connection: AsyncConnection, lease: Lease, *, after_seconds: float = 0) -> None:
    """Any producer can have the upload `after_seconds` from now."""
    await connection.execute(_RELEASE, {"upload_id": lease.upload_id, "fence": lease.fence, "seconds": after_seconds})


async def mark_trial(connection: AsyncConnection, lease: Lease) -> None:
    """Should this producer die before it unmarks the upload, it died on it. Raises `LeaseLost`."""
    parameters = {"upload_id": lease.upload_id, "fence": lease.fence, "owner": lease.owner}
    if (await connection.execute(_MARK_TRIAL, parameters)).rowcount == 0:
        raise LeaseLost


async def unmark_trial(connection: AsyncConnection, lease: Lease, *, is_survived: bool) -> None:
    """This producer lives. If it survived the whole step, so would have those that died on the upload before."""
    parameters = {"upload_id": lease.upload_id, "fence": lease.fence, "owner": lease.owner, "is_survived": is_survived}
    await connection.execute(_UNMARK_TRIAL, parameters)


async def acquit(connection: AsyncConnection, lease: Lease) -> None:
    await connection.execute(_ACQUIT, {"upload_id": lease.upload_id, "fence": lease.fence})


async def note_missing_file(connection: AsyncConnection, lease: Lease) -> float:
    """For how many seconds the file has been missing by now. Raises `LeaseLost`."""
    seconds: float | None = (
        await connection.execute(_NOTE_MISSING_FILE, {"upload_id": lease.upload_id, "fence": lease.fence})
    ).scalar_one_or_none()
    if seconds is None:
        raise LeaseLost
    return seconds


async def note_found_file(connection: AsyncConnection, lease: Lease) -> None:
    await connection.execute(_NOTE_FOUND_FILE, {"upload_id": lease.upload_id, "fence": lease.fence})


async def prove(connection: AsyncConnection, lease: Lease) -> None:
    """Lock the lease for the rest of the transaction and raise `LeaseLost` unless it is still ours."""
    fence = (await connection.execute(_PROVE, {"upload_id": lease.upload_id})).scalar_one_or_none()
    if fence != lease.fence:
        raise LeaseLost


async def due_uploads(connection: AsyncConnection, *, over_bytes: int, up_to_bytes: int, limit: int) -> list[uuid.UUID]:
    """Unfinished uploads of this size that nobody works on and that this reader can read, oldest first.

    Those that producers died on come last, so that the others get on before one dies again.
    """
    due = await connection.execute(
        _DUE,
        {
            "over_bytes": over_bytes,
            "up_to_bytes": up_to_bytes,
            "limit": limit,
            "newest_reader": NEWEST_READER_VERSION,
            "held": list(HELD_STATES),
        },
    )
    return list(due.scalars())
