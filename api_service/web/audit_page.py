"""The page of the audit: who did what."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from api_service.http.pagination import MAX_PAGE
from api_service.web.own_api import OwnApi
from api_service.web.page_route import PageRoute
from api_service.web.rendering import render

router = APIRouter(route_class=PageRoute, include_in_schema=False)

ROWS_A_PAGE: Final = 50
PageNumber = Annotated[int, Query(ge=1, le=MAX_PAGE)]


@router.get("/audit")
async def show_audit(request: Request, action: str = "", caller: str = "", page: PageNumber = 1) -> Response:
    query = {"action": action or None, "caller": caller or None}
    entries = await OwnApi(request).get("/v1/audit", {**query, "page": page, "limit": ROWS_A_PAGE})
    return render(request, "audit.html", entries=entries, query=query)
