"""Where the time of a row goes: CPU seconds of every process, and of every statement, for one upload and for COPY.

`python -m benchmarks.profile_ingest` (`--help` lists its options). Both write into a new database on the same private
server. With two cores the sum of the CPU seconds is what has to shrink.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

import asyncpg
import httpx2
import psutil

from benchmarks.ingest import BAD_SHARE
from benchmarks.rig import NO_SETTINGS
from deploy.sample import write_sample
from shared.rows.fields import FIELD_NAMES
from shared.upload_status import FINAL_STATES
from tests.support import servers as test_servers
from tests.support.private_pair import private_pair
from tests.support.servers import Servers
from tests.support.services import Backends, Services

POSTGRES_SETTINGS: Final = {
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track_planning": "on",
    "track_wal_io_timing": "on",
}
FINISH_SECONDS: Final = 600
SAMPLE_SECONDS: Final = 0.05
SHOWN_STATEMENTS: Final = 12

_COPY_TARGET: Final = """
    CREATE TABLE copied (LIKE employees INCLUDING ALL);
    ALTER TABLE copied ALTER upload_sequence SET DEFAULT 1, ALTER row_number SET DEFAULT 1,
                       ALTER by_update SET DEFAULT false
"""
_STATEMENTS: Final = """
    SELECT calls, total_exec_time + total_plan_time AS milliseconds, wal_bytes,
           regexp_replace(query, '\\s+', ' ', 'g') AS query
    FROM pg_stat_statements AS s JOIN pg_database AS d ON d.oid = s.dbid
    WHERE d.datname = current_database() ORDER BY 2 DESC LIMIT $1
"""
# A session that is not idle and waits for nothing is computing, or would be if there were a core for it.
_DOING: Final = """
    SELECT CASE WHEN state <> 'active' THEN state ELSE coalesce(wait_event_type || ': ' || wait_event, 'computing') END
           AS doing
    FROM pg_stat_activity WHERE application_name = $1 AND datname = current_database()
"""


class Spent(NamedTuple):
    """`cpu_seconds` by process name; a Postgres session goes by its application's name. `waits`: what writers did."""

    wall_seconds: float
    cpu_seconds: Mapping[str, float]
    waits: Counter[str]


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile_ingest", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--consumers", type=int, default=2)
    parser.add_argument("--copies", type=int, default=1, help="connections that COPY uses at once, or 0 (1)")
    parser.add_argument("--bad-share", type=float, default=BAD_SHARE, help="share of the rows that is rejected (0.01)")
    parser.add_argument("--broken-quotes", type=int, default=0, help="one row in so many has a quote too many (none)")
    parser.add_argument(
        "--again",
        choices=("skip", "update", "reject"),
        help="profile a second upload of the file, with this onDuplicate",
    )
    parser.add_argument(
        "--set", dest="settings", action="append", default=[], metavar="NAME=VALUE", help="a setting of the services"
    )
    options = parser.parse_args()
    settings = dict(each.split("=", 1) for each in options.settings)
    with tempfile.TemporaryDirectory() as name, private_pair(Path(name), POSTGRES_SETTINGS) as servers:
        folder = Path(name)
        upload, clean = folder / "upload.csv", folder / "clean.csv"
        write_sample(upload, options.rows, options.bad_share)
        write_sample(clean, options.rows, 0)
        if options.broken_quotes:
            _break_quotes(upload, options.broken_quotes)
        if options.copies:
            _print(f"COPY, {options.copies} connections", options.rows, await _copy(servers, clean, options.copies))
        _print(
            f"Rollcall, {options.consumers} consumers",
            options.rows,
            await _ingest(servers, upload, folder, options.consumers, settings, options.again),
        )


def _break_quotes(file: Path, one_in: int) -> None:
    """Each is closed where the next one opens, in the midst of another row."""
    lines = file.read_bytes().splitlines(keepends=True)
    for at in range(one_in, len(lines), one_in):
        lines[at] = b'"' + lines[at]
    file.write_bytes(b"".join(lines))


