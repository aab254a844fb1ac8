"""What pages know and do: they ask the API's own routes, in this process, so they can do nothing that it cannot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

import msgspec
import structlog
from fastapi import Request
from starlette.datastructures import FormData, Headers
from starlette.types import Message, Receive

from shared.access.callers import SCOPE_KEY

_INHERITED: Final = ("type", "asgi", "http_version", "server", "client", "scheme", "root_path", "state", SCOPE_KEY)


class Refused(Exception):
    """The API answered with a problem: its document."""

    def __init__(self, document: Mapping[str, Any], headers: Headers) -> None:
        super().__init__(document["code"])
        self.document = document
        self.status: int = document["status"]
        self.headers = headers


class Answer(NamedTuple):
    """`document` is None where an answer has no body."""

    status: int
    headers: Headers
    document: Any


class OwnApi:
    """For one request of a page, whose client is the API's client too. Each method raises `Refused`."""

    def __init__(self, request: Request) -> None:
        self._request = request

    async def get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """The document at this address; what is None in the query is left out."""
        given = {name: value for name, value in (query or {}).items() if value is not None}
        return (await self._ask("GET", path, query=urlencode(given, doseq=True))).document

    async def send(
        self,
        method: str,
        path: str,
        document: Any = None,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """`document` as JSON; without one the request has no body."""
        body = b"" if document is None else msgspec.json.encode(document)
        sent = {**(headers or {}), "content-length": str(len(body))}
        if document is not None:
            sent["content-type"] = "application/json"
        return await self._ask(method, path, query=urlencode(query or {}), headers=sent, body=body)

    async def form(self) -> FormData:
        """Of the page's own request, whose body is kept: what is asked then waits for its client's end behind it."""
        await self._request.body()
        return await self._request.form()

    async def pass_on(self, path: str) -> Answer:
        """The body of the page's own request, as it comes: nothing of a file is held here."""
        headers = {
            name: self._request.headers[name]
            for name in ("content-type", "content-length")
            if name in self._request.headers
        }
        return await self._ask("POST", path, headers=headers, receive=self._request.receive)

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        receive: Receive | None = None,
    ) -> Answer:
        collected = bytearray()
        start: Message = {}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                collected.extend(message.get("body", b""))

        scope = {name: self._request.scope[name] for name in _INHERITED if name in self._request.scope}
        scope |= {"method": method, "path": path, "raw_path": path.encode(), "query_string": query.encode()}
        # Both have one id in the log.
        given = {"x-request-id": structlog.contextvars.get_contextvars()["request_id"], **(headers or {})}
        scope["headers"] = [(name.encode(), value.encode("latin-1")) for name, value in given.items()]
        # Through all layers, so that what holds for the API's clients holds for a page.
        await self._request.app(scope, receive or await self._after_page(body), send)
        answered = Headers(raw=list(start.get("headers", ())))
        document: Any = msgspec.json.decode(collected) if collected else None
        if start["status"] >= 400:
            raise Refused(document, answered)
        return Answer(start["status"], answered, document)

    async def _after_page(self, body: bytes) -> Receive:
        """This body, and then what becomes of the page's client: a long search ends when nobody waits for it."""
        await self._request.body()
        is_sent = False

        async def receive() -> Message:
            nonlocal is_sent
            if is_sent:
                return await self._request.receive()
            is_sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        return receive
