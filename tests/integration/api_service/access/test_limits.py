"""A caller who has too much in hand waits, and nobody else does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx2

from api_service.settings import ApiSettings
from tests.support.keys import bearer, guarded_api, make_key
from tests.support.patience import patience
from tests.support.queues import assert_problem
from tests.support.uploads import HEADER, UPLOAD, send


async def test_files_and_requests_at_once_are_bounded_for_each_caller(settings: ApiSettings) -> None:
    first = bearer(await make_key(settings, "upload", "queues:*", name="payroll"))
    second = bearer(await make_key(settings, "upload", "queues:*", name="payroll"))
    other = bearer(await make_key(settings, "upload", name="sales"))
    limited = settings.model_copy(update={"key_uploads_at_once": 1, "key_requests_at_once": 2})
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow_file() -> AsyncIterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="employee_data"; filename="a.csv"\r\n\r\n' + HEADER
        arrived.set()
        await go_on.wait()
        yield b"\r\n--b--\r\n"

    async with guarded_api(limited) as api, asyncio.timeout(120 * patience()):
        headers = {"Content-Type": "multipart/form-data; boundary=b", **first}
        slow = asyncio.create_task(api.post(UPLOAD, content=slow_file(), headers=headers))
        await arrived.wait()
        while (refused := await _send(api, second)).status_code == 202:
            """The first is on its way."""
        assert_problem(refused, 429, "too_many_at_once")
        assert refused.headers["Retry-After"] == "1"
        assert refused.headers["RateLimit-Policy"] == '"uploads-at-once";q=1'
        assert refused.headers["RateLimit"] == '"uploads-at-once";r=0;t=1'
        assert (await _send(api, other)).status_code == 202

        # What waits at a queue is in hand: with the file it is all that these keys may have.
        waiting = {"consumerId": "c", "waitSeconds": 20}

        async def received() -> httpx2.Response:
            while (answer := await api.post("/v1/queues/q/receive", json=waiting, headers=second)).status_code == 429:
                """It met a request of those below, which was in hand for a moment."""
            return answer

        receiver = asyncio.create_task(received())
        while (answer := await api.get("/v1/self", headers=first)).status_code == 200:
            """Nor has that one come yet."""
        assert_problem(answer, 429, "too_many_at_once")
        go_on.set()
        assert (await slow).status_code == 202
        assert (await api.post("/v1/queues/q/messages", json={"payload": 1}, headers=first)).status_code == 201
        assert (await receiver).status_code == 200
        assert (await _send(api, second)).status_code == 202


async def _send(api: httpx2.AsyncClient, key: dict[str, str]) -> httpx2.Response:
    api.headers.update(key)
    try:
        return await send(api)
    finally:
        del api.headers["Authorization"]
