"""The pages of an upload's refused rows: the grid that corrects them, and what became of a file of corrections."""

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

ROWS_A_PAGE: Final = 100


@router.get("/uploads/{upload_id}/rejects")
async def show_rejects(
    request: Request,
    upload_id: UUID,
    code: RowCode | None = None,
    page: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 1,
) -> Response:
    api = OwnApi(request)
    upload = await api.get(f"/v1/uploads/{upload_id}")
    rejects = await api.get(f"/v1/uploads/{upload_id}/rejects", {"code": code, "page": page, "limit": ROWS_A_PAGE})
    width = max([len(upload["columns"]), *(len(row["cells"]) for row in rejects["data"])])
    return render(
        request,
        "rejects.html",
        upload=upload,
        rejects=rejects,
        places={
            field: [upload["columns"].index(name) for name in source["columns"] if name in upload["columns"]]
            for field, source in upload["fields"].items()
        },
        rows=[_grid_row(upload, row, width) for row in rejects["data"]],
        query={"code": code and str(code)},
        columns=[*upload["columns"], *("" for _ in range(width - len(upload["columns"])))],
    )


@router.post("/uploads/{upload_id}/corrections")
async def take_corrections(request: Request, upload_id: UUID) -> Response:
    answer = await OwnApi(request).pass_on(f"/v1/uploads/{upload_id}/corrections")
    return RedirectResponse(f"/uploads/{upload_id}/corrections/{answer.document['id']}", 303)


@router.get("/uploads/{upload_id}/corrections/{correction_id}")
async def show_correction(request: Request, upload_id: UUID, correction_id: UUID) -> Response:
    api = OwnApi(request)
    upload = await api.get(f"/v1/uploads/{upload_id}")
    correction = await api.get(f"/v1/uploads/{upload_id}/corrections/{correction_id}")
    return render(request, "correction.html", upload=upload, correction=correction)


def _grid_row(upload: dict[str, Any], row: dict[str, Any], width: int) -> dict[str, Any]:
    """As many cells as the grid has columns, each with the faults of the field that it is of; and all other faults."""
    fields = {name: field for field, source in upload["fields"].items() for name in source["columns"]}
    cells, told = [], set()
    for at in range(width):
        name = upload["columns"][at] if at < len(upload["columns"]) else None
        field = fields.get(name) if name is not None else None
        faults = [] if field is None else [each["message"] for each in row["faults"] if each["field"] == field]
        if faults and field is not None:
            told.add(field)
        text = row["cells"][at] if at < len(row["cells"]) else ""
        cells.append({"text": text, "faults": faults})
    others = [each["message"] for each in row["faults"] if each["field"] not in told]
    return {**row, "grid": cells, "others": others}
