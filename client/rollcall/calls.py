"""Which operation of the service's OpenAPI document a method is, by its id; a test holds the two to each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])


def calls(*operation_ids: str) -> Callable[[Method], Method]:
    def mark(method: Method) -> Method:
        method.__operations__ = operation_ids  # type: ignore[attr-defined]
        return method

    return mark
