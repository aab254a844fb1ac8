"""The statements that change a draft and start it. Nothing here commits."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import Row, func, null, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from api_service.uploads.previews.queries import NO_PREVIEW
from shared.database.tables import upload_leases, uploads
from shared.upload_status import HELD_STATES


async def lock_upload(connection: AsyncConnection, upload_id: uuid.UUID) -> Row[Any] | None:
    """None = unknown."""
    return (await connection.execute(select(uploads).where(uploads.c.id == upload_id).with_for_update())).one_or_none()


async def change_draft(connection: AsyncConnection, draft: Row[Any], values: dict[str, Any]) -> Row[Any] | None:
    """The draft with these values, which no preview knows; None when it is no longer what it was, because somebody
    changed, previewed or started it."""
    statement = (
        update(uploads)
        .where(uploads.c.id == draft.id, uploads.c.status.in_(HELD_STATES), uploads.c.revision == draft.revision)
        .values(**values, **NO_PREVIEW, status="draft", revision=uploads.c.revision + 1)
        .returning(*uploads.c)
    )
    return (await connection.execute(statement)).one_or_none()


async def start_draft(connection: AsyncConnection, upload_id: uuid.UUID) -> Row[Any]:
    """Of a draft that `lock_upload` has locked. From the commit on any producer can have it."""
    statement = (
        update(uploads)
        .where(uploads.c.id == upload_id)
        # It is accepted now: between two uploads the later accepted one wins (P4).
        .values(
            status="queued",
            sequence=text("DEFAULT"),
            accepted_at=func.now(),
            preview_id=null(),
            revision=uploads.c.revision + 1,
        )
        .returning(*uploads.c)
    )
    started = (await connection.execute(statement)).one()
    lease = update(upload_leases).where(upload_leases.c.upload_id == upload_id)
    # It stays, so that its fencing number goes on growing; an empty owner is suspected of nothing.
    values = {"fence": upload_leases.c.fence + 1, "runs_out_at": func.now()}
    await connection.execute(lease.values(owner="", **values))
    return started
