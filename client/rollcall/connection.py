"""Where the service is and with which key, how errors of the network read, and which requests may be repeated."""

from __future__ import annotations

import os
import re
import ssl
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2
import msgspec

from rollcall.errors import BadTarget, NotNow, Problem, RollcallError, UnexpectedAnswer, Unreachable
from shared.version import VERSION

DEFAULT_URL: Final = "http://127.0.0.1:8000"
USER_AGENT: Final = f"rollcall-client/{VERSION}"


class NothingSent(Unreachable):
    """No connection came about, so the service has seen nothing of the request."""


@dataclass(frozen=True, kw_only=True)
class Connection:
    """`timeout_seconds`: how long the network may be silent. `verify`: how the server's certificate is checked."""

    url: str
    api_key: str | None = field(default=None, repr=False)
    timeout_seconds: float = 30.0
    # So often a request that may be repeated is sent, over about ten seconds.
    attempts: int = 8
    # So long `watch` looks for a service that is away.
    reconnect_seconds: float = 300.0
    # A workbook may take the service so long to read before it answers.
    judging_seconds: float = 270.0
    verify: ssl.SSLContext | bool = True
    async_transport: httpx2.AsyncBaseTransport | None = None
    transport: httpx2.BaseTransport | None = None


def connection_to(
    url: str | None, api_key: str | None, *, verify: ssl.SSLContext | str | None = None, **more: Any
) -> Connection:
    """What is not said comes from ROLLCALL_URL, ROLLCALL_API_KEY and ROLLCALL_CA_FILE. Raises BadTarget."""
    url = (url or os.environ.get("ROLLCALL_URL") or DEFAULT_URL).rstrip("/")
    api_key = api_key or os.environ.get("ROLLCALL_API_KEY") or None
    authorities = verify or os.environ.get("ROLLCALL_CA_FILE") or None
    _require_address(url)
    if api_key is not None and not re.fullmatch(r"[!-~]+", api_key):
        raise BadTarget(
            "The key has a character that no key has, such as a space or the … of a key that was cut short."
        )
    return Connection(url=url, api_key=api_key, verify=_trust(url, authorities), **more)


def _require_address(url: str) -> None:
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise BadTarget(f"{url} is no address: {error}") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise BadTarget(f"{url} is no address of a service: it begins with http:// or https://, such as {DEFAULT_URL}.")


def _trust(url: str, authorities: ssl.SSLContext | str | None) -> ssl.SSLContext | bool:
    if isinstance(authorities, str):
        try:
            return ssl.create_default_context(cafile=authorities)
        except OSError as error:
            raise BadTarget(f"The authorities in {authorities} cannot be read: {error.strerror or error}.") from None
    if authorities is not None:
        return authorities
    # To read every authority of the machine takes longer than most requests.
    return True if url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def unreachable(connection: Connection, error: httpx2.TransportError) -> Unreachable:
    is_unsent = isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)
    return (NothingSent if is_unsent else Unreachable)(connection.url, _reason(error))


def problem_of(response: httpx2.Response) -> RollcallError:
    """What an answer other than 2xx says."""
    try:
        document = msgspec.json.decode(response.content)
    except msgspec.DecodeError:
        document = None
    if isinstance(document, dict) and "code" in document:
        problem = Problem.of(response.status_code, document)
        if isinstance(problem, NotNow):
            problem.retry_after_seconds = _seconds(response.headers.get("Retry-After"))
        return problem
    return UnexpectedAnswer(response.status_code, response.reason_phrase or "no problem document")


def retry_pause(error: Exception, *, is_safe: bool) -> bool | float:
    """Whether a request is to be sent once more, and after how many seconds where the service says so."""
    if isinstance(error, NothingSent):
        return True
    if not is_safe:
        return False
    if isinstance(error, NotNow):
        return error.retry_after_seconds or True
    return isinstance(error, Unreachable) or (isinstance(error, UnexpectedAnswer) and error.status in (502, 503, 504))


def _reason(error: httpx2.TransportError) -> str:
    if isinstance(error, httpx2.TimeoutException):
        return "it does not answer in time"
    # Python's own number of it tells nobody anything.
    return re.sub(r"^\[Errno -?\d+\] ", "", str(error)) or type(error).__name__


def _seconds(text: str | None) -> float | None:
    """A date, which is the other form of Retry-After, is not what Rollcall sends."""
    return min(float(text), 60.0) if text is not None and text.isascii() and text.isdigit() else None
