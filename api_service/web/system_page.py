"""The page of the system: what is wrong in words, how deep the queues are, who works, and which versions run."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api_service.web.own_api import OwnApi
from api_service.web.page_route import PageRoute
from api_service.web.rendering import render

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/system")
async def show_system(request: Request) -> Response:
    status = await OwnApi(request).get("/v1/status")
    return render(request, "system.html", status_document=status)
