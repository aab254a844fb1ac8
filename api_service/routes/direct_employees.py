"""A short way to the listing, past FastAPI's injection and validation, which cost more than a page of employees does.

It takes the requests whose parameters are plainly right; all others go on to the declared route, which says what is
wrong with them, and which is what /docs shows.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from api_service.pagination import plain_paging
from api_service.problems import Problem
from api_service.routes.employees import answer_page, router

_PATH: Final = "/v1/employees"
_PARAMETERS: Final = frozenset({"limit", "page", "cursor", "searchTerm"})


class DirectListing(BaseRoute):
    """Stands before the declared route, as which it counts in logs and metrics."""

    def __init__(self) -> None:
        [self._declared] = (
            route for route in router.routes if isinstance(route, APIRoute) and route.operation_id == "listEmployees"
        )

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http" or scope["path"] != _PATH or scope["method"] != "GET":
            return Match.NONE, {}
        parameters = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if not _PARAMETERS.issuperset(name for name, _ in parameters):
            return Match.NONE, {}
        try:
            paging = plain_paging(_PATH, parameters)
        except Problem:
            paging = None
        if paging is None:
            return Match.NONE, {}
        search_text = dict(parameters).get("searchTerm", "")
        return Match.FULL, {"route": self._declared, "path_params": {}, "listing": (paging, search_text)}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        paging, search_text = scope["listing"]
        response = await answer_page(scope["app"].state.employees, paging, search_text)
        await response(scope, receive, send)
