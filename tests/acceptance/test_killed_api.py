"""An API that is killed before it has answered: no half of an upload is left, and no whole one is lost."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from shared.amqp.topology import UPLOADS_QUEUE
from tests.acceptance.conftest import MixedUpload
from tests.support.failpoint_settings import API, killing_api
from tests.support.services import KILLED, Services
from tests.support.system import System
from tests.support.uploads import SMALL_CSV, UPLOAD, send, stored_files
from tests.support.waiting import eventually

OFTEN = {"ROLLCALL_API_RETENTION_INTERVAL_SECONDS": "0.2"}
FORM = {"Content-Type": "multipart/form-data; boundary=b"}
# Several times what the store keeps in memory before it writes.
BODY_BYTES = 16 * 1024 * 1024


@pytest.mark.fault(1)
async def test_api_killed_in_the_middle_of_a_body_leaves_no_upload_and_its_stored_part_is_swept_a_day_later(
    services: Services, system: System, upload_store_url: str
) -> None:
    await services.start("api_service", OFTEN)
    sending = asyncio.create_task(system.client.post(UPLOAD, content=_body_that_never_ends(), headers=FORM))
    await eventually(lambda: stored_files(upload_store_url) != [])

    services.api.kill()
    assert await services.api.ended() == KILLED
    with pytest.raises(httpx2.TransportError):
        await sending
    await services.api.restart()

    assert await system.database.fetchval("SELECT count(*) FROM uploads") == 0
    (part,) = stored_files(upload_store_url)
    of_another_kill = part.with_name(f"{uuid.uuid4()}#1")
    of_another_kill.touch()
    _make_a_day_old(of_another_kill)
    await eventually(lambda: not of_another_kill.exists())
    assert part.exists()

    _make_a_day_old(part)
    await eventually(lambda: stored_files(upload_store_url) == [])


@pytest.mark.fault(2)
async def test_upload_whose_api_was_killed_before_it_announced_it_is_started_by_the_sweeper_and_found_by_a_retry(
    services: Services, system: System, mixed: MixedUpload, upload_store_url: str
) -> None:
    await services.start("api_service", killing_api("api.before_announce"))
    with pytest.raises(httpx2.TransportError):
        await _send(system, mixed)
    assert await services.api.ended() == KILLED
    assert await system.database.fetchval("SELECT status FROM uploads") == "queued"

    await services.api.restart({API: ""})
    retried = await _send(system, mixed)
    assert (retried.status_code, retried.json()["status"]) == (200, "queued")
    assert await system.broker.has_ready(UPLOADS_QUEUE, 0)
    await asyncio.gather(services.start("producer_service"), services.start("consumer_service"))

    upload = await system.until_finished(retried.json()["id"])
    assert (await _send(system, mixed)).json() == upload
    assert len(stored_files(upload_store_url)) == 1
    assert await system.differences(upload, mixed.expected) == []


def _make_a_day_old(path: Path) -> None:
    a_day_ago = time.time() - 24 * 3600
    os.utime(path, (a_day_ago, a_day_ago))


async def _send(system: System, mixed: MixedUpload) -> httpx2.Response:
    return await send(system.client, mixed.file.read_bytes(), key="payroll-2026-11", onDuplicate=mixed.mode)


async def _body_that_never_ends() -> AsyncIterator[bytes]:
    yield b'--b\r\nContent-Disposition: form-data; name="employee_data"; filename="a.csv"\r\n\r\n'
    for _ in range(BODY_BYTES // len(SMALL_CSV)):
        yield SMALL_CSV
    await asyncio.Event().wait()
