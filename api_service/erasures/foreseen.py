"""How much there is of a person, looked up before anything is erased. Files are read by the erasure alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from api_service.erasures.row_traces import UNSEEN, allow_time, may_name

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

_UPLOAD_NAMES: Final = may_name("filename", "sheet", "columns", "preamble", "problem", "options")
_PREVIEWS: Final = f"""
    SELECT preview_id FROM preview_rejects WHERE {may_name("cells")}
    UNION SELECT preview_id FROM preview_notes WHERE {may_name("email", "cells")}
    UNION SELECT preview_id FROM preview_names WHERE emails @> ARRAY[:email]
"""  # noqa: S608 - constants
_WHERE: Final = {
    "employees": "employees WHERE lower(email) = :email",
    "beforeImages": "replaced_employees WHERE lower(employee ->> 'email') = :email",
    "rejectedRows": f"rejected_rows WHERE {may_name('cells', 'original_cells', 'message', 'other_faults')}",
    "correctedRows": f"corrected_rows WHERE {may_name('cells')}",
    "previews": f"uploads WHERE preview_id IN ({_PREVIEWS})",
    "malformedMessages": f"malformed_messages WHERE {may_name('body', 'reason')}",
    "requestOutcomes": f"request_outcomes WHERE {may_name('outcome')}",
    "uploads": f"uploads WHERE {_UPLOAD_NAMES}",
    "files": "uploads WHERE file_deleted_at IS NULL",
}
_STATEMENTS: Final = {
    kind: text(f"SELECT count(*) FROM {rows}")  # noqa: S608 - constants
    for kind, rows in _WHERE.items()
}


async def count_traces(connection: AsyncConnection, email: str) -> dict[str, int]:
    """By the names of the certificate; `files` are those that have to be read."""
    await allow_time(connection)
    named = {"email": email, "unseen": UNSEEN}
    return {kind: (await connection.execute(count, named)).scalar_one() for kind, count in _STATEMENTS.items()}
