"""Leavers in the database: whom an upload's file lacks, decided once, and how far they are marked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from producer_service.sent_ranges import SentRange
from producer_service.uploads import leases
from shared.database.absence import IN_SCOPE, Absence, most_absent
from shared.database.ledger import ledger_of

if TYPE_CHECKING:
    import uuid
    from collections.abc import AsyncGenerator, Collection

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from producer_service.uploads.leases import Lease
    from shared.errors import FileProblem

# `FOR KEY SHARE`, so that progress goes on: only the lease's holder decides.
_LOCK = text("""
    SELECT status, sequence, absent_scope, absent_at_most, max_rejects, absence IS NOT NULL AS is_decided
    FROM uploads WHERE id = :upload_id AND finished_at IS NULL FOR KEY SHARE
""")

_UNREADABLE = text("SELECT coalesce(sum(unreadable_rows), 0) FROM named_emails WHERE upload_id = :upload_id")

# Those who were there before: a file of wrong emails brings as many new ones, which must not make a share look small.
# Whom a later upload wrote meanwhile is its concern.
_IN_SCOPE = text(f"""
    SELECT count(*) FROM employees AS e
    WHERE e.left_at IS NULL AND {IN_SCOPE}
      AND (e.upload_sequence < :sequence OR (e.upload_sequence = :sequence AND e.replaced_sequence IS NOT NULL))
""")  # noqa: S608 - constants

# In the order in which they are locked, so that ranges meet other writers as other ranges would.
_LIST = text(f"""
    INSERT INTO leavers (upload_id, number, employee_id)
    SELECT :upload_id, row_number() OVER (ORDER BY id), id
    FROM (
        SELECT e.id FROM employees AS e
        WHERE e.left_at IS NULL AND e.upload_sequence < :sequence AND {IN_SCOPE}
          AND NOT EXISTS (
              SELECT FROM (SELECT unnest(emails) AS email FROM named_emails WHERE upload_id = :upload_id) AS named
              WHERE named.email = lower(e.email))
    ) AS absent
""")  # noqa: S608 - constants

# Numbers of before the upload may say that nobody is older than it: then every employee would look through all names.
_BY_HASH = text("SELECT set_config('enable_nestloop', 'off', true), set_config('work_mem', '64MB', true)")

_DECIDE = text("""
    UPDATE uploads SET absence = CAST(:absence AS jsonb), revision = revision + 1
    WHERE id = :upload_id AND absence IS NULL
""")

_FORGET_NAMES = text("DELETE FROM named_emails WHERE upload_id = :upload_id")

_ABSENCE = text("SELECT CAST(absence AS text) FROM uploads WHERE id = :upload_id")

# By the borders of the first ranges, whatever the setting says since. Those of a range at the end may be off the list.
_RANGES = text("""
    SELECT CAST(absence ->> 'rangeRows' AS int) AS range_rows, coalesce(max(number), 0) AS last_number
    FROM uploads LEFT JOIN leavers ON leavers.upload_id = uploads.id
    WHERE uploads.id = :upload_id GROUP BY uploads.id
""")

_DONE = text("SELECT first_number FROM leaver_ranges WHERE upload_id = :upload_id")

_DONE_AMONG = text("""
    SELECT first_number FROM leaver_ranges WHERE upload_id = :upload_id AND first_number = ANY(:first_numbers)
""")

# After a cancel some may never have been marked.
_DROP_UNMARKED = text("""
    DELETE FROM leavers AS l WHERE l.upload_id = :upload_id AND NOT EXISTS (
        SELECT FROM leaver_ranges AS r
        WHERE r.upload_id = :upload_id AND r.first_number <= l.number AND r.last_number >= l.number)
""")

_COUNT = text("SELECT count(*) FROM leavers WHERE upload_id = :upload_id")


async def decide(connection: AsyncConnection, lease: Lease, *, rows_read: int, range_rows: int) -> bool:
    """Whether it is decided, now or before; False when not all rows are in. Raises `LeaseLost`.

    The list of leavers, empty if nobody is to be marked, and what was found commit together.
    """
    key = {"upload_id": lease.upload_id}
    upload = (await connection.execute(_LOCK, key)).one_or_none()
    if upload is None:
        raise leases.LeaseLost
    if upload.is_decided:
        return True
    totals = await ledger_of(lease.upload_id).totals(connection)
    too_many = upload.max_rejects is not None and totals.counts.rejected > upload.max_rejects
    if upload.status != "running" or totals.row_count != rows_read or too_many:
        return False
    scope = key | {"sequence": upload.sequence, "scope": upload.absent_scope}
    unreadable = int((await connection.execute(_UNREADABLE, key)).scalar_one())
    in_scope = int((await connection.execute(_IN_SCOPE, scope)).scalar_one())
    await connection.execute(_BY_HASH)
    savepoint = await connection.begin_nested()
    absent = (await connection.execute(_LIST, scope)).rowcount
    found = Absence(in_scope, absent, most_absent(upload.absent_at_most, in_scope), unreadable)
    if found.problem is None:
        await savepoint.commit()
    else:
        await savepoint.rollback()
    await connection.execute(_DECIDE, key | {"absence": json.dumps(found.as_stored() | {"rangeRows": range_rows})})
    # Only now: until this commits, nobody could renew it.
    await leases.prove(connection, lease)
    return True


async def ranges_left(engine: AsyncEngine, upload_id: uuid.UUID) -> AsyncGenerator[SentRange]:
    """Those that have no entry yet."""
    async with engine.connect() as connection:
        key: dict[str, Any] = {"upload_id": upload_id}
        ranges = (await connection.execute(_RANGES, key)).one()
        done = set((await connection.execute(_DONE, key)).scalars())
    for first in range(1, ranges.last_number + 1, ranges.range_rows):
        if first not in done:
            yield SentRange(first, first + ranges.range_rows - 1)


async def done_among(connection: AsyncConnection, upload_id: uuid.UUID, first_numbers: Collection[int]) -> set[int]:
    parameters = {"upload_id": upload_id, "first_numbers": list(first_numbers)}
    return set((await connection.execute(_DONE_AMONG, parameters)).scalars())


async def conclude(connection: AsyncConnection, upload_id: uuid.UUID) -> tuple[int, FileProblem | None]:
    """In the transaction that ends the upload: how many were marked, and why nobody was."""
    key = {"upload_id": upload_id}
    await connection.execute(_FORGET_NAMES, key)
    stored = (await connection.execute(_ABSENCE, key)).scalar_one()
    if stored is None:
        return 0, None
    await connection.execute(_DROP_UNMARKED, key)
    marked = (await connection.execute(_COUNT, key)).scalar_one()
    return marked, Absence.of(json.loads(stored)).problem
