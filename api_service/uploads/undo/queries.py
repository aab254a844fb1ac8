"""The statements on undos. Nothing here commits."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row, Select, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.tables import kept_rows, uploads
from shared.upload_status import FINAL_STATES


def is_undoable(upload: Row[Any]) -> bool:
    return upload.status in FINAL_STATES and upload.undo_expired_at is None


def loses_undo(upload: Row[Any]) -> bool:
    """Whether its deletion takes something away that could still be taken back."""
    return is_undoable(upload) and bool(upload.inserted + upload.updated + upload.deactivated)


async def request_undo(connection: AsyncConnection, upload_id: uuid.UUID) -> Row[Any] | None:
    """Ask its producer to undo it, if that can be. Returns the upload as it is now; None = unknown."""
    # What brings rows in and what deletes what was replaced wait for this lock, or have it first.
    found = (await connection.execute(select(uploads).where(uploads.c.id == upload_id).with_for_update())).one_or_none()
    if found is None or not is_undoable(found):
        return found
    statement = (
        update(uploads)
        .where(uploads.c.id == upload_id)
        .values(status="undoing", undo_requested_at=func.now(), revision=uploads.c.revision + 1)
        .returning(*uploads.c)
    )
    return (await connection.execute(statement)).one()


class KeptRows(NamedTuple):
    rows: Sequence[Row[Any]]
    total: int


async def list_kept(
    connection: AsyncConnection, upload_id: uuid.UUID, *, after_row: int, offset: int, limit: int
) -> KeptRows:
    """In file order, with the upload that changed each employee; null if that was deleted since."""
    mine = kept_rows.c.upload_id == upload_id
    changer = uploads.alias("changer")
    query: Select[Any] = (
        select(kept_rows.c.row_number, kept_rows.c.employee_id, changer.c.id.label("changed_by"))
        .outerjoin(changer, changer.c.sequence == kept_rows.c.changed_by)
        .where(mine, kept_rows.c.row_number > after_row)
        .order_by(kept_rows.c.row_number)
        .offset(offset)
        .limit(limit)
    )
    total = (await connection.execute(select(func.count()).select_from(kept_rows).where(mine))).scalar_one()
    return KeptRows((await connection.execute(query)).all(), total)
