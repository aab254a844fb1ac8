"""A database role for each service, of a test's own, with the privileges that an operator's has."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from migrations.roles.privileges import SERVICES, Service
from migrations.roles.roles import make_roles, role_of
from shared.database.engine import with_driver
from tests.support.servers import execute


@contextlib.asynccontextmanager
async def own_roles(database_url: str) -> AsyncIterator[dict[Service, str]]:
    """The URL of each; they are the server's, so they go with the test."""
    prefix = f"t_{secrets.token_hex(6)}"
    passwords: dict[Service, str] = {service: secrets.token_hex(8) for service in SERVICES}
    engine = create_async_engine(with_driver(database_url))
    try:
        await make_own_roles(engine, passwords, prefix)
        address = database_url.rpartition("@")[2]
        yield {
            service: f"postgresql://{role_of(service, prefix)}:{password}@{address}"
            for service, password in passwords.items()
        }
    finally:
        await engine.dispose()
        for service in SERVICES:
            await _drop(database_url, role_of(service, prefix))


async def make_own_roles(engine: AsyncEngine, passwords: dict[Service, str], prefix: str) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: make_roles(sync, passwords, prefix))


async def _drop(database_url: str, role: str) -> None:
    end_sessions = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'"
    await execute(database_url, end_sessions)
    with contextlib.suppress(asyncio.CancelledError):
        await execute(database_url, f"DROP OWNED BY {role}")
        await execute(database_url, f"DROP ROLE {role}")
