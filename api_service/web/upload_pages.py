"""The pages of uploads: send a file, the history, one upload with its counts and what can be done with it."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from api_service.http.pagination import MAX_PAGE
from api_service.uploads.results.fates import Outcome
from api_service.web.draft_page import draft_page, preview_counts, preview_draft, start_draft, start_previewed
from api_service.web.own_api import OwnApi
from api_service.web.page_route import PageRoute
from api_service.web.rendering import render
from shared.upload_status import HELD_STATES, UploadStatus

router = APIRouter(route_class=PageRoute, include_in_schema=False)

ROWS_A_PAGE: Final = 25
PageNumber = Annotated[int, Query(ge=1, le=MAX_PAGE)]


@router.get("/")
async def show_uploads(request: Request, status: UploadStatus | None = None, page: PageNumber = 1) -> Response:
    api = OwnApi(request)
    query = {"status": status, "page": page, "limit": ROWS_A_PAGE}
    uploads = await api.get("/v1/uploads", query)
    return render(request, "uploads.html", uploads=uploads, query={"status": status})


@router.post("/uploads")
async def take_upload(request: Request) -> Response:
    """Of a browser whose scripts are off; those of the page send files to the API themselves."""
    answer = await OwnApi(request).pass_on("/v1/employee-data-upload")
    return _see(f"/uploads/{answer.document['id']}")


@router.get("/uploads/{upload_id}")
async def show_upload(
    request: Request,
    upload_id: UUID,
    encoding: str | None = None,
    delimiter: str | None = None,
    header: str | None = None,
    header_line: Annotated[str | None, Query(alias="headerLine")] = None,
    sheet: str | None = None,
    on_duplicate: Annotated[str | None, Query(alias="onDuplicate")] = None,
    optional: Annotated[list[str] | None, Query()] = None,
    max_rejects: Annotated[str | None, Query(alias="maxRejects")] = None,
    absent: str | None = None,
    absent_scope: Annotated[str | None, Query(alias="absentScope")] = None,
    absent_at_most: Annotated[str | None, Query(alias="absentAtMost")] = None,
    mapping: str | None = None,
    columns: str | None = None,
    anew: str | None = None,
    column: Annotated[list[str] | None, Query(description="The field of each column, in order.")] = None,
    column_was: Annotated[list[str] | None, Query(alias="columnWas")] = None,
    column_name: Annotated[list[str] | None, Query(alias="columnName")] = None,
    has_header: Annotated[str | None, Query(alias="hasHeader")] = None,
    revision: Annotated[int | None, Query()] = None,
) -> Response:
    """The query is that of a draft's form, and empty for all others."""
    api = OwnApi(request)
    upload = await api.get(f"/v1/uploads/{upload_id}")
    if upload["status"] in HELD_STATES:
        return await draft_page(request, api, upload, request.query_params)
    if upload["status"] == "previewing":
        return render(request, "previewing.html", upload=upload, counts=preview_counts(upload))
    return render(request, "upload.html", upload=upload)


@router.post("/uploads/{upload_id}/start")
async def start_upload(request: Request, upload_id: UUID) -> Response:
    return await start_draft(request, str(upload_id))


@router.post("/uploads/{upload_id}/preview")
async def preview_upload(request: Request, upload_id: UUID) -> Response:
    return await preview_draft(request, str(upload_id))


@router.post("/uploads/{upload_id}/start-previewed")
async def start_previewed_upload(request: Request, upload_id: UUID) -> Response:
    return await start_previewed(request, str(upload_id))


@router.post("/uploads/{upload_id}/cancel")
async def cancel_upload(request: Request, upload_id: UUID) -> Response:
    await OwnApi(request).send("POST", f"/v1/uploads/{upload_id}/cancel")
    return _see(f"/uploads/{upload_id}")


@router.post("/uploads/{upload_id}/undo")
async def undo_upload(request: Request, upload_id: UUID) -> Response:
    await OwnApi(request).send("POST", f"/v1/uploads/{upload_id}/undo")
    return _see(f"/uploads/{upload_id}")


@router.post("/uploads/{upload_id}/delete")
async def delete_upload(request: Request, upload_id: UUID) -> Response:
    """The form says what goes and what stays, so the confirmation is given with it."""
    await OwnApi(request).send("DELETE", f"/v1/uploads/{upload_id}", query={"confirm": "employees-stay"})
    return _see("/")


@router.get("/uploads/{upload_id}/results")
async def show_results(
    request: Request, upload_id: UUID, outcome: Outcome | None = None, page: PageNumber = 1
) -> Response:
    api = OwnApi(request)
    upload = await api.get(f"/v1/uploads/{upload_id}")
    query: dict[str, Any] = {"outcome": outcome, "page": page, "limit": ROWS_A_PAGE}
    rows = await api.get(f"/v1/uploads/{upload_id}/rows", query)
    counts = preview_counts(upload) if upload["status"] == "previewed" and upload["preview"] else upload
    return render(request, "results.html", upload=upload, counts=counts, rows=rows, query={"outcome": outcome})


@router.get("/uploads/{upload_id}/left")
async def show_leavers(request: Request, upload_id: UUID, page: PageNumber = 1) -> Response:
    api = OwnApi(request)
    upload = await api.get(f"/v1/uploads/{upload_id}")
    query: dict[str, Any] = {"outcome": "deactivated", "page": page, "limit": ROWS_A_PAGE}
    left = await api.get(f"/v1/uploads/{upload_id}/rows", query)
    return render(request, "left.html", upload=upload, left=left)


def _see(address: str) -> RedirectResponse:
    """After a form: a reload of what comes does nothing twice."""
    return RedirectResponse(address, 303)
