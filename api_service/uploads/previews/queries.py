"""The statements that ask for a preview and compare it. Nothing here commits."""

from __future__ import annotations

import uuid
from typing import Any, Final, NamedTuple

from sqlalchemy import Row, func, insert, null, update
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.preview_fates import PreviewFates
from shared.database.preview_leavers import Absentees
from shared.database.tables import upload_leases, upload_previews, uploads

# What a preview counts of rows and its upload will, by the names in `uploads.preview`.
COUNTED: Final = ("inserted", "updated", "duplicates", "rejected")

# What an upload is given that has no preview any more.
NO_PREVIEW: Final[dict[str, Any]] = {"preview_id": null(), "preview": null(), "preview_requested_at": null()}


class Drift(NamedTuple):
    """The counts of a preview, and what they are by now."""

    previewed: dict[str, int]
    now: dict[str, int]

    def __bool__(self) -> bool:
        return self.previewed != self.now


async def request_preview(connection: AsyncConnection, upload_id: uuid.UUID) -> Row[Any]:
    """Of a draft that `lock_upload` has locked. From the commit on any producer can have it; what an earlier preview
    found is of no use any more."""
    preview_id = (await connection.execute(insert(upload_previews).returning(upload_previews.c.id))).scalar_one()
    values = {
        "status": "previewing",
        "preview_id": preview_id,
        "preview": null(),
        "preview_requested_at": func.now(),
        "revision": uploads.c.revision + 1,
    }
    statement = update(uploads).where(uploads.c.id == upload_id).values(**values).returning(*uploads.c)
    previewing = (await connection.execute(statement)).one()
    lease = update(upload_leases).where(upload_leases.c.upload_id == upload_id)
    await connection.execute(lease.values(owner="", fence=upload_leases.c.fence + 1, runs_out_at=func.now()))
    return previewing


async def drift_of(connection: AsyncConnection, previewed: Row[Any]) -> Drift:
    """Joins the preview's rows with the employees again."""
    counts: dict[str, int] = {name: previewed.preview[name] for name in COUNTED}
    found = await PreviewFates(connection, previewed.preview_id, previewed.on_duplicate).count()
    refused = sum(previewed.preview["rejected_by"].get(code, 0) for code in ("duplicate_email", "unknown_email"))
    now = {
        "inserted": found.inserted,
        "updated": found.updated,
        "duplicates": found.duplicates,
        "rejected": counts["rejected"] - refused + found.refused,
    }
    if previewed.preview.get("absence") is not None:
        absentees = Absentees(
            previewed.preview_id, previewed.on_duplicate, previewed.absent_scope, previewed.absent_at_most
        )
        absence = await absentees.find(connection)
        counts["deactivated"] = previewed.preview["deactivated"]
        now["deactivated"] = absence.deactivated if absence else 0
    return Drift(counts, now)
