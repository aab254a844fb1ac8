"""A body is refused before it is held where it is too large, given up where it does not come, and waits for room."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import Body, FastAPI, Request

from shared.service.byte_budget import BudgetSpent
from shared.service.request_body import BodyLimits, BodyRoom, held_body

MAX_BYTES = 200_000


def application(room: BodyRoom, busy: asyncio.Event) -> FastAPI:
    app = FastAPI()

    @app.post("/held")
    async def held(request: Request) -> int:
        async with held_body(request, room, max_bytes=MAX_BYTES, timeout_seconds=1) as content:
            if content.startswith(b"wait"):
                await busy.wait()
            return len(content)

    @app.post("/by-the-framework")
    async def by_the_framework(order: dict[str, str] = Body()) -> int:
        return len(order)

    app.add_middleware(BodyLimits, max_bytes=1000, timeout_seconds=1, own_limits=("/held",))
    return app


async def in_pieces(count: int, piece: bytes = b"x" * 10_000, *, pause: float = 0) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield piece
        await asyncio.sleep(pause)


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    room = BodyRoom(small_bytes=MAX_BYTES, large_bytes=MAX_BYTES, weight=1, wait_seconds=0.1)
    busy = asyncio.Event()
    transport = httpx2.ASGITransport(app=application(room, busy))
    async with httpx2.AsyncClient(transport=transport, base_url="http://service") as client:
        yield client
    busy.set()


@pytest.mark.parametrize("size", [0, 1, 60_000, 70_000, MAX_BYTES])
async def test_body_is_whole_with_and_without_its_length(client: httpx2.AsyncClient, size: int) -> None:
    assert (await client.post("/held", content=b"x" * size)).json() == size
    assert (await client.post("/held", content=in_pieces(1, b"x" * size))).json() == size


async def test_body_over_the_limit_is_refused_with_and_without_its_length(client: httpx2.AsyncClient) -> None:
    assert (await client.post("/held", content=b"x" * (MAX_BYTES + 1))).status_code == 413
    assert (await client.post("/held", content=in_pieces(21))).status_code == 413


async def test_body_that_does_not_come_is_given_up(client: httpx2.AsyncClient) -> None:
    assert (await client.post("/held", content=in_pieces(100, b"x", pause=0.05))).status_code == 408


async def test_what_the_framework_reads_by_itself_is_limited_too(client: httpx2.AsyncClient) -> None:
    assert (await client.post("/by-the-framework", json={"a": "b"})).json() == 1
    assert (await client.post("/by-the-framework", json={"a": "b" * 1000})).status_code == 413
    slow = in_pieces(100, b" ", pause=0.05)
    assert (await client.post("/by-the-framework", content=slow)).status_code == 408


async def test_large_bodies_wait_for_each_other_and_small_ones_pass(client: httpx2.AsyncClient) -> None:
    first = asyncio.create_task(client.post("/held", content=b"wait" + b"x" * 150_000))
    await asyncio.sleep(0)
    with pytest.raises(BudgetSpent):
        await client.post("/held", content=b"x" * 150_000)

    assert (await client.post("/held", content=b"x")).json() == 1
    first.cancel()
