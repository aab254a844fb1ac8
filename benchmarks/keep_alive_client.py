"""An HTTP client that costs next to nothing, so that the server is what is measured."""

from __future__ import annotations

import asyncio
from typing import NamedTuple


class Answer(NamedTuple):
    status: int
    body: bytes


def request_bytes(method: str, path: str, body: bytes = b"", key: str = "") -> bytes:
    """A request that can be sent any number of times; without a key it is for a service that asks for none."""
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    if key:
        head += f"Authorization: Bearer {key}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class KeepAliveClient(asyncio.Protocol):
    """One connection, one request at a time. Understands answers with a Content-Length, and those without a body."""

    def __init__(self) -> None:
        self._received = b""
        self._whole_bytes = 0
        self._body_begin = 0
        self._transport: asyncio.Transport
        self._answered: asyncio.Future[Answer] | None = None

    @classmethod
    async def connect(cls, host: str, port: int) -> KeepAliveClient:
        client = cls()
        client._transport, _ = await asyncio.get_running_loop().create_connection(lambda: client, host, port)
        return client

    def close(self) -> None:
        self._transport.close()

    def request(self, request: bytes) -> asyncio.Future[Answer]:
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answered

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._whole_bytes:
            self._read_head()
        if self._whole_bytes and len(self._received) >= self._whole_bytes:
            answer = Answer(int(self._received[9:12]), self._received[self._body_begin :])
            self._received, self._whole_bytes = b"", 0
            if self._answered is not None:
                self._answered.set_result(answer)

    def _read_head(self) -> None:
        head_end = self._received.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = self._received[:head_end].lower()
        _, _, length = head.partition(b"\r\ncontent-length:")
        self._body_begin = head_end + 4
        self._whole_bytes = self._body_begin + int(length.partition(b"\r\n")[0] or 0)

    def connection_lost(self, error: Exception | None) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(error or ConnectionResetError("the server closed the connection"))
