"""An upload store that takes nothing is named by /readyz, metrics, log and runbook before anybody uploads."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import httpx2
import pytest

from tests.support.operator import logged, runbook_rows, sample, says, troubles
from tests.support.s3 import BUCKET, refusing_s3, running_s3, s3_environment
from tests.support.services import Backends, Services
from tests.support.uploads import HEADER, send
from tests.support.waiting import eventually

MEBIBYTE = 1024 * 1024
READ_ONLY = "the upload store is read-only (EROFS)"
FULL = "the upload store is full"


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Path]:
    """A file system of 16 MiB of its own."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    if not await _succeeds("mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)):
        pytest.skip("this user may mount no file system of its own")
    yield folder
    assert await _succeeds("umount", "--lazy", str(folder))


@pytest.fixture
async def services(folder: Path, database_url: str, amqp_url: str, tmp_path: Path) -> AsyncIterator[Services]:
    async with Services(
        Backends(database_url, amqp_url, folder.as_uri()), tmp_path / "logs", {}, warm=True
    ) as services:
        await services.start("api_service")
        yield services


async def test_store_that_is_read_only_is_named_before_and_when_somebody_uploads(
    services: Services, folder: Path
) -> None:
    assert await _succeeds("mount", "-o", "remount,ro", str(folder))

    await eventually(partial(says, services.api, "uploadStore", READ_ONLY))
    assert await troubles(services.api) == {"store_unavailable": READ_ONLY}
    assert await sample(services.api, 'rollcall_check_passed{check="uploadStore"}') == 0
    async with httpx2.AsyncClient(base_url=services.api_url, timeout=60) as client:
        answer = await send(client)
    assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
    assert READ_ONLY in {line["reason"] for line in logged(services.api, "request failed")}
    assert READ_ONLY in {line["reason"] for line in logged(services.api, "check failed")}
    assert runbook_rows(READ_ONLY)

    assert await _succeeds("mount", "-o", "remount,rw", str(folder))
    await services.api.until_ready()


@pytest.mark.parametrize("left", [0, 64 * 1024], ids=["nothing left", "too little left"])
async def test_store_that_is_full_is_named_before_and_when_somebody_uploads(
    left: int, services: Services, folder: Path
) -> None:
    free = "rollcall_api_upload_store_free_bytes"
    assert await sample(services.api, free) > 15 * MEBIBYTE
    filler = folder / "filler"
    with contextlib.suppress(OSError):
        filler.write_bytes(bytes(16 * MEBIBYTE - left))

    async def says_full() -> bool:
        return (await troubles(services.api)).get("store_full", "").startswith(FULL)

    await eventually(says_full)
    assert await services.api.says_not_ready()
    assert await sample(services.api, free) <= left
    # Once, however often it is checked; on a busy machine another check may have failed before.
    assert sum(line["reason"].startswith(FULL) for line in logged(services.api, "check failed")) == 1
    async with httpx2.AsyncClient(base_url=services.api_url, timeout=60) as client:
        answer = await send(client, HEADER + b"Asha Rao,Initech,+91 98765 43210,asha@example.com\n" * 4_000)
    assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
    assert runbook_rows(FULL)

    filler.unlink()
    await services.api.until_ready()


async def test_credentials_that_a_bucket_refuses_are_named_by_whoever_has_them_and_not_shown(
    database_url: str, amqp_url: str, tmp_path: Path
) -> None:
    async with refusing_s3() as refusing, contextlib.AsyncExitStack() as stack:
        working = stack.enter_context(running_s3())
        backends = Backends(database_url, amqp_url, f"s3://{BUCKET}")
        services = await stack.enter_async_context(
            Services(backends, tmp_path / "logs", s3_environment(working), warm=True)
        )
        await services.start("api_service")
        producer = services.launch(
            "producer_service", {**s3_environment(refusing), "AWS_SECRET_ACCESS_KEY": "not-the-secret"}
        )
        await producer.until_live()

        reason = "the upload store refuses the credentials AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        await eventually(partial(says, producer, "uploadStore", reason))
        assert runbook_rows(reason)
        assert "not-the-secret" not in producer.log.read_text()
        assert await troubles(services.api) == {}


async def _succeeds(*command: str) -> bool:
    process = await asyncio.create_subprocess_exec(*command, stdout=DEVNULL, stderr=DEVNULL)
    return await process.wait() == 0
