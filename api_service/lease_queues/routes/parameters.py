"""Refuses what a request says beside what its route knows: ignored, it would be taken for granted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

IDEMPOTENCY_KEY = "Idempotency-Key"


async def refuse_unknown_parameters(request: Request) -> None:
    """Raises a validation error for a parameter in the query that the route does not declare, or that comes twice."""
    given = Counter(name for name, _ in request.query_params.multi_items())
    if not given:
        return
    route = request.scope["route"]
    assert isinstance(route, APIRoute)  # noqa: S101 - it is a dependency of those alone
    known = set(_query_parameters(route.dependant))
    wrong = [(name, "This address has no such parameter") for name in given if name not in known]
    wrong += [(name, "Give it once") for name, times in given.items() if name in known and times > 1]
    if wrong:
        raise RequestValidationError(
            [{"type": "value_error", "loc": ("query", name), "msg": message} for name, message in wrong]
        )


def _query_parameters(dependant: Dependant) -> Iterator[str]:
    yield from (each.alias for each in dependant.query_params)
    for each in dependant.dependencies:
        yield from _query_parameters(each)


def refuse_idempotency_key(request: Request) -> None:
    """For sends, which do not know the header: a client that gives one believes that it may send again."""
    if IDEMPOTENCY_KEY in request.headers:
        message = "Sends do not know it, and one that is repeated sends twice: leave it out"
        raise RequestValidationError([{"type": "value_error", "loc": ("header", IDEMPOTENCY_KEY), "msg": message}])
