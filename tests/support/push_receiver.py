"""An endpoint that pushes go to: it notes what comes, checks its signature, and answers what a test says."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

SECRET: Final = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@dataclass
class Push:
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def payload(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> dict[str, Any]:
        described: dict[str, Any] = json.loads(self.headers["rollcall-message"])
        return described

    def is_signed(self, secret: str) -> bool:
        """As a receiver would see for itself, without anything of ours."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = f"{self.id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        return self.headers["webhook-signature"] == f"v1,{expected}"


def status(number: int, **headers: str) -> bytes:
    lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items()]
    return f"HTTP/1.1 {number} Said\r\ncontent-length: 0\r\n{''.join(lines)}\r\n".encode()


HANG_UP: Final = b""
Answer = Callable[[Push], Awaitable[bytes]]


@dataclass
class Receiver:
    """`answers` are given in turn, the last one again and again."""

    url: str = ""
    secret: str = SECRET
    pushes: list[Push] = field(default_factory=list)
    answers: list[bytes | Answer] = field(default_factory=lambda: [status(204)])
    # What it is asked at once, and was at most.
    in_hand: int = 0
    most_in_hand: int = 0
    bytes_taken: int = 0

    @property
    def subscription(self) -> dict[str, str]:
        return {"url": self.url, "secret": self.secret}

    def payloads(self) -> list[Any]:
        return [push.payload for push in self.pushes]

    async def answer(self, push: Push) -> bytes:
        assert push.is_signed(self.secret), "a push came that was not signed by our secret"
        self.pushes.append(push)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer if isinstance(answer, bytes) else await answer(push)


@contextlib.asynccontextmanager
async def push_receiver(tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    receiver = Receiver()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        receiver.in_hand += 1
        receiver.most_in_hand = max(receiver.most_in_hand, receiver.in_hand)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                answer = await receiver.answer(await _read(reader))
                for begin in range(0, len(answer), 65536):
                    writer.write(answer[begin : begin + 65536])
                    await writer.drain()
                    receiver.bytes_taken = begin + 65536
        finally:
            receiver.in_hand -= 1
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        scheme = "http" if tls is None else "https"
        receiver.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook?of=test"
        yield receiver


async def _read(reader: asyncio.StreamReader) -> Push:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii")
    first, *lines = head.strip().split("\r\n")
    method, target, version = first.split(" ")
    assert (method, version) == ("POST", "HTTP/1.1")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Push(target, headers, await reader.readexactly(int(headers["content-length"])))
