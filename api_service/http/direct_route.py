"""A short way past FastAPI's routing, injection and validation, which cost a small request more than its work does.

For the few routes whose number of requests a second matters. Each stays declared like every other: that is what /docs
shows, and what answers a request that is not plainly right with the problem that says why.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

ReadArguments = Callable[[Scope], Mapping[str, object] | None]


class DirectRoute(BaseRoute):
    """Stands before a declared route, as which it counts in logs and metrics, and takes what is plainly right.

    `read_arguments` gives the endpoint's arguments that come from the request, or None to leave it to the declared
    route. What else the endpoint asks for of `request`, `employees`, `queues` and `settings`, it gets besides; it
    returns a response.
    """

    def __init__(self, declared: APIRoute, read_arguments: ReadArguments) -> None:
        self._declared = declared
        self._methods = declared.methods or set()
        self._read_arguments = read_arguments
        self._parameters = tuple(inspect.signature(declared.endpoint).parameters)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http" or scope["method"] not in self._methods:
            return Match.NONE, {}
        arguments = self._read_arguments(scope)
        if arguments is None:
            return Match.NONE, {}
        return Match.FULL, {"route": self._declared, "path_params": {}, "arguments": arguments}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = scope["app"].state
        given = {
            "request": Request(scope, receive, send),
            "employees": state.employees,
            "queues": state.lease_queues,
            "settings": state.settings,
            **scope["arguments"],
        }
        response = await self._declared.endpoint(**{name: given[name] for name in self._parameters})
        await response(scope, receive, send)


def path_arguments(declared: APIRoute, forms: Mapping[str, str]) -> ReadArguments:
    """The parameters in the route's path, each of which must have the form that its pattern says."""
    groups = {name: f"(?P<{name}>{form.removeprefix('^').removesuffix('$')})" for name, form in forms.items()}
    path = re.compile(declared.path_format.format_map(groups))

    def read(scope: Scope) -> Mapping[str, object] | None:
        found = path.fullmatch(scope["path"])
        return None if found is None else found.groupdict()

    return read
