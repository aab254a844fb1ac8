"""The page of dead letters: which there are, and trying again or discarding all that the filter shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, NamedTuple
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from api_service.http.moment import Moment
from api_service.http.pagination import MAX_PAGE
from api_service.web.own_api import OwnApi
from api_service.web.page_route import PageRoute
from api_service.web.rendering import render
from shared.errors import RowCode

router = APIRouter(route_class=PageRoute, include_in_schema=False)

ROWS_A_PAGE: Final = 50
CODES: Final = (*(code.value for code in RowCode), "malformed_message")
MALFORMED: Final = "malformed_message"
AS_SHOWN: Final = "as-shown"
FILTERS: Final = ("uploadId", "code", "deadFrom", "deadBefore")


class Period(NamedTuple):
    """In which letters died: `since` so long ago, and `before` so long ago."""

    label: str
    since: timedelta | None = None
    before: timedelta | None = None

    def times(self) -> tuple[datetime | None, datetime | None]:
        """From when and before when, as of now: what is ordered later is what was shown."""
        now = datetime.now(UTC).replace(microsecond=0)
        dead_from = None if self.since is None else now - self.since
        return dead_from, None if self.before is None else now - self.before


ANY_TIME: Final = Period("at any time")
PERIODS: Final = {
    "hour": Period("within the last hour", since=timedelta(hours=1)),
    "day": Period("within the last 24 hours", since=timedelta(days=1)),
    "week": Period("within the last 7 days", since=timedelta(days=7)),
    "older-than-day": Period("over 24 hours ago", before=timedelta(days=1)),
    "older-than-week": Period("over 7 days ago", before=timedelta(days=7)),
    "older-than-month": Period("over 30 days ago", before=timedelta(days=30)),
}


@router.get("/dead-letters")
async def show_dead_letters(
    request: Request,
    upload_id: Annotated[str, Query(alias="uploadId")] = "",
    code: Annotated[str, Query()] = "",
    died: Annotated[str, Query()] = AS_SHOWN,
    dead_from: Annotated[Moment | None, Query(alias="deadFrom")] = None,
    dead_before: Annotated[Moment | None, Query(alias="deadBefore")] = None,
    page: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 1,
) -> Response:
    if died != AS_SHOWN:
        dead_from, dead_before = PERIODS.get(died, ANY_TIME).times()
    query: dict[str, Any] = {
        "uploadId": upload_id.strip() or None,
        "code": code or None,
        "deadFrom": dead_from and dead_from.isoformat(),
        "deadBefore": dead_before and dead_before.isoformat(),
    }
    listing = await OwnApi(request).get("/v1/dead-letters", {**query, "page": page, "limit": ROWS_A_PAGE})
    return render(
        request,
        "dead_letters.html",
        listing=listing,
        query=query,
        codes=CODES,
        periods=PERIODS,
        as_shown=AS_SHOWN,
        filters=FILTERS,
        can_redrive=query["code"] != MALFORMED,
    )


@router.post("/dead-letters/redrive")
async def redrive(request: Request) -> Response:
    return await _order(request, "POST", "/v1/dead-letters/redrive")


@router.post("/dead-letters/discard")
async def discard(request: Request) -> Response:
    return await _order(request, "DELETE", "/v1/dead-letters")


@router.get("/dead-letters/jobs/{job_id}")
async def show_job(request: Request, job_id: UUID) -> Response:
    job = await OwnApi(request).get(f"/v1/dead-letters/jobs/{job_id}")
    return render(request, "dead_letter_job.html", job=job)


@router.post("/dead-letters/jobs/{job_id}/stop")
async def stop_job(request: Request, job_id: UUID) -> Response:
    await OwnApi(request).send("DELETE", f"/v1/dead-letters/jobs/{job_id}")
    return RedirectResponse(f"/dead-letters/jobs/{job_id}", 303)


async def _order(request: Request, method: str, path: str) -> Response:
    """For what the filter showed, or what is ticked of it; without either the form says `all`, as the API demands."""
    api = OwnApi(request)
    form = await api.form()
    chosen: dict[str, Any] = {name: str(form[name]) for name in FILTERS if form.get(name)}
    if form.get("which") == "ticked":
        chosen = {"messageIds": [str(each) for each in form.getlist("messageId")]}
    answer = await api.send(method, path, chosen or {"all": form.get("all") == "true"})
    return RedirectResponse(f"/dead-letters/jobs/{answer.document['id']}", 303)
