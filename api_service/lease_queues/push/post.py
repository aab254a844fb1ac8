"""Makes one request of a push: to an address that was looked at, without redirects, within a time and a few bytes."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

import httptools

from api_service.lease_queues.push.addresses import PushRefused
from shared.errors import RollcallError
from shared.service.error_reasons import reason_of_network

if TYPE_CHECKING:
    from api_service.lease_queues.push.addresses import PushAddresses, PushUrl

# Of a host with several addresses each has so long.
_CONNECT_SECONDS: Final = 5.0
_HEAD_BYTES: Final = 64 * 1024
# What is read of an answer's body, so that its sender is not cut off in the middle of a word; it is thrown away.
_BODY_BYTES: Final = 64 * 1024
_BODY_SECONDS: Final = 1.0
_BLOCK_BYTES: Final = 16 * 1024
_TLS_GOODBYE_SECONDS: Final = 1.0


class PushFailed(RollcallError):
    """No answer came. The text says why; it quotes neither the address nor what was pushed."""


class Answered(NamedTuple):
    status: int
    retry_after_seconds: int | None


class Poster:
    def __init__(self, addresses: PushAddresses, *, timeout_seconds: float) -> None:
        self._addresses = addresses
        self._timeout_seconds = timeout_seconds

    async def post(self, url: PushUrl, headers: Mapping[str, str], body: bytes) -> Answered:
        """Raises `PushFailed`."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                reader, writer = await self._connect(url)
                try:
                    # Nobody waits until it is taken: an answer may come before, and the time is bounded.
                    writer.writelines((_head(url, headers, body), body))
                    answer = await _read_head(reader)
                except BaseException:
                    writer.transport.abort()
                    raise
            await _read_body(reader, writer, answer)
        except PushRefused as refusal:
            raise PushFailed(str(refusal)) from None
        except (OSError, TimeoutError) as error:
            raise PushFailed(reason_of_network(error) or "it cannot be connected to") from error
        return Answered(answer.status, answer.retry_after_seconds)

    async def _connect(self, url: PushUrl) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        *others, last = await self._addresses.of(url)
        for address in others:
            with contextlib.suppress(OSError, TimeoutError):
                return await self._connect_to(address, url)
        return await self._connect_to(last, url)

    async def _connect_to(self, address: str, url: PushUrl) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with asyncio.timeout(_CONNECT_SECONDS):
            if url.scheme == "http":
                return await asyncio.open_connection(address, url.port)
            return await asyncio.open_connection(
                address,
                url.port,
                ssl=self._authorities,
                # The certificate has to be the name's, whatever address it is connected to.
                server_hostname=url.host.rstrip("."),
                ssl_shutdown_timeout=_TLS_GOODBYE_SECONDS,
            )

    @cached_property
    def _authorities(self) -> ssl.SSLContext:
        return ssl.create_default_context()


class _AnswerHead:
    """What httptools calls; an interim answer (1xx) is not yet the answer."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.status = 0
        self.retry_after_seconds: int | None = None
        self.has_ended = False
        self._retry_after = b""

    def feed(self, block: bytes) -> None:
        """Raises `PushFailed`. What comes behind the status cannot take it back."""
        try:
            self.parser.feed_data(block)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not self.status:
                raise PushFailed("what it answers is no HTTP") from None
            self.has_ended = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"retry-after":
            self._retry_after = value

    def on_headers_complete(self) -> None:
        status = self.parser.get_status_code()
        if status >= 200:
            self.status = status
            self.retry_after_seconds = seconds_of(self._retry_after.decode("latin-1"), datetime.now(UTC))

    def on_message_complete(self) -> None:
        self.has_ended = self.status > 0


def seconds_of(retry_after: str, now: datetime) -> int | None:
    """Of a header's value, in seconds or as a time; None for what is neither."""
    if retry_after.strip().isdecimal():
        # As many digits as anybody could mean: Python refuses thousands of them.
        return int(retry_after.strip()[:10])
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0, round((moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds()))


def _head(url: PushUrl, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [
        f"POST {url.target} HTTP/1.1",
        f"host: {url.authority}",
        f"content-length: {len(body)}",
        "connection: close",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


async def _read_head(reader: asyncio.StreamReader) -> _AnswerHead:
    answer, read = _AnswerHead(), 0
    while not answer.status:
        block = await reader.read(_BLOCK_BYTES)
        if not block:
            raise ConnectionResetError
        answer.feed(block)
        read += len(block)
        if not answer.status and read > _HEAD_BYTES:
            raise PushFailed("the head of its answer has no end")
    return answer


async def _read_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: _AnswerHead) -> None:
    """The status has decided, so nothing that goes wrong here counts."""
    read = 0
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_BODY_SECONDS):
            while not answer.has_ended and read < _BODY_BYTES and (block := await reader.read(_BLOCK_BYTES)):
                answer.feed(block)
                read += len(block)
    if answer.has_ended:
        writer.close()
    else:
        writer.transport.abort()
