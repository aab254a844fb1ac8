"""The API as a process: how it starts, ends, and what it holds in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

from deploy.program import free_port
from tests.support.api_process import api_process, start_api
from tests.support.patience import patience
from tests.support.uploads import HEADER, UPLOAD

MEBIBYTE = 1024 * 1024
FILE_BYTES = 200 * MEBIBYTE
BLOCK = b"Asha Rao,Initech,+91 98765 43210,asha@example.com\n" * 5000


async def test_an_empty_database_is_refused_with_what_to_run(
    empty_database_url: str, amqp_url: str, upload_store_url: str
) -> None:
    process = await start_api(free_port(), empty_database_url, amqp_url, upload_store_url)
    output, _ = await asyncio.wait_for(process.communicate(), 60 * patience())
    assert process.returncode not in (0, None)
    lines = [json.loads(line) for line in output.splitlines()]
    (said,) = [line for line in lines if line["level"] == "critical"]
    assert "alembic upgrade head" in said["event"]


async def test_a_large_upload_and_its_download_do_not_move_the_memory(
    database_url: str, amqp_url: str, upload_store_url: str
) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="employee_data"; filename="a.csv"\r\n\r\n' + HEADER
        for _ in range(FILE_BYTES // len(BLOCK)):
            yield BLOCK
        yield b"\r\n--b--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    async with api_process(free_port(), database_url, amqp_url, upload_store_url) as (process, client):
        (await client.get("/v1/uploads")).raise_for_status()
        before = _highest_memory(process.pid)
        upload = await client.post(UPLOAD, content=body(), headers=headers)
        assert upload.status_code == 202, upload.text
        size = 0
        async with client.stream("GET", f"{upload.headers['Location']}/file") as answer:
            async for block in answer.aiter_bytes():
                size += len(block)
        assert size == upload.json()["bytes"] > FILE_BYTES - len(BLOCK)
        assert _highest_memory(process.pid) - before < 64 * MEBIBYTE


def _highest_memory(pid: int) -> int:
    """The largest resident set that the process ever had, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024
