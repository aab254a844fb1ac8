"""Refuses what a request says in its query beside what its route knows: ignored, it would be taken for granted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import get_args, get_origin

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute


async def refuse_unknown_parameters(request: Request) -> None:
    """A dependency of a whole application. Raises a validation error that names each parameter that the route does not
    declare or that comes twice where it may not, and says which there are.
    """
    # Most requests have no query, and pay for no more than this.
    if not request.scope["query_string"]:
        return
    given = Counter(name for name, _ in request.query_params.multi_items())
    route = request.scope["route"]
    assert isinstance(route, APIRoute)  # noqa: S101 - it is a dependency of those alone
    if getattr(route, "ignores_unknown_parameters", False):
        return
    takes_several = dict(_query_parameters(route.dependant))
    known = sorted(takes_several)
    unknown = f"This address has no such parameter in its query; it knows {', '.join(known) or 'none'}"
    wrong = [(name, unknown) for name in given if name not in known]
    repeated = [name for name, times in given.items() if times > 1]
    wrong += [(name, "Give it once") for name in repeated if not takes_several.get(name, True)]
    if wrong:
        raise RequestValidationError(
            [{"type": "value_error", "loc": ("query", name), "msg": message} for name, message in wrong]
        )


def _query_parameters(dependant: Dependant) -> Iterator[tuple[str, bool]]:
    """Each with whether it is a list of values."""
    yield from ((each.alias, _is_list(each.field_info.annotation)) for each in dependant.query_params)
    for each in dependant.dependencies:
        yield from _query_parameters(each)


def _is_list(annotation: object) -> bool:
    """Of a list, or of one that may be left out."""
    return any(get_origin(each) is list for each in (annotation, *get_args(annotation)))
