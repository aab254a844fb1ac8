# Made from rollcall/_async/transport.py by `python -m tools.sync_client`: change that.
"""Requests to the service and what comes back: typed answers, problems as exceptions, repeats where they are safe."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote

import httpx2
import msgspec
import stamina

from rollcall.connection import USER_AGENT, Connection, problem_of, retry_pause, unreachable
from rollcall.errors import UnexpectedAnswer
from rollcall.sources import FormBody

Answer = TypeVar("Answer")

# An event stream of the service says something more often than this, be it a comment.
SILENCE_SECONDS: Final = 45.0


class Transport:
    """One connection pool. Of its methods only those that say so send anything twice."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        headers = {"User-Agent": USER_AGENT, "Accept": "application/json"}
        if connection.api_key:
            headers["Authorization"] = f"Bearer {connection.api_key}"
        self.http = httpx2.Client(
            base_url=connection.url,
            headers=headers,
            timeout=httpx2.Timeout(connection.timeout_seconds, connect=min(10.0, connection.timeout_seconds)),
            verify=connection.verify,
            transport=connection.transport,
        )

    def close(self) -> None:
        self.http.close()

    def call(
        self,
        method: str,
        path: str,
        into: type[Answer],
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        wait_seconds: float = 0,
        is_safe: bool | None = None,
    ) -> Answer:
        """Send a request, again if it only reads or `is_safe`, and decode the answer; None for a 204.

        `wait_seconds`: so long the service itself may wait before it answers.
        """
        response = self.send(
            method, path, params=params, json=json, headers=headers, wait_seconds=wait_seconds, is_safe=is_safe
        )
        return decoded(response, into)

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        wait_seconds: float = 0,
        is_safe: bool | None = None,
    ) -> httpx2.Response:
        """As `call`, the answer as it came. `is_safe` says it where the method alone does not."""
        all_headers = dict(headers or {})
        content = None
        if json is not None:
            content = msgspec.json.encode(json)
            all_headers["Content-Type"] = "application/json"
        for attempt in self._attempts(is_safe=method in ("GET", "PUT") if is_safe is None else is_safe):
            with attempt:
                request = self.http.build_request(
                    method, path, params=given(params), content=content, headers=all_headers
                )
                if wait_seconds:
                    request.extensions["timeout"]["read"] += wait_seconds
                return self._sent(request)
        raise AssertionError("stamina raises what the last attempt raised")

    def send_form(
        self, path: str, body: FormBody, into: type[Answer], *, headers: Mapping[str, str], is_safe: bool
    ) -> Answer:
        """`is_safe`: the body can be made once more, and the service knows the second for the first."""
        for attempt in self._attempts(is_safe=is_safe):
            with attempt:
                request = self.http.build_request(
                    "POST", path, content=body.blocks(), headers={**body.headers, **headers}
                )
                # While the service judges what was sent it says nothing; a large workbook takes it a minute.
                request.extensions["timeout"]["read"] += self.connection.judging_seconds
                return decoded(self._sent(request), into)
        raise AssertionError("stamina raises what the last attempt raised")

    @contextlib.contextmanager
    def stream(self, path: str, *, params: Mapping[str, Any] | None = None) -> Iterator[httpx2.Response]:
        """A download, opened again until it begins; then it is read once."""
        with contextlib.ExitStack() as stack:
            for attempt in self._attempts(is_safe=True):
                with attempt:
                    request = self.http.build_request("GET", path, params=given(params), headers={"Accept": "*/*"})
                    response = self._sent(request, stream=True)
            stack.callback(response.close)
            try:
                yield response
            except httpx2.TransportError as error:
                raise unreachable(self.connection, error) from error

    @contextlib.contextmanager
    def events(self, path: str, after: str | None) -> Iterator[httpx2.EventSource | None]:
        """Server-sent events behind that id, from one connection; None where there will be no more. Raises at once."""
        headers = {} if after is None else {"Last-Event-ID": after}
        timeout = httpx2.Timeout(self.connection.timeout_seconds, read=SILENCE_SECONDS)
        try:
            with self.http.sse(path, headers=headers, timeout=timeout) as events:
                if not events.response.is_success:
                    events.response.read()
                    raise problem_of(events.response)
                yield None if events.response.status_code == 204 else events
        except httpx2.TransportError as error:
            raise unreachable(self.connection, error) from error

    def _attempts(self, *, is_safe: bool) -> Any:
        return stamina.retry_context(
            on=lambda error: retry_pause(error, is_safe=is_safe),
            attempts=self.connection.attempts,
            timeout=None,
            wait_jitter=0.2,
        )

    def _sent(self, request: httpx2.Request, *, stream: bool = False) -> httpx2.Response:
        """Raises Problem, Unreachable."""
        try:
            response = self.http.send(request, stream=stream)
            if response.is_success:
                return response
            try:
                response.read()
            finally:
                response.close()
        except httpx2.TransportError as error:
            raise unreachable(self.connection, error) from error
        raise problem_of(response)


def decoded(response: httpx2.Response, into: type[Answer]) -> Answer:
    if into is type(None) or response.status_code == 204:
        return None  # type: ignore[return-value]
    try:
        return msgspec.json.decode(response.content, type=into)
    except msgspec.DecodeError as error:
        # Neither the text nor the value: it may be somebody's data.
        reason = str(error).partition(" - at ")
        raise UnexpectedAnswer(response.status_code, f"{reason[0]} {reason[2]}".strip()) from None


def given(params: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (params or {}).items() if value is not None}


def path_of(*parts: object) -> str:
    """An address below /v1, each part whole: a name with a slash in it is no other address."""
    return "/v1/" + "/".join(quote(str(part), safe="") for part in parts)
