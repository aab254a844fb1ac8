"""Runs the API as operators do: the real command, in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator

import httpx2

from tests.support.patience import patience
from tests.support.plain_http import plain_client
from tests.support.servers import CHECKOUT
from tests.support.waiting import eventually


async def start_api(port: int, database_url: str, amqp_url: str, upload_store_url: str, **environment: str) -> Process:
    command = ["-m", "uvicorn", "api_service.app:create_app", "--factory", "--port", str(port), "--no-access-log"]
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        "--http=shared.service.bounded_http:BoundedHttp",
        "--timeout-graceful-shutdown=5",
        cwd=CHECKOUT,
        stdin=DEVNULL,
        stdout=PIPE,
        env={
            **os.environ,
            "ROLLCALL_DATABASE_URL": database_url,
            "ROLLCALL_AMQP_URL": amqp_url,
            "ROLLCALL_UPLOAD_STORE_URL": upload_store_url,
            **environment,
        },
    )


@contextlib.asynccontextmanager
async def api_process(
    port: int, database_url: str, amqp_url: str, upload_store_url: str, **environment: str
) -> AsyncIterator[tuple[Process, httpx2.AsyncClient]]:
    """The process, once it is live, and a client of it. Ended by SIGTERM, which must end it well."""
    process = await start_api(port, database_url, amqp_url, upload_store_url, **environment)
    assert process.stdout is not None
    # Its log is thrown away, but read: a full pipe would stop it.
    reading = asyncio.create_task(_read_to_the_end(process.stdout))
    try:
        await eventually(lambda: _listens(port), seconds=30)
        async with plain_client(f"http://127.0.0.1:{port}", timeout=120) as client:
            yield process, client
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(60 * patience()):
                assert await process.wait() == 0
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await reading


async def _read_to_the_end(stream: asyncio.StreamReader) -> None:
    while await stream.read(65536):
        pass


def _listens(port: int) -> bool:
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) == 0
