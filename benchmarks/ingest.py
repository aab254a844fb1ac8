"""Rows per second through the whole system, against COPY of as many rows into the same table on the same server.

From the first byte of the POST to the upload's final state: fsync on, quorum queue, confirms, prefetch 1, 1% of the
rows rejected. COPY goes over one connection, as `psql \\copy` does, into a table with the same columns and indexes.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import asyncpg
import httpx2

from deploy.sample import write_sample
from tests.support import servers as test_servers
from tests.support.private_pair import private_pair
from tests.support.servers import Servers
from tests.support.services import Backends, Services

BAD_SHARE: Final = 0.01
FINISH_SECONDS: Final = 1800
FINAL_STATES: Final = ("succeeded", "partially_succeeded", "failed", "cancelled")

_COPY_TARGET = """
    CREATE TABLE copied (LIKE employees INCLUDING ALL);
    ALTER TABLE copied ALTER upload_sequence SET DEFAULT 1, ALTER row_number SET DEFAULT 1,
                       ALTER by_update SET DEFAULT false
"""
_COLUMNS: Final = ("employee_name", "company_name", "mobile_no", "email")


async def measure(*, rows: int, consumers: int, rounds: int) -> None:
    """Print each round, and the medians with their ratio."""
    ours: list[float] = []
    copies: list[float] = []
    with tempfile.TemporaryDirectory() as folder, private_pair(Path(folder)) as servers:
        upload, clean = Path(folder) / "upload.csv", Path(folder) / "clean.csv"
        write_sample(upload, rows, BAD_SHARE)
        write_sample(clean, rows, 0)
        for number in range(1, rounds + 1):
            copies.append(rows / await _copy(servers, clean))
            ours.append(rows / await _ingest(servers, upload, Path(folder), consumers))
            print(f"round {number}: Rollcall {ours[-1]:,.0f} rows/s, COPY {copies[-1]:,.0f} rows/s", flush=True)
    mine, theirs = statistics.median(ours), statistics.median(copies)
    print(f"\nmedian of {rounds} with {rows:,} rows and {consumers} consumers:")
    print(f"  Rollcall             {mine:>9,.0f} rows/s")
    print(f"  COPY, one connection {theirs:>9,.0f} rows/s")
    print(f"  ratio                {mine / theirs:>9.2f}")


async def _copy(servers: Servers, file: Path) -> float:
    async with _database(servers) as url:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(_COPY_TARGET)
            begin = time.perf_counter()
            await connection.copy_to_table("copied", source=file, columns=_COLUMNS, format="csv", header=True)
            return time.perf_counter() - begin
        finally:
            await connection.close()


async def _ingest(servers: Servers, file: Path, folder: Path, consumers: int) -> float:
    vhost = await test_servers.create_vhost(servers)
    async with _database(servers) as url:
        backends = Backends(url, vhost, (folder / "store").as_uri())
        async with Services(backends, folder, {}) as services:
            await services.start_all(consumers=consumers)
            async with httpx2.AsyncClient(base_url=services.api.url, timeout=FINISH_SECONDS) as client:
                begin = time.perf_counter()
                with file.open("rb") as content:
                    answer = await client.post(
                        "/v1/employee-data-upload", files={"employee_data": (file.name, content)}
                    )
                await _until_finished(client, answer.raise_for_status().json()["id"])
                seconds = time.perf_counter() - begin
    await test_servers.delete_vhost(servers, vhost)
    return seconds


async def _until_finished(client: httpx2.AsyncClient, upload_id: str) -> None:
    deadline = time.monotonic() + FINISH_SECONDS
    while time.monotonic() < deadline:
        upload = (await client.get(f"/v1/uploads/{upload_id}")).json()
        if upload["status"] in FINAL_STATES:
            assert upload["status"] == "partially_succeeded", upload
            return
        await asyncio.sleep(0.1)
    raise TimeoutError(f"not finished after {FINISH_SECONDS} s")


@asynccontextmanager
async def _database(servers: Servers) -> AsyncIterator[str]:
    """A new, migrated database, so that each measurement begins with empty tables and indexes."""
    url = await test_servers.create_database(servers)
    migrate = [sys.executable, "-m", "alembic", "upgrade", "head"]
    environment = {**os.environ, "ROLLCALL_DATABASE_URL": url}
    await asyncio.to_thread(subprocess.run, migrate, env=environment, check=True, capture_output=True)
    yield url
    await test_servers.drop_database(servers, url)
