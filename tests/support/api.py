"""Runs the API in the test's own event loop, behind a real uvicorn on a free port."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any, Literal

import httpx2
import uvicorn
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import BaseRoute

from api_service.app import create_app
from api_service.settings import ApiSettings
from shared.service.bounded_http import BoundedHttp
from tests.support.patience import patience
from tests.support.plain_http import plain_client
from tests.support.waiting import eventually

START_SECONDS = 20
_included: dict[int, BaseRoute] = {}  # as the first application of this process includes routers


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ctrl-C belongs to pytest."""
        yield

    async def main_loop(self) -> None:
        """As uvicorn's own, but looks sooner whether it is to end: each test waits for that."""
        turn = 0
        while not await self.on_tick(turn):
            turn += 1
            await asyncio.sleep(0.02)


def api_settings(database_url: str, amqp_url: str, upload_store_url: str, **own: Any) -> ApiSettings:
    """Settings by field name, whatever the environment says."""
    # A connection costs a new database more than most tests do. Who waits for one of so few is not answered 503.
    few = {"database_pool_size": 4, "database_pool_timeout_seconds": 30}
    return ApiSettings.model_validate(
        {**few, "database_url": database_url, "amqp_url": amqp_url, "upload_store_url": upload_store_url, **own}
    )


@contextlib.asynccontextmanager
async def served(app: Starlette, *, lifespan: Literal["on", "off"] = "on") -> AsyncIterator[str]:
    """The address of an application. Without its lifespan it holds nothing open, and can only say what it is."""
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        log_config=None,
        access_log=False,
        lifespan=lifespan,
        timeout_graceful_shutdown=5,
        http=BoundedHttp,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve())
    try:
        await eventually(lambda: server.started, seconds=START_SECONDS)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await asyncio.wait_for(serving, 60 * patience())


@contextlib.asynccontextmanager
async def running_api(settings: ApiSettings, *, until: str = "/readyz") -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an API, once that probe of it succeeds."""
    app = create_app(settings)
    _share_routes(app)
    async with served(app) as address, plain_client(address, timeout=30 * patience()) as client:
        await eventually(lambda: _succeeds(client, until), seconds=START_SECONDS)
        yield client


def _share_routes(app: FastAPI) -> None:
    """FastAPI works out what each address takes anew for each application, which is half of what its start costs.

    Routers that are made for one application alone are left to it.
    """
    included = {id(route.original_router): route for route in app.router.routes if hasattr(route, "original_router")}
    if not _included:
        _included.update(included)
    app.router.routes[:] = [
        _included.get(id(getattr(route, "original_router", None)), route) for route in app.router.routes
    ]


async def _succeeds(client: httpx2.AsyncClient, probe: str) -> bool:
    return (await client.get(probe)).status_code == 200
