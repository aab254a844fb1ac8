"""Refuses a header that sends do not know: ignored, it would be taken for granted."""

from __future__ import annotations

from fastapi import Request
from fastapi.exceptions import RequestValidationError

IDEMPOTENCY_KEY = "Idempotency-Key"


def refuse_idempotency_key(request: Request) -> None:
    """For sends, which do not know the header: a client that gives one believes that it may send again."""
    if IDEMPOTENCY_KEY in request.headers:
        message = "Sends do not know it, and one that is repeated sends twice: leave it out"
        raise RequestValidationError([{"type": "value_error", "loc": ("header", IDEMPOTENCY_KEY), "msg": message}])
