"""Holds a preview against the employees as they are by now."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncEngine

from api_service.http.problems import Problem, ProblemCode
from api_service.uploads.found import find_upload, require_draft
from api_service.uploads.previews.queries import drift_of


async def require_no_drift(engine: AsyncEngine, upload_id: uuid.UUID) -> Row[Any]:
    """The upload as it was looked at, which may have changed since: nobody waits for this. Raises `Problem`."""
    upload = require_draft(await find_upload(engine, upload_id))
    if upload.status != "previewed":
        raise Problem(
            ProblemCode.NOT_PREVIEWED,
            "The draft was not previewed, or was changed since: preview it, or start it without ifUnchanged.",
        )
    async with engine.begin() as connection:
        drift = await drift_of(connection, upload)
    if drift:
        raise Problem(
            ProblemCode.PREVIEW_DRIFTED,
            "Employees have changed since the preview, so the upload would do something else by now: preview it again, "
            "or start it without ifUnchanged.",
            more={"previewed": drift.previewed, "now": drift.now},
        )
    return upload
