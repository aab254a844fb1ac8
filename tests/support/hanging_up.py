"""Clients that hang up in the middle: a request on a bare socket, so much of its answer, and the end of the line."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any
from urllib.parse import urlsplit

from tests.support.uploads import HEADER, UPLOAD

# So little that the sender has to wait for its reader long before a large answer is through.
RECEIVE_BUFFER_BYTES = 64 * 1024


class Caller:
    """A connection of its own for each call, which is cut, not closed."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname, parts.port

    async def hang_up_in_answer(self, path: str, *, after_bytes: int) -> None:
        _, reader, writer = await self._send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        received = b""
        while len(received) < after_bytes:
            block = await reader.read(after_bytes - len(received))
            assert block, f"{path} ended early: {received[-500:]!r}"
            received += block
        writer.transport.abort()

    async def call_and_wait(self, path: str, body: Any) -> asyncio.StreamWriter:
        """Of a call that is answered later: hang up with `transport.abort()`."""
        content = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(content)}\r\n"
        _, _, writer = await self._send(f"{head}Content-Type: application/json\r\n\r\n".encode() + content)
        return writer

    async def begin_upload(self, rows: bytes) -> asyncio.StreamWriter:
        """A body that says it is twice as long as what comes: hang up with `transport.abort()`."""
        form = b'--b\r\nContent-Disposition: form-data; name="employee_data"; filename="a.csv"\r\n\r\n' + HEADER + rows
        head = f"POST {UPLOAD} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {2 * len(form)}\r\n"
        _, _, writer = await self._send(f"{head}Content-Type: multipart/form-data; boundary=b\r\n\r\n".encode() + form)
        return writer

    async def _send(self, request: bytes) -> tuple[socket.socket, asyncio.StreamReader, asyncio.StreamWriter]:
        line = socket.socket()
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        line.setblocking(False)
        await asyncio.get_running_loop().sock_connect(line, (self._host, self._port))
        reader, writer = await asyncio.open_connection(sock=line)
        writer.write(request)
        await writer.drain()
        return line, reader, writer
