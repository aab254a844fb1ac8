"""The pages of employees: the search, whose address is all its state, and one employee with where it came from."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from api_service.http.pagination import MAX_PAGE
from api_service.web.own_api import OwnApi, Refused
from api_service.web.page_route import PageRoute
from api_service.web.rendering import render

router = APIRouter(route_class=PageRoute, include_in_schema=False)

ROWS_A_PAGE: Final = 25
# Each of them is asked for; of older ones the page has the link alone.
UPLOADS_NAMED: Final = 10


@router.get("/employees")
async def show_employees(
    request: Request,
    search_term: Annotated[str, Query(alias="searchTerm")] = "",
    upload_id: Annotated[UUID | None, Query(alias="uploadId")] = None,
    page: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 1,
) -> Response:
    api = OwnApi(request)
    query: dict[str, Any] = {"searchTerm": search_term, "uploadId": upload_id and str(upload_id)}
    listing, problem = None, None
    try:
        listing = await api.get("/v1/employees", {**query, "page": page, "limit": ROWS_A_PAGE})
    except Refused as refusal:
        if refusal.status == 403:
            raise
        # Of what was searched for; the rest of the page helps to search for something else.
        problem = refusal.document
    return render(request, "employees.html", listing=listing, problem=problem, query=query)


@router.get("/employees/{employee_id}")
async def show_employee(request: Request, employee_id: int) -> Response:
    api = OwnApi(request)
    employee = await api.get(f"/v1/employees/{employee_id}")
    past = await api.get(f"/v1/employees/{employee_id}/history")
    history = past["data"]
    uploads: dict[str, Any] = {}
    for upload_id in {each["uploadId"] for each in (employee, *history[:UPLOADS_NAMED])} - {None}:
        try:
            uploads[upload_id] = await api.get(f"/v1/uploads/{upload_id}")
        except Refused as refusal:
            if refusal.status != 404:
                raise
    return render(
        request, "employee.html", employee=employee, row_number=past["rowNumber"], history=history, uploads=uploads
    )


@router.post("/employees/{employee_id}/delete")
async def delete_employee(request: Request, employee_id: int) -> Response:
    await OwnApi(request).send("DELETE", f"/v1/employees/{employee_id}")
    return RedirectResponse("/employees", 303)
