"""A short way past FastAPI's routing, injection and validation, which cost a small request more than its work does.

It is for the few routes whose number of requests a second matters. Each stays declared like every other, because the
declared route is what /docs shows, and what answers a request that is not plainly right with the problem that says why.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

ReadArguments = Callable[[Scope], Mapping[str, object] | None]
Resolve = Callable[[Request], Awaitable[object]]


class DirectRoute(BaseRoute):
    """Stands before a declared route, as which it counts in logs and metrics, and takes what is plainly right.

    `read_arguments` gives the endpoint's arguments that come from the request, or None to leave it to the declared
    route. What else the endpoint depends on is resolved here, so each such dependency must be a coroutine function
    that takes the request alone; those that give it nothing are for what is not plainly right, and left out. The
    endpoint must return a response.
    """

    def __init__(self, declared: APIRoute, read_arguments: ReadArguments) -> None:
        self.declared = declared
        self._methods = declared.methods or set()
        self._read_arguments = read_arguments
        self._request_parameter = declared.dependant.request_param_name
        self._dependencies = [
            (str(each.name), cast("Resolve", each.call)) for each in declared.dependant.dependencies if each.name
        ]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http" or scope["method"] not in self._methods:
            return Match.NONE, {}
        arguments = self._read_arguments(scope)
        if arguments is None:
            return Match.NONE, {}
        return Match.FULL, {"route": self.declared, "path_params": {}, "arguments": arguments}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        arguments = dict(scope["arguments"])
        if self._request_parameter is not None:
            arguments[self._request_parameter] = request
        for name, resolve in self._dependencies:
            if name not in arguments:
                arguments[name] = await resolve(request)
        response = await self.declared.endpoint(**arguments)
        await response(scope, receive, send)


def path_arguments(declared: APIRoute, forms: Mapping[str, str]) -> ReadArguments:
    """The parameters in the route's path, each of which must have the form that its pattern says; none in the query."""
    groups = {name: f"(?P<{name}>{form.removeprefix('^').removesuffix('$')})" for name, form in forms.items()}
    path = re.compile(declared.path_format.format_map(groups))

    def read(scope: Scope) -> Mapping[str, object] | None:
        found = path.fullmatch(scope["path"])
        return None if found is None or scope.get("query_string") else found.groupdict()

    return read
