"""The page of dead letters: which there are, and trying again or discarding all that the filter shows."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from api_service.http.pagination import MAX_PAGE
from api_service.web.own_api import OwnApi
from api_service.web.page_route import PageRoute
from api_service.web.rendering import render
from shared.errors import RowCode

router = APIRouter(route_class=PageRoute, include_in_schema=False)

ROWS_A_PAGE: Final = 50
CODES: Final = (*(code.value for code in RowCode), "malformed_message")
MALFORMED: Final = "malformed_message"


@router.get("/dead-letters")
async def show_dead_letters(
    request: Request,
    upload_id: Annotated[str, Query(alias="uploadId")] = "",
    code: Annotated[str, Query()] = "",
    page: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 1,
) -> Response:
    query: dict[str, Any] = {"uploadId": upload_id.strip() or None, "code": code or None}
    listing = await OwnApi(request).get("/v1/dead-letters", {**query, "page": page, "limit": ROWS_A_PAGE})
    return render(
        request,
        "dead_letters.html",
        listing=listing,
        query=query,
        codes=CODES,
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
    """For what the filter showed; without one the form says `all` itself, as the API demands."""
    api = OwnApi(request)
    form = await api.form()
    chosen: dict[str, Any] = {name: str(form[name]) for name in ("uploadId", "code") if form.get(name)}
    answer = await api.send(method, path, chosen or {"all": form.get("all") == "true"})
    return RedirectResponse(f"/dead-letters/jobs/{answer.document['id']}", 303)
