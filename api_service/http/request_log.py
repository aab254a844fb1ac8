"""One log line and two metrics a request, by its route: addresses and queries can hold what people search for."""

from __future__ import annotations

import re
import secrets
import time
from functools import cache
from typing import TYPE_CHECKING, Any

import structlog
from prometheus_client import Counter, Histogram

from shared.access.callers import SCOPE_KEY

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger(__name__)

REQUESTS = Counter("rollcall_api_requests_total", "Requests answered", ["method", "route", "status"])
DURATION = Histogram("rollcall_api_request_seconds", "Time to the end of the answer", ["method", "route"])

# Asked every few seconds by machines.
_QUIET = frozenset({"/livez", "/readyz", "/metrics"})
_request_id = re.compile(r"[A-Za-z0-9._-]{1,64}")
_methods = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestLog:
    """Gives each request an id (its own `X-Request-ID` if that is a plain word), on every line logged for it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _given_id(scope) or secrets.token_hex(16)
        # Never unbound: the server runs each request in a context of its own, and logs a crash after we are gone.
        structlog.contextvars.bind_contextvars(request_id=request_id)
        status = 500
        begin = time.perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            _record(scope, status, time.perf_counter() - begin)


def _given_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            text: str = value.decode("latin-1")
            return text if _request_id.fullmatch(text) else None
    return None


def _record(scope: Scope, status: int, seconds: float) -> None:
    route = _route_template(scope)
    method = scope["method"] if scope["method"] in _methods else "other"
    answered, duration = _metrics_of(method, route, status)
    answered.inc()
    duration.observe(seconds)
    if route not in _QUIET:
        log.info("request", method=method, route=route, status=status, seconds=round(seconds, 4), **_ids(scope))


# As many as there are: each is in memory anyway, and looking it up costs more than to count.
@cache
def _metrics_of(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(method, route, status), DURATION.labels(method, route)


def _route_template(scope: Scope) -> str:
    return getattr(scope.get("route"), "path", None) or "unknown"


def _ids(scope: Scope) -> dict[str, Any]:
    """Of the upload that it is about, and of the key that it came with."""
    upload_id, caller = scope.get("path_params", {}).get("upload_id"), scope.get(SCOPE_KEY)
    ids = {} if upload_id is None or not _request_id.fullmatch(str(upload_id)) else {"upload_id": str(upload_id)}
    return ids if caller is None or caller.key_id is None else {**ids, "key": caller.key_id}
