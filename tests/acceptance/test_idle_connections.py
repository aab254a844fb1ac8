"""Ten thousand connections on which nothing happens keep nobody from uploading."""

from __future__ import annotations

import asyncio
import contextlib
import resource
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

import psutil
import pytest

from shared.service.bounded_http import CONNECTIONS
from tests.acceptance.conftest import MixedUpload
from tests.support.plain_http import plain_client
from tests.support.services import Service, Services
from tests.support.system import System

IDLE: Final = 10_000
AT_ONCE: Final = 250
# Nothing at all, the beginning of a request, and a whole one on a connection that is then kept.
BEGINNINGS: Final = (b"", b"GET /v1/emplo", b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
# What the service keeps beside connections of clients.
OTHER_FILES: Final = 200

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
def many_files() -> Iterator[None]:
    """This process may have so many open. Services have their own limit, which they were started with."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard == resource.RLIM_INFINITY or hard > IDLE + 1000, f"`ulimit -Hn {IDLE + 2000}` before these tests"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, IDLE + 1000), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_ten_thousand_idle_connections_keep_nobody_from_uploading(
    services: Services, system: System, mixed: MixedUpload, many_files: None
) -> None:
    await services.start_all()
    before = psutil.Process(services.api.pid).memory_info().rss
    async with contextlib.AsyncExitStack() as stack:
        idle = asyncio.create_task(open_idle(services.api, stack))
        uploads = [await system.upload(mixed.file, mixed.mode)]
        assert await idle == IDLE
        # And while all of them are there.
        uploads.append(await system.upload(mixed.file, mixed.mode))
        async with plain_client(services.api_url) as newcomer:
            assert (await newcomer.get("/readyz")).status_code == 200
            assert (await newcomer.get("/v1/employees")).status_code == 200
        process = psutil.Process(services.api.pid)
        assert process.num_fds() < CONNECTIONS + OTHER_FILES
        assert process.memory_info().rss - before < 100 * 1024 * 1024
    for upload_id in uploads:
        upload = await system.until_finished(upload_id)
        assert (upload["rejected"], upload["unprocessed"]) == (len(mixed.expected.rejects), 0)


async def open_idle(api: Service, stack: contextlib.AsyncExitStack) -> int:
    """How many were taken; they stay open at this end until the stack is left."""
    port = urlsplit(api.url).port
    opened = 0
    for first in range(0, IDLE, AT_ONCE):
        connections: list[Connection] = await asyncio.gather(
            *(asyncio.open_connection("127.0.0.1", port) for _ in range(AT_ONCE))
        )
        for number, (_, writer) in enumerate(connections, first):
            stack.callback(writer.close)
            writer.write(BEGINNINGS[number % len(BEGINNINGS)])
            opened += 1
    return opened