async def _copy(servers: Servers, file: Path, connections: int) -> Spent:
    content = await asyncio.to_thread(file.read_bytes)
    header, *lines = content.splitlines(keepends=True)
    share = -(-len(lines) // connections)
    parts = [header + b"".join(lines[at : at + share]) for at in range(0, len(lines), share)]
    del content, lines
    async with _database(servers) as url:
        sessions = [await asyncpg.connect(url, server_settings={"application_name": "copy"}) for _ in parts]
        await sessions[0].execute(_COPY_TARGET)
        before = await _cpu_seconds(url)
        waits: Counter[str] = Counter()
        sampling = asyncio.create_task(_sample_waits(url, "copy", waits))
        begin = time.perf_counter()
        await asyncio.gather(
            *(
                session.copy_to_table("copied", source=_blocks(part), columns=FIELD_NAMES, format="csv", header=True)
                for session, part in zip(sessions, parts, strict=True)
            )
        )
        wall_seconds = time.perf_counter() - begin
        sampling.cancel()
        after = await _cpu_seconds(url)
        await asyncio.gather(*(session.close() for session in sessions))
    return Spent(wall_seconds, after - before, waits)


async def _blocks(content: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(content), 1 << 18):
        yield content[at : at + (1 << 18)]


async def _ingest(
    servers: Servers, file: Path, folder: Path, consumers: int, settings: Mapping[str, str], again: str | None
) -> Spent:
    vhost = await test_servers.create_vhost(servers)
    async with _database(servers) as url:
        await test_servers.execute(url, "CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        backends = Backends(url, vhost, (folder / "store").as_uri())
        async with Services(backends, folder, settings, hurry=NO_SETTINGS) as services:
            await services.start_all(consumers=consumers)
            async with httpx2.AsyncClient(base_url=services.api.url, timeout=FINISH_SECONDS) as client:
                if again is not None:
                    await _until_finished(client, await _post(client, file))
                await test_servers.execute(url, "SELECT pg_stat_statements_reset()")
                before = await _cpu_seconds(url)
                waits: Counter[str] = Counter()
                sampling = asyncio.create_task(_sample_waits(url, "rollcall consumer", waits))
                begin = time.perf_counter()
                upload_id = await _post(client, file, again or "skip")
                taken = time.perf_counter() - begin
                await _until_finished(client, upload_id)
                wall_seconds = time.perf_counter() - begin
                sampling.cancel()
                after = await _cpu_seconds(url)
            print(f"\nintake alone {taken:.2f} s")
            await _print_statements(url)
            for service in services.all:
                print(f"  peak memory of {service.name:<24}{service.peak_memory_mib():6.0f} MiB")
    await test_servers.delete_vhost(servers, vhost)
    return Spent(wall_seconds, after - before, waits)


async def _post(client: httpx2.AsyncClient, file: Path, on_duplicate: str = "skip") -> str:
    with file.open("rb") as content:
        answer = await client.post(
            "/v1/employee-data-upload", files={"employee_data": content}, data={"onDuplicate": on_duplicate}
        )
    upload_id: str = answer.raise_for_status().json()["id"]
    return upload_id


async def _until_finished(client: httpx2.AsyncClient, upload_id: str) -> None:
    async with asyncio.timeout(FINISH_SECONDS):
        while True:
            if (await client.get(f"/v1/uploads/{upload_id}")).json()["status"] in FINAL_STATES:
                return
            await asyncio.sleep(0.1)


async def _sample_waits(url: str, application: str, waits: Counter[str]) -> None:
    """Until cancelled: what the sessions that write are doing, or waiting for."""
    connection = await asyncpg.connect(url)
    try:
        while True:
            waits.update([row["doing"] for row in await connection.fetch(_DOING, application)])
            await asyncio.sleep(SAMPLE_SECONDS)
    finally:
        connection.terminate()


async def _cpu_seconds(url: str) -> Counter[str]:
    """So far, of every process below us and of ourselves."""
    connection = await asyncpg.connect(url)
    sessions = await connection.fetch("SELECT pid, application_name FROM pg_stat_activity")
    applications = {session["pid"]: session["application_name"] for session in sessions}
    await connection.close()
    seconds: Counter[str] = Counter()
    for process in psutil.Process().children(recursive=True):
        try:
            command, times = process.cmdline(), process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        seconds[_name(process.pid, command, applications)] += times.user + times.system
    own = psutil.Process().cpu_times()
    seconds["this client"] = own.user + own.system
    return seconds


def _name(pid: int, command: list[str], applications: Mapping[int, str]) -> str:
    line = " ".join(command)
    if applications.get(pid):
        return f"postgres: {applications[pid]}"
    if "postgres" in line:
        return "postgres: its own processes"
    if "_service.app" in line:
        return line.partition("uvicorn ")[2].partition(".app")[0]
    return "rabbitmq" if "beam" in line or "erl" in line else Path(command[0] if command else "?").name


async def _print_statements(url: str) -> None:
    connection = await asyncpg.connect(url)
    for calls, milliseconds, wal_bytes, query in await connection.fetch(_STATEMENTS, SHOWN_STATEMENTS):
        print(
            f"  {calls:>8,} calls {milliseconds / 1000:>7.2f} s {int(wal_bytes) / 2**20:>7.0f} MiB of WAL  {query[:90]}"
        )
    await connection.close()


def _print(title: str, rows: int, spent: Spent) -> None:
    print(f"\n{title}: {rows / spent.wall_seconds:,.0f} rows/s, {spent.wall_seconds:.2f} s")
    for name, seconds in sorted(spent.cpu_seconds.items(), key=lambda item: -item[1]):
        if seconds >= 0.01:
            print(f"  {name:<42}{seconds:>7.2f} s of CPU {seconds / rows * 1e6:>7.2f} µs a row")
    total = sum(spent.cpu_seconds.values())
    print(f"  {'all':<42}{total:>7.2f} s of CPU {total / rows * 1e6:>7.2f} µs a row")
    shares = [f"{doing} {count / spent.waits.total():.0%}" for doing, count in spent.waits.most_common(8)]
    print(f"  sessions that write: {', '.join(shares)}", flush=True)


@asynccontextmanager
async def _database(servers: Servers) -> AsyncIterator[str]:
    """A new, migrated database, so that each measurement begins with empty tables and indexes."""
    url = await test_servers.create_database(servers)
    migrate = [sys.executable, "-m", "alembic", "upgrade", "head"]
    environment = {**os.environ, "ROLLCALL_DATABASE_URL": url}
    await asyncio.to_thread(subprocess.run, migrate, env=environment, check=True, capture_output=True)
    yield url
    await test_servers.drop_database(servers, url)


if __name__ == "__main__":
    asyncio.run(main())
