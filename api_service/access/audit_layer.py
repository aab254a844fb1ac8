"""Notes who did what, before whoever asked for it is told that it is done.

Invariant: nothing that was done or refused is answered before its entry is committed. Where the database does not take
the entry, what was done is not undone: the log says so, and a counter that an alert can watch.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import structlog
from prometheus_client import Counter
from starlette.datastructures import Headers

from api_service.access import audit_log
from shared.access.callers import MATCHES_KEY, SCOPE_KEY, Caller
from shared.database.engine import DATABASE_ERRORS
from shared.service.telemetry import describe_error

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger(__name__)

LOST_ENTRIES = Counter("rollcall_api_audit_entries_lost_total", "Entries of the audit that the database did not take")
# Nobody's name, whatever stood in the address.
_PLAIN: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")


class AuditLayer:
    """Stands before the layer that asks for keys, so that it sees what that one refuses, too.

    Of strangers nothing is noted: they would decide how large the table becomes. The request log has them.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._late: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_when_noted(message: Message) -> None:
            if message["type"] == "http.response.start" and (entry := _entry(scope, message)) is not None:
                await self._note(scope, entry)
            await send(message)

        await self._app(scope, receive, send_when_noted if scope["type"] == "http" else send)

    async def _note(self, scope: Scope, entry: dict[str, Any]) -> None:
        if entry["status"] < 500:
            await _insert(scope, entry)
        else:
            # The database may be what failed: nobody waits for it once more to be told so.
            late = asyncio.create_task(_insert(scope, entry), name="audit")
            self._late.add(late)
            late.add_done_callback(self._late.discard)


def _entry(scope: Scope, start: Message) -> dict[str, Any] | None:
    """None for what is not noted."""
    matches, caller = scope.get(MATCHES_KEY, ()), scope.get(SCOPE_KEY)
    match = next((match for match in matches if match.need.action is not None), None)
    if match is None or not isinstance(caller, Caller):
        return None
    status: int = start["status"]
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        # Its address has actions, but this is none of them.
        return None
    location = Headers(raw=start.get("headers", [])).get("location") if status < 300 else None
    return {
        "action": match.need.action,
        "object": location or _described(match.template, match.parameters),
        "caller": caller.name,
        "key_id": caller.key_id,
        "address": scope["client"][0] if scope.get("client") else None,
        "status": status,
        "outcome": "done" if status < 400 else "failed" if status >= 500 else "refused",
        "request_id": structlog.contextvars.get_contextvars().get("request_id"),
    }


async def _insert(scope: Scope, entry: dict[str, Any]) -> None:
    try:
        async with scope["app"].state.engine.begin() as connection:
            await audit_log.insert_entry(connection, entry)
    except DATABASE_ERRORS as error:
        LOST_ENTRIES.inc()
        log.error("the audit did not take an entry", action=entry["action"], **describe_error(error))


def _described(template: str, parameters: Mapping[str, str]) -> str:
    """The address, without what is no plain word in it: it may be anything that somebody typed."""
    return template.format_map(
        {name: value if _PLAIN.fullmatch(value) else f"{{{name}}}" for name, value in parameters.items()}
    )
