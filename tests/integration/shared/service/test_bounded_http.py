"""What a client can make a service hold or wait for has an end, and a refusal is an answer that the client can read."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from shared.service import bounded_http
from shared.service.bounded_http import BoundedHttp
from tests.support.api import served
from tests.support.patience import patience
from tests.support.waiting import eventually

MEBIBYTE = 1024 * 1024
HEAD = b"GET / HTTP/1.1\r\nHost: rollcall\r\n"
CLOSE = b"Connection: close\r\n\r\n"


def application() -> FastAPI:
    app = FastAPI()

    @app.get("/")
    @app.post("/unread")
    async def answer_at_once() -> str:
        return "well"

    @app.post("/size")
    async def size(request: Request) -> int:
        return sum([len(block) async for block in request.stream()])

    @app.get("/large")
    async def large() -> Response:
        return Response(b"x" * 8 * MEBIBYTE)

    @app.get("/late")
    async def late() -> str:
        await asyncio.sleep(2)
        return "late"

    @app.api_route("/late-end", methods=["GET", "HEAD"])
    async def late_end() -> StreamingResponse:
        async def blocks() -> AsyncIterator[bytes]:
            yield b'"well"'
            await asyncio.sleep(0.5)

        return StreamingResponse(blocks(), headers={"Content-Length": "6"})

    return app


@pytest.fixture(autouse=True)
def time_to_send(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who still sends after the answer is cut off in the end, but on a slow machine not before it has sent all."""
    monkeypatch.setattr(bounded_http, "LINGER_SECONDS", bounded_http.LINGER_SECONDS * patience())


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with served(application(), lifespan="off") as address:
        yield urlsplit(address).port or 0


async def answer_to(port: int, parts: Sequence[bytes], *, seconds: float = 20) -> tuple[int, Any]:
    """The status and the body of the one answer that comes to these bytes, until the service closes; 0 for none."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        async with asyncio.timeout(seconds * patience()):
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    finally:
        writer.close()
    if not head:
        return 0, None
    return int(head.split()[1]), json.loads(body)


async def test_usual_requests_are_answered_one_after_the_other_on_one_connection(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(3):
        writer.write(b"POST /size HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        assert await reader.readexactly(6) == b"300000"
    writer.close()


@pytest.mark.parametrize(
    "parts",
    [
        [HEAD, b"X: ", *[b"a" * MEBIBYTE] * 20],
        [HEAD, b"X: " + b"a" * 70_000 + b"\r\n\r\n"],
        [HEAD, *[b"X: a\r\n" * 1000] * 100],
        [HEAD, b"X: a\r\n" * 101, b"\r\n"],
        [b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n"],
        [
            b"POST /size HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: ",
            *[b"a" * MEBIBYTE] * 20,
        ],
    ],
    ids=["one endless header", "one long header", "endless headers", "101 headers", "long address", "endless trailer"],
)
async def test_a_head_or_trailer_that_is_too_large_is_refused_with_an_answer(port: int, parts: list[bytes]) -> None:
    status, problem = await answer_to(port, parts)

    assert (status, problem["code"]) == (431, "headers_too_large")


async def test_a_head_within_the_limits_is_taken(port: int) -> None:
    assert await answer_to(port, [HEAD, b"X: " + b"a" * 60_000 + b"\r\n", b"Y: a\r\n" * 90, CLOSE]) == (200, "well")


async def test_a_head_that_does_not_end_is_given_up(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_http, "HEAD_SECONDS", 1)
    status, problem = await answer_to(port, [HEAD])

    assert (status, problem["code"]) == (408, "headers_timeout")
    # A connection that asks for nothing is closed without a word.
    assert await answer_to(port, []) == (0, None)


async def test_a_request_that_takes_longer_than_a_head_may_is_answered(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_http, "HEAD_SECONDS", 1)

    assert await answer_to(port, [b"GET /late HTTP/1.1\r\nHost: a\r\n", CLOSE]) == (200, "late")


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
async def test_who_has_every_byte_of_an_answer_may_ask_again_before_the_application_knows(
    port: int, method: bytes
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(20 * patience()):
        for _ in range(2):
            writer.write(method + b" /late-end HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
            if method == b"GET":
                assert await reader.readexactly(6) == b'"well"'
        writer.write(b"POST /size HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert await reader.readexactly(6) == b"300000"
    writer.close()


async def test_requests_behind_one_that_is_not_answered_are_left_unread(port: int) -> None:
    parts = [b"GET /late HTTP/1.1\r\nHost: a\r\n\r\n", *[(HEAD + b"\r\n") * 1000] * 20]

    assert await answer_to(port, parts) == (200, "late")


async def test_an_answer_that_comes_before_the_end_of_the_body_is_read_and_the_rest_is_not_waited_for(
    port: int,
) -> None:
    head = b"POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 500000000\r\n\r\n"

    assert await answer_to(port, [head, *[b"x" * MEBIBYTE] * 20]) == (200, "well")


async def test_what_is_no_http_is_refused_as_a_problem(port: int) -> None:
    status, problem = await answer_to(port, [b"\x00\x01\x02 hello\r\n\r\n"])

    assert (status, problem["code"]) == (400, "invalid_request")


async def test_answers_that_nobody_takes_are_dropped_and_others_are_served(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_http, "HELD_BYTES", 4 * MEBIBYTE)
    monkeypatch.setattr(bounded_http, "TAKING_SECONDS", 0)
    monkeypatch.setattr(BoundedHttp, "_held_at_most", 0)
    connections = [await asyncio.open_connection("127.0.0.1", port, limit=1024) for _ in range(20)]
    for _, writer in connections:
        writer.write(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")

    assert await answer_to(port, [HEAD, CLOSE]) == (200, "well")
    for reader, writer in connections:
        # Some had all of theirs in the kernel's buffers; none is waited for.
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(8 * MEBIBYTE + 10_000)
        writer.close()


async def test_an_answer_of_which_nothing_is_taken_is_given_up(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_http, "STALL_SECONDS", 0.3)
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")

    def is_cut_off() -> bool:
        try:
            client.send(b"x")
        except ConnectionError:
            return True
        return False

    await eventually(is_cut_off, seconds=10)
    client.close()


async def test_new_connections_take_the_place_of_idle_ones(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_http, "CONNECTIONS", 10)
    idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(30)]

    assert await answer_to(port, [HEAD, CLOSE]) == (200, "well")
    for _, writer in idle:
        writer.close()
