"""Runs the API in the test's own event loop, behind a real uvicorn on a free port."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import uvicorn

from api_service.app import create_app
from api_service.settings import ApiSettings
from tests.support.waiting import eventually

START_SECONDS = 20


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ctrl-C belongs to pytest."""
        yield


def api_settings(database_url: str, amqp_url: str, upload_store_url: str, **own: Any) -> ApiSettings:
    """Settings by field name, whatever the environment says."""
    return ApiSettings.model_validate(
        {"database_url": database_url, "amqp_url": amqp_url, "upload_store_url": upload_store_url, **own}
    )


@contextlib.asynccontextmanager
async def running_api(settings: ApiSettings, *, until: str = "/readyz") -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an API, once that probe of it succeeds."""
    config = uvicorn.Config(
        create_app(settings),
        host="127.0.0.1",
        port=0,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve())
    try:
        await eventually(lambda: server.started, seconds=START_SECONDS)
        port = server.servers[0].sockets[0].getsockname()[1]
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            await eventually(lambda: _succeeds(client, until), seconds=START_SECONDS)
            yield client
    finally:
        server.should_exit = True
        await serving


async def _succeeds(client: httpx2.AsyncClient, probe: str) -> bool:
    return (await client.get(probe)).status_code == 200
