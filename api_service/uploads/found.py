"""The upload that an address names, or the problem that there is none."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncEngine

from api_service.http.problems import Problem, ProblemCode
from api_service.uploads import queries


async def find_upload(engine: AsyncEngine, upload_id: uuid.UUID) -> Row[Any]:
    """Its row. Raises the problem `unknown_upload`."""
    async with engine.connect() as connection:
        return require_known(await queries.upload_by_id(connection, upload_id))


def require_known(upload: Row[Any] | None) -> Row[Any]:
    if upload is None:
        raise Problem(ProblemCode.UNKNOWN_UPLOAD, "No upload has this id; it may have been deleted.")
    return upload
