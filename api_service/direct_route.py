"""A short way past FastAPI's routing, injection and validation, which cost a small request more than its work does.

For the few routes whose number of requests a second matters. Each stays declared like every other: that is what /docs
shows, and what answers a request that is not plainly right with the problem that says why.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send


class DirectRoute(BaseRoute):
    """Stands before a declared route and takes the requests whose path has the form that the parameters must have.

    `forms` are the patterns of the path's parameters. The endpoint is called with these, and with what it asks for of
    `request`, `queues` and `settings`; it returns a response.
    """

    def __init__(self, declared: APIRoute, forms: Mapping[str, str]) -> None:
        self._declared = declared
        self._methods = declared.methods or set()
        groups = {name: f"(?P<{name}>{form.removeprefix('^').removesuffix('$')})" for name, form in forms.items()}
        self._path = re.compile(declared.path_format.format_map(groups))
        self._parameters = tuple(inspect.signature(declared.endpoint).parameters)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http" or scope["method"] not in self._methods:
            return Match.NONE, {}
        found = self._path.fullmatch(scope["path"])
        if found is None:
            return Match.NONE, {}
        return Match.FULL, {"route": self._declared, "path_params": found.groupdict()}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = scope["app"].state
        given = {
            "request": Request(scope, receive, send),
            "queues": state.lease_queues,
            "settings": state.settings,
            **scope["path_params"],
        }
        response = await self._declared.endpoint(**{name: given[name] for name in self._parameters})
        await response(scope, receive, send)
