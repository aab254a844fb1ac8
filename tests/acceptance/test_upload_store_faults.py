"""A store that is full or away takes no upload and keeps nothing of one, and takes the same file when it is mended."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.acceptance.conftest import SMALL_CHUNKS, MixedUpload
from tests.support.plain_http import plain_client
from tests.support.s3 import BUCKET, full_s3, running_s3, s3_environment
from tests.support.services import Backends, Services
from tests.support.system import System
from tests.support.tcp_proxy import tcp_proxy
from tests.support.uploads import send, stored_files
from tests.support.waiting import eventually

pytestmark = pytest.mark.fault(18)

MEBIBYTE = 1024 * 1024


class Store(NamedTuple):
    """What the API has to answer when the fault strikes, and how that is mended, where it can be."""

    url: str
    environment: dict[str, str]
    status: int
    code: str
    mend: Callable[[], Awaitable[object]] | None
    strike: Callable[[], None] = lambda: None


@contextlib.asynccontextmanager
async def full_folder(tmp_path: Path) -> AsyncIterator[Store]:
    """A file system of 16 MiB with 64 KiB left."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    if not await _succeeds(*mount):
        pytest.skip("this user may mount no file system of its own")
    try:
        filler = folder / "filler"
        filler.write_bytes(bytes(16 * MEBIBYTE - 64 * 1024))

        async def make_room() -> None:
            filler.unlink()

        yield Store(folder.as_uri(), {}, 507, "storage_full", make_room)
    finally:
        assert await _succeeds("umount", "--lazy", str(folder))


@contextlib.asynccontextmanager
async def folder_away(tmp_path: Path) -> AsyncIterator[Store]:
    """Moved away from under the running service, with something else in its place."""
    folder, elsewhere = tmp_path / "uploads", tmp_path / "elsewhere"
    folder.mkdir()

    def strike() -> None:
        folder.rename(elsewhere)
        folder.touch()

    async def mend() -> None:
        folder.unlink()
        elsewhere.rename(folder)

    yield Store(folder.as_uri(), {}, 503, "storage_unavailable", mend, strike)


@contextlib.asynccontextmanager
async def full_bucket(_: Path) -> AsyncIterator[Store]:
    async with full_s3() as endpoint:
        yield Store(f"s3://{BUCKET}", s3_environment(endpoint), 507, "storage_full", None)


@contextlib.asynccontextmanager
async def bucket_away(_: Path) -> AsyncIterator[Store]:
    with running_s3() as endpoint:
        async with tcp_proxy(endpoint) as proxy:
            yield Store(f"s3://{BUCKET}", s3_environment(proxy.url), 503, "storage_unavailable", proxy.open, proxy.cut)


@pytest.fixture(params=[full_folder, folder_away, full_bucket, bucket_away], ids=lambda fault: fault.__name__)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    async with request.param(tmp_path) as store:
        yield store


@pytest.fixture
async def services(store: Store, database_url: str, amqp_url: str, tmp_path: Path) -> AsyncIterator[Services]:
    backends = Backends(database_url, amqp_url, store.url)
    async with Services(backends, tmp_path / "logs", SMALL_CHUNKS | store.environment, warm=True) as services:
        yield services


async def test_store_at_fault_takes_no_upload_and_the_same_file_when_it_is_mended(
    store: Store, services: Services, system: System, mixed: MixedUpload
) -> None:
    api = services.launch("api_service")
    await api.until_live()
    store.strike()
    content = mixed.file.read_bytes()

    answer = await send(system.client, content, key="k", onDuplicate=mixed.mode)
    assert (answer.status_code, answer.json()["code"]) == (store.status, store.code), answer.text
    assert await system.database.fetchval("SELECT count(*) FROM uploads") == 0
    if store.url.startswith("file:"):
        assert [path.name for path in stored_files(store.url) if path.name != "filler"] == []
    if store.mend is None:
        return

    await store.mend()
    await eventually(lambda: _is_ready(api.url), seconds=30)
    for kind in ("producer_service", "consumer_service"):
        await services.start(kind)
    answer = await send(system.client, content, key="k", onDuplicate=mixed.mode)
    assert answer.status_code == 202, answer.text
    upload = await system.until_finished(answer.json()["id"])
    assert await system.differences(upload, mixed.expected) == []


async def _succeeds(*command: str) -> bool:
    process = await asyncio.create_subprocess_exec(*command, stdout=DEVNULL, stderr=DEVNULL)
    return await process.wait() == 0


async def _is_ready(url: str) -> bool:
    async with plain_client(timeout=30) as client:
        return (await client.get(f"{url}/readyz")).is_success
