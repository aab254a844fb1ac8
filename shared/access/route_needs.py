"""Finds what a request needs before it is routed: every template that its path fits, by a walk over its segments.

Invariant: no route of the application is without a need, or it does not start; and a path that fits several templates
needs what each of them does. So whichever of them the router takes, nothing is reached without its scope.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import Mount

from shared.access.callers import Need
from shared.errors import RollcallError

# The end of the address of a folder of files.
REST: Final = "*"
# Together they are at most a few hundred KiB.
_REMEMBERED: Final = 256
_REMEMBERED_CHARACTERS: Final = 120
_NAMES: Final = re.compile(r"{(\w+)}")


class UndeclaredRoute(RollcallError):
    """Routes of the application whose need nobody declared. The text says where to."""


class Match(NamedTuple):
    need: Need
    template: str
    parameters: Mapping[str, str]


class Matches:
    """All that an address fits, with what a request for it needs by any of them: worked out once an address."""

    def __init__(self, each: Sequence[Match]) -> None:
        self.each = each
        self.is_open = all(match.need.kind == "nothing" for match in each)
        self.changes = any(match.need.changes for match in each)
        self.takes_json = any(match.need.takes_json for match in each)
        self.brings_file = any(match.need.brings_file for match in each)


# Of what no route has.
NOWHERE: Final = Matches((Match(Need("a key", takes_json=False), "", {}),))


class _End(NamedTuple):
    need: Need
    template: str
    names: Sequence[str]


class _Node:
    def __init__(self) -> None:
        self.fixed: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.ends: dict[str, _End] = {}


class RouteNeeds:
    """By `"GET /v1/uploads/{upload_id}"`, what each route needs."""

    def __init__(self, declared: Mapping[str, Need]) -> None:
        self._declared = declared
        self._root = _Node()
        # Most requests ask for what was asked for before: the few addresses of queues, lists and probes.
        self._remembered = lru_cache(_REMEMBERED)(self._walked)
        for route, need in declared.items():
            method, _, path = route.partition(" ")
            self._insert(method, path, need)

    def require_all(self, app: FastAPI) -> None:
        """Raises `UndeclaredRoute`."""
        undeclared = sorted(set(routes_of(app)) - set(self._declared))
        if undeclared:
            raise UndeclaredRoute(
                f"Nobody said who may use {', '.join(undeclared)}: say it where the application declares its routes' "
                "needs. Until then it does not start, for a route that was forgotten would be open to all."
            )

    def matches(self, method: str, path: str) -> Matches:
        """`NOWHERE` for what is no route's, be it the address or the method."""
        return (self._remembered if len(path) <= _REMEMBERED_CHARACTERS else self._walked)(method, path)

    def _walked(self, method: str, path: str) -> Matches:
        found = tuple(
            Match(end.need, end.template, MappingProxyType(dict(zip(end.names, values, strict=True))))
            for node, values in _walk(self._root, path.split("/"), 0, ())
            if (end := _of_method(node, method)) is not None
        )
        return Matches(found) if found else NOWHERE

    def _insert(self, method: str, path: str, need: Need) -> None:
        node = self._root
        for segment in path.split("/"):
            if segment.startswith("{"):
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.fixed.setdefault(segment, _Node())
        node.ends[method] = _End(need, path, _NAMES.findall(path))


def routes_of(app: FastAPI) -> Iterator[str]:
    """Each as it has to be declared. Raises `UndeclaredRoute` for one that does not say its address."""
    for route in iter_route_contexts(app.router.routes):
        original = route.original_route
        # It stands before a declared route, and says no path of its own.
        declared = getattr(original, "declared", None)
        path, methods = (declared.path_format, declared.methods) if declared else (route.path_format, route.methods)
        if path is None:
            raise UndeclaredRoute(f"A route of the kind {type(original).__name__} does not say its address.")
        if isinstance(original, Mount):
            yield f"GET {path.partition('{')[0].rstrip('/')}/{REST}"
        else:
            # What answers GET answers HEAD alike.
            asked = set(methods or ())
            yield from (f"{method} {path}" for method in asked - ({"HEAD"} if "GET" in asked else set()))


def _walk(
    node: _Node, segments: list[str], position: int, values: tuple[str, ...]
) -> Iterator[tuple[_Node, tuple[str, ...]]]:
    if (rest := node.fixed.get(REST)) is not None:
        yield rest, values
    if position == len(segments):
        yield node, values
        return
    segment = segments[position]
    if (fixed := node.fixed.get(segment)) is not None:
        yield from _walk(fixed, segments, position + 1, values)
    if node.parameter is not None:
        yield from _walk(node.parameter, segments, position + 1, (*values, segment))


def _of_method(node: _Node, method: str) -> _End | None:
    end = node.ends.get(method)
    return node.ends.get("GET") if end is None and method == "HEAD" else end
