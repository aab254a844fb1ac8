"""Deletes what there is of previews that are over: their uploads were started, changed, ended or deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

# What is deleted at a time takes a fraction of a second.
NOTES_A_BATCH = 100_000

# No chunk of it can come any more: whoever takes its upload away from a preview has locked the upload against them.
_LOCK_ENDED = text("""
    SELECT id FROM upload_previews AS p
    WHERE NOT EXISTS (SELECT FROM uploads AS u WHERE u.preview_id = p.id)
    ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
""")

_DELETE_NOTES = text("""
    DELETE FROM preview_notes
    WHERE ctid = ANY(ARRAY(SELECT ctid FROM preview_notes WHERE preview_id = :preview_id LIMIT :most))
""")

_DELETE = text("DELETE FROM upload_previews WHERE id = :preview_id")


async def forget_ended_previews(engine: AsyncEngine) -> None:
    """A batch of one of them, if there is any. Database errors pass through."""
    async with engine.begin() as connection:
        preview_id = (await connection.execute(_LOCK_ENDED)).scalar_one_or_none()
        if preview_id is None:
            return
        deleted = await connection.execute(_DELETE_NOTES, {"preview_id": preview_id, "most": NOTES_A_BATCH})
        if deleted.rowcount < NOTES_A_BATCH:
            await connection.execute(_DELETE, {"preview_id": preview_id})
