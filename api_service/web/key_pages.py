"""The page of keys: which there are, a new one, shown this once, and an end to any."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from api_service.http.pagination import MAX_PAGE
from api_service.web.own_api import OwnApi
from api_service.web.page_route import PageRoute
from api_service.web.rendering import render
from shared.access.tokens import ID_PATTERN

router = APIRouter(route_class=PageRoute, include_in_schema=False)

ROWS_A_PAGE: Final = 50
SCOPES: Final = ("read", "upload", "metrics", "admin")
PageNumber = Annotated[int, Query(ge=1, le=MAX_PAGE)]
KeyId = Annotated[str, Path(pattern=ID_PATTERN)]


@router.get("/keys")
async def show_keys(request: Request, page: PageNumber = 1) -> Response:
    return await _keys_page(request, OwnApi(request), page)


@router.post("/keys")
async def make_key(request: Request) -> Response:
    """No redirect, because what it shows is nowhere else: a reload asks before it makes another."""
    api = OwnApi(request)
    form = await api.form()
    queues = [f"queues:{pattern}" for pattern in str(form.get("queues", "")).replace(",", " ").split()]
    wanted: dict[str, Any] = {
        "name": str(form.get("name", "")).strip(),
        "scopes": [scope for scope in SCOPES if scope in form.getlist("scope")] + queues,
    }
    if ends := str(form.get("ends", "")).strip():
        wanted["expiresAt"] = f"{ends}T00:00:00Z"
    made = (await api.send("POST", "/v1/keys", wanted)).document
    return await _keys_page(request, api, 1, made=made)


@router.post("/keys/{key_id}/revoke")
async def revoke_key(request: Request, key_id: KeyId) -> Response:
    await OwnApi(request).send("DELETE", f"/v1/keys/{key_id}")
    return RedirectResponse("/keys", 303)


async def _keys_page(request: Request, api: OwnApi, page: int, *, made: dict[str, Any] | None = None) -> Response:
    keys = await api.get("/v1/keys", {"page": page, "limit": ROWS_A_PAGE})
    return render(request, "keys.html", keys=keys, made=made, scopes=SCOPES)
