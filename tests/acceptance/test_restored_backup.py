"""An installation restored from a backup, with its store and its broker of now: nothing that the backup had is lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg

from tests.acceptance.conftest import SMALL_CHUNKS, MixedUpload
from tests.support import servers as test_servers
from tests.support.broker import open_broker
from tests.support.plain_http import plain_client
from tests.support.servers import Servers
from tests.support.services import Backends, Services
from tests.support.system import System
from tests.support.uploads import HEADER, send, stored_files
from tests.support.waiting import eventually
from tools.backup import statements

NEWER = HEADER + b"Neu,Initech,9876543210,neu@example.com\nBad,,,\n"


@contextlib.asynccontextmanager
async def system_on(backends: Backends, logs: Path) -> AsyncIterator[System]:
    """Without a service yet."""
    async with (
        Services(backends, logs, SMALL_CHUNKS, warm=True) as services,
        open_broker(backends.amqp_url) as broker,
        plain_client(services.api_url, timeout=120) as client,
    ):
        database = await asyncpg.connect(backends.database_url)
        system = System(services, client, broker, backends.amqp_url, backends.database_url, database)
        try:
            yield system
        finally:
            await system.database.close()


async def test_what_a_backup_had_goes_on_from_it_and_what_came_since_is_kept(
    servers: Servers, backends: Backends, mixed: MixedUpload, tmp_path: Path
) -> None:
    async with system_on(backends, tmp_path / "logs") as system:
        upload_id, backup_url = await back_up_in_the_middle(system, servers, mixed)
        newer_id = await an_hour_later(system, upload_id)
    files = set(stored_files(backends.upload_store_url))

    # `make restore`; the broker still has what was under way, and the dead letters of now.
    await test_servers.execute(backup_url, statements.PASS_OVER_NUMBERS)
    try:
        async with system_on(backends._replace(database_url=backup_url), tmp_path / "restored-logs") as system:
            await all_goes_on(system, upload_id, newer_id, mixed)
    finally:
        await test_servers.drop_database(servers, backup_url)
    assert files <= set(stored_files(backends.upload_store_url))


async def back_up_in_the_middle(system: System, servers: Servers, mixed: MixedUpload) -> tuple[str, str]:
    """The upload, and the database that it is under way in."""
    await system.services.start_slow(chunk_seconds=0.2)
    upload_id = await system.upload(mixed.file, mixed.mode)
    await system.until_rows_done(upload_id, 1)
    await kill_all(system)
    # A database is copied while nobody is connected to it.
    name = await system.database.fetchval("SELECT current_database()")
    await system.database.close()
    await eventually(lambda: has_no_sessions(servers, name), seconds=60)
    backup_url = await test_servers.create_database(servers, name)
    await system.reconnect()
    return upload_id, backup_url


async def an_hour_later(system: System, upload_id: str) -> str:
    """The upload has ended and another has come; its id."""
    before = len(await system.chunks(upload_id))
    for service in system.services.all:
        service.start()
    await asyncio.gather(*(service.until_ready() for service in system.services.all))
    assert (await system.until_finished(upload_id))["unprocessed"] == 0
    assert len(await system.chunks(upload_id)) > before
    newer_id: str = (await send(system.client, NEWER)).json()["id"]
    await system.until_finished(newer_id)
    await kill_all(system)
    return newer_id


async def all_goes_on(system: System, upload_id: str, newer_id: str, mixed: MixedUpload) -> None:
    highest = await system.database.fetchval("SELECT max(sequence) FROM uploads")
    await system.services.start_all()
    # It was running in the backup, is again, and ends as one that nobody disturbed.
    upload = await system.until_finished(upload_id)
    assert await system.differences(upload, mixed.expected, after_crash=True, keep_letters=True) == []
    # What came since is unknown, and no number of it is given out again.
    assert (await system.client.get(f"/v1/uploads/{newer_id}")).status_code == 404
    again = await system.until_finished((await send(system.client, NEWER)).json()["id"])
    assert (again["inserted"], again["rejected"]) == (1, 1)
    assert await system.database.fetchval("SELECT max(sequence) FROM uploads") > highest + 900_000
    await system.services.end()


async def kill_all(system: System) -> None:
    for service in system.services.all:
        service.kill()
    for service in system.services.all:
        await service.ended()


async def has_no_sessions(servers: Servers, database: str) -> bool:
    connection = await asyncpg.connect(servers.postgres_url)
    try:
        sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1"
        return bool(await connection.fetchval(sessions, database) == 0)
    finally:
        await connection.close()
