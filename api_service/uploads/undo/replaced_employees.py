"""How long what an upload replaced is kept: until the upload can be undone no more. Nothing here commits.

An entry also says of the upload before that its employee was changed since, and by whom. As long as that one can be
undone, the entry stays without the employee.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.tables import uploads

_EXPIRED = text("""
    SELECT u.sequence FROM uploads AS u
    WHERE u.undo_expired_at IS NOT NULL AND u.status <> 'undoing'
      AND EXISTS (SELECT FROM replaced_employees AS r WHERE r.upload_sequence = u.sequence AND r.employee IS NOT NULL)
    ORDER BY u.sequence
""")

_UNDOABLE = """
    EXISTS (SELECT FROM uploads AS u
            WHERE u.sequence = r.replaced_sequence AND u.undo_expired_at IS NULL AND u.status <> 'undone')
"""

_FORGET = text(f"""
    WITH batch AS (
        SELECT r.upload_sequence, r.employee_id, {_UNDOABLE} AS is_needed
        FROM replaced_employees AS r WHERE r.upload_sequence = :sequence AND r.employee IS NOT NULL
        ORDER BY r.employee_id LIMIT CAST(:limit AS bigint)
    ), gone AS (
        DELETE FROM replaced_employees AS r USING batch AS b
        WHERE NOT b.is_needed AND r.upload_sequence = b.upload_sequence AND r.employee_id = b.employee_id
    ), emptied AS (
        UPDATE replaced_employees AS r SET employee = NULL FROM batch AS b
        WHERE b.is_needed AND r.upload_sequence = b.upload_sequence AND r.employee_id = b.employee_id
    )
    SELECT count(*) FROM batch
""")  # noqa: S608 - a constant of this module

_DROP_FORGOTTEN = text(f"DELETE FROM replaced_employees AS r WHERE r.employee IS NULL AND NOT {_UNDOABLE}")  # noqa: S608


async def expire_undos(connection: AsyncConnection, before: ColumnElement[datetime]) -> None:
    """From now on no upload that was finished before can be undone; one that is being undone is left alone."""
    is_due = (uploads.c.finished_at < before, uploads.c.undo_expired_at.is_(None), uploads.c.status != "undoing")
    marked = update(uploads).where(*is_due).values(undo_expired_at=text("now()"), revision=uploads.c.revision + 1)
    await connection.execute(marked)


async def expired_sequences(connection: AsyncConnection) -> Sequence[int]:
    """Of the uploads that can be undone no more, those of which something is left."""
    return (await connection.execute(_EXPIRED)).scalars().all()


async def forget(connection: AsyncConnection, sequence: int, *, limit: int | None = None) -> int:
    """Delete what this upload replaced, at most so many; how many there were."""
    return int((await connection.execute(_FORGET, {"sequence": sequence, "limit": limit})).scalar_one())


async def drop_forgotten(connection: AsyncConnection) -> int:
    """Entries of forgotten employees that no upload that can be undone has a use for."""
    return (await connection.execute(_DROP_FORGOTTEN)).rowcount
