"""Faults of Postgres' sessions, made from a session of the test's own."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg

from tests.support.waiting import eventually

_OTHERS = "datname = current_database() AND pid <> pg_backend_pid()"


async def terminate_sessions(database: asyncpg.Connection, condition: str = "true") -> int:
    """`pg_terminate_backend` for those of this database that fulfil a condition on `pg_stat_activity`; how many."""
    query = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {_OTHERS} AND {condition}"
    return int(await database.fetchval(query))


@contextlib.asynccontextmanager
async def hanging_commits(database: asyncpg.Connection) -> AsyncIterator[None]:
    """Until the end of the block each COMMIT is written and does not return: it waits for a standby that is not there.

    For a Postgres of the test's own. A session that is terminated meanwhile has committed, and cannot say so.
    """
    await _set(database, "synchronous_standby_names = 'nobody'")
    try:
        yield
    finally:
        await _set(database, "synchronous_standby_names = ''")


async def terminate_in_commit(
    database: asyncpg.Connection, application: str, *, until: Callable[[], Awaitable[bool]]
) -> None:
    """Terminate each session of this service whose COMMIT hangs, until what one of them has committed is to be seen.

    It may have others, as that which renews a lease. A statement in autocommit, with which the service keeps house, is
    none.
    """
    hangs = f"application_name = '{application}' AND wait_event = 'SyncRep' AND query ILIKE 'commit%'"

    async def is_there() -> bool:
        await terminate_sessions(database, hangs)
        return await until()

    await eventually(is_there, seconds=60)


async def _set(database: asyncpg.Connection, setting: str) -> None:
    await database.execute(f"ALTER SYSTEM SET {setting}")
    await database.execute("SELECT pg_reload_conf()")
    name = setting.partition(" ")[0]

    async def in_force() -> bool:
        return f"{name} = '{await database.fetchval('SELECT current_setting($1)', name)}'" == setting

    await eventually(in_force)
