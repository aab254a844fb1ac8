"""The pages of erasures: what is known of a person before, and the certificate that an erasure ends as."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from api_service.http.pagination import MAX_PAGE
from api_service.web.own_api import OwnApi
from api_service.web.page_route import PageRoute
from api_service.web.rendering import render

router = APIRouter(route_class=PageRoute, include_in_schema=False)

ROWS_A_PAGE: Final = 50


@router.get("/erasures")
async def show_erasures(request: Request, page: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 1) -> Response:
    listing = await OwnApi(request).get("/v1/erasures", {"page": page, "limit": ROWS_A_PAGE})
    return render(request, "erasures.html", listing=listing)


@router.post("/erasures/find")
async def find(request: Request) -> Response:
    """The email stands in no address, so that no log and no history has it."""
    api = OwnApi(request)
    form = await api.form()
    email = str(form.get("email", "")).strip()
    foreseen = (await api.send("POST", "/v1/erasure-search", {"email": email})).document
    return render(request, "erase.html", email=email, foreseen=foreseen)


@router.post("/erasures/order")
async def order(request: Request) -> Response:
    api = OwnApi(request)
    form = await api.form()
    answer = await api.send("POST", "/v1/erasures", {"email": str(form.get("email", ""))})
    return RedirectResponse(f"/erasures/{answer.document['id']}", 303)


@router.get("/erasures/{erasure_id}")
async def show_erasure(request: Request, erasure_id: UUID) -> Response:
    erasure = await OwnApi(request).get(f"/v1/erasures/{erasure_id}")
    return render(request, "erasure.html", erasure=erasure)


@router.post("/erasures/{erasure_id}/allow")
async def allow(request: Request, erasure_id: UUID) -> Response:
    await OwnApi(request).send("DELETE", f"/v1/erasures/{erasure_id}/suppression")
    return RedirectResponse(f"/erasures/{erasure_id}", 303)
