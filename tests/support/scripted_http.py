"""A server that answers what a test says, request by request, or hangs up: what no service does on purpose."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

# As the service answers it.
EMPLOYEE: Final[dict[str, Any]] = {
    "id": 4,
    "employee_name": "Ada",
    "company_name": None,
    "mobile_no": None,
    "email": "ada@x.example",
    "createdAt": "2026-01-01T00:00:00Z",
    "updatedAt": "2026-01-01T00:00:00Z",
    "uploadId": None,
    "leftAt": None,
}


@dataclass
class Seen:
    method: str
    target: str
    headers: dict[str, str]
    body_bytes: int
    begin: bytes  # of the body, the first block


@dataclass
class Answer:
    """`hang_up` after so many bytes of the body, or say nothing at all."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    hang_up: int | None = None
    says_nothing: bool = False

    @classmethod
    def json(cls, document: object, status: int = 200, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(status, msgspec.json.encode(document), named)


# A list ends with its last answer again and again; a function makes one of each request.
Script = Iterable[Answer] | Callable[[Seen], Answer]


@contextlib.asynccontextmanager
async def scripted(script: Script) -> AsyncIterator[tuple[str, list[Seen]]]:
    """Its address, and the requests that came."""
    seen: list[Seen] = []
    answer = script if callable(script) else _in_order(iter(script))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            request = await _read(reader)
            seen.append(request)
            await _write(writer, answer(request))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", seen


def _in_order(answers: Iterator[Answer]) -> Callable[[Seen], Answer]:
    last = Answer()

    def next_answer(_: Seen) -> Answer:
        nonlocal last
        last = next(answers, last)
        return last

    return next_answer


async def _read(reader: asyncio.StreamReader) -> Seen:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    size, begin = 0, b""
    if headers.get("transfer-encoding") == "chunked":
        while length := int(await reader.readline(), 16):
            await reader.readexactly(length + 2)
            size += length
        await reader.readline()
    else:
        left = int(headers.get("content-length", "0"))
        while left:
            block = await reader.read(min(left, 65536))
            if not block:
                raise ConnectionResetError
            left -= len(block)
            size += len(block)
            begin = begin or block
    return Seen(method, target, headers, size, begin)


async def _write(writer: asyncio.StreamWriter, answer: Answer) -> None:
    if answer.says_nothing:
        return
    headers = {"Content-Length": str(len(answer.body)), "Connection": "close", **answer.headers}
    lines = [f"HTTP/1.1 {answer.status} Said", *(f"{name}: {value}" for name, value in headers.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode() + answer.body[: answer.hang_up])
    await writer.drain()
