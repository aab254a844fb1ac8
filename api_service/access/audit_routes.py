"""The routes of the audit: who did what, for people and for programs that collect it."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query, Response
from pydantic import Field
from sqlalchemy import Row

from api_service.access import audit_log
from api_service.http.cursors import BIGINT_MAX
from api_service.http.dependencies import EngineDep
from api_service.http.json_model import JsonModel
from api_service.http.pagination import Listing, PagingDep, Total
from api_service.http.problems import DATABASE_PROBLEMS, ProblemCode, problem_responses

router = APIRouter(prefix="/v1", tags=["audit"])

MOST_LINES = 10_000
JSON_LINES = "application/jsonl"
# Without line ends and NUL, which no name has and Postgres does not compare.
Word = Annotated[str | None, Query(pattern=r"^[^\x00-\x1f\x7f]{1,250}$")]


class AuditEntry(JsonModel):
    """One thing that somebody did, or was refused."""

    id: int
    at: datetime
    action: str = Field(examples=["upload.undo"])
    object: str = Field(
        description="The address of what it was done to.",
        examples=["/v1/uploads/6f2c6f4e-3b55-4c76-9a0d-5a3a9d2f6a10/undo"],
    )
    caller: str | None = Field(
        description="The name of the key, or `person:` and who signed in at the company's provider; null where "
        "authentication was off.",
        examples=["payroll"],
    )
    key_id: str | None = Field(examples=["4fJq0aZx81Lm"])
    address: str | None = Field(description="From where it came.", examples=["10.0.0.7"])
    status: int = Field(description="What it was answered with.", examples=[202])
    outcome: Literal["done", "refused", "failed"]
    request_id: str | None = Field(description="As on every line that was logged for it.")


@router.get(
    "/audit",
    summary="Who did what, newest first",
    description="Uploads, starts, undos, corrections, redrives, deletions, exports, keys, and signing in; who looks or "
    "searches is not noted, and neither are requests without a good key.",
    operation_id="listAudit",
    responses=problem_responses(ProblemCode.INVALID_REQUEST, ProblemCode.INVALID_CURSOR, *DATABASE_PROBLEMS),
)
async def list_audit(
    engine: EngineDep, paging: PagingDep, action: Word = None, caller: Word = None
) -> Listing[AuditEntry]:
    (before,) = paging.after(tuple[int]) or (None,)
    async with engine.connect() as connection:
        found = await audit_log.list_entries(
            connection, action=action, caller=caller, before=before, offset=paging.offset, limit=paging.limit + 1
        )
        total = await audit_log.count_entries(connection, action=action, caller=caller)
    return paging.listing(found, Total(total), key=lambda row: (row.id,), item=_entry)


@router.get(
    "/audit.jsonl",
    summary="The same for programs: oldest first, a line each",
    description=f"At most {MOST_LINES} lines: go on with `after` = the last `id` while an answer has so many. Each "
    "request is an entry, too.",
    operation_id="exportAudit",
    response_class=Response,
    responses={
        200: {"content": {JSON_LINES: {"schema": {"type": "string"}}}},
        **problem_responses(ProblemCode.INVALID_REQUEST, *DATABASE_PROBLEMS),
    },
)
async def export_audit(engine: EngineDep, after: Annotated[int, Query(ge=0, le=BIGINT_MAX)] = 0) -> Response:
    async with engine.connect() as connection:
        found = await audit_log.entries_after(connection, after=after, limit=MOST_LINES)
    lines = b"".join(msgspec.json.encode(_entry(row).model_dump(mode="json", by_alias=True)) + b"\n" for row in found)
    return Response(lines, media_type=JSON_LINES)


def _entry(row: Row[Any]) -> AuditEntry:
    return AuditEntry.model_validate(row, from_attributes=True)
