"""Whether messages may move to the queue that a request names beside its own."""

from __future__ import annotations

from fastapi import Request

from api_service.http.problems import Problem
from shared.access.callers import QUEUES, caller_in
from shared.access.refusals import scope_missing
from shared.service.request_body import invalid_body


def require_target(request: Request, queue: str, target: str | None) -> None:
    """The caller needs the other queue's scope, too. Raises `Problem`, and a validation error for the queue itself:
    what moves within one queue would never end."""
    if target is None:
        return
    if target == queue:
        raise invalid_body("Name another queue than the messages are in")
    if not caller_in(request.scope).reaches_queue(target):
        refusal = scope_missing(QUEUES + target)
        raise Problem(refusal.code, refusal.detail)
