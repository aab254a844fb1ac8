"""The upload that an address names, or the problem that there is none."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncEngine

from api_service.http.problems import Problem, ProblemCode
from api_service.uploads import queries
from shared.upload_status import HELD_STATES


async def find_upload(engine: AsyncEngine, upload_id: uuid.UUID) -> Row[Any]:
    """Its row. Raises the problem `unknown_upload`."""
    async with engine.connect() as connection:
        return require_known(await queries.upload_by_id(connection, upload_id))


def require_known(upload: Row[Any] | None) -> Row[Any]:
    if upload is None:
        raise Problem(ProblemCode.UNKNOWN_UPLOAD, "No upload has this id; it may have been deleted.")
    return upload


def require_draft(upload: Row[Any]) -> Row[Any]:
    """Raises the problem `not_a_draft`; what is previewed is a draft still."""
    if upload.status == "previewing":
        raise Problem(ProblemCode.NOT_A_DRAFT, "The upload is being previewed: wait for the end of that, or cancel it.")
    if upload.status not in HELD_STATES:
        raise Problem(
            ProblemCode.NOT_A_DRAFT,
            f"The upload is {upload.status}: only a draft can be changed, previewed or started.",
        )
    return upload


def require_no_problem(draft: Row[Any]) -> None:
    """Raises the problem `draft_has_problem`."""
    if draft.problem is not None:
        raise Problem(
            ProblemCode.DRAFT_HAS_PROBLEM,
            f"It cannot be read as it is ({draft.problem['code']}): {draft.problem['detail']}",
        )
