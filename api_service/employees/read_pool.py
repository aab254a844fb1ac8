"""Connections for single reading statements: one round trip each, prepared once a connection, in no transaction.

They go to asyncpg directly, because a page of employees takes less time than what a session around it would cost.
Lists and searches have a pool each, so that no list waits behind searches.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import asyncpg
from sqlalchemy.exc import TimeoutError as PoolTimeout

from api_service.settings import ApiSettings
from shared.database.engine import CONNECT_TIMEOUT_SECONDS

APPLICATION_NAME: Final = "api_service reads"
# The statements are planned once for every argument: each is to take one way through one index, whatever the planner
# thinks of the argument that it happens to see first.
PLANNER_SETTINGS: Final = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}
# What a connection says that was closed since it was last used.
_GONE: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InterfaceError,
    ConnectionError,
)


class _Turn:
    """A class and no generator, whose own calls each plain list would pay for."""

    def __init__(self, pool: ReadPool) -> None:
        self._pool = pool

    async def __aenter__(self) -> None:
        await self._pool._wait_for_a_turn()

    async def __aexit__(self, *_: object) -> None:
        self._pool._turns.release()


class ReadPool:
    """At most so many `connections`, made when they are needed, and as many turns at them: `turn` comes before `fetch`.

    At most `longest_line` wait for a turn, if that is given.
    """

    def __init__(self, settings: ApiSettings, *, connections: int, longest_line: int | None = None) -> None:
        self._url = settings.database_url.get_secret_value()
        self._timeout_seconds = settings.database_pool_timeout_seconds
        # A server that says nothing for so long is given up.
        self._answer_timeout_seconds = max(settings.database_answer_timeout_seconds, settings.statement_timeout_seconds)
        self._server_settings = {
            **PLANNER_SETTINGS,
            "application_name": APPLICATION_NAME,
            "lock_timeout": f"{int(settings.lock_timeout_seconds * 1000)}",
            "statement_timeout": f"{int(settings.statement_timeout_seconds * 1000)}",
        }
        self._idle: list[asyncpg.Connection] = []
        self._turns = asyncio.Semaphore(connections)
        self._longest_line = longest_line
        self._in_line = 0

    def turn(self) -> _Turn:
        """For one statement after the other. Raises `PoolTimeout` when none comes in time, or the line is full."""
        return _Turn(self)

    async def fetch(
        self, statement: str, *arguments: Any, timeout_seconds: float | None = None
    ) -> list[asyncpg.Record]:
        """Its rows. Raises `TimeoutError` when its own time is over, or the database says nothing."""
        if self._idle:
            try:
                return await self._fetch_on(self._idle.pop(), statement, arguments, timeout_seconds)
            except _GONE:
                # The database was restarted, say: the others that waited are gone with it.
                self._drop_idle()
        return await self._fetch_on(await self._connect(), statement, arguments, timeout_seconds)

    async def close(self) -> None:
        """Nothing may be running any more."""
        idle, self._idle = self._idle, []
        await asyncio.gather(*(connection.close(timeout=1) for connection in idle), return_exceptions=True)

    async def _wait_for_a_turn(self) -> None:
        if not self._turns.locked():
            await self._turns.acquire()
            return
        if self._in_line == self._longest_line:
            raise PoolTimeout("too many wait for a connection already")
        self._in_line += 1
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._turns.acquire()
        except TimeoutError:
            raise PoolTimeout("all connections for reading are in use") from None
        finally:
            self._in_line -= 1

    async def _fetch_on(
        self, connection: asyncpg.Connection, statement: str, arguments: tuple[Any, ...], timeout_seconds: float | None
    ) -> list[asyncpg.Record]:
        given_up_after = self._answer_timeout_seconds
        if timeout_seconds is not None:
            given_up_after = min(given_up_after, timeout_seconds)
        try:
            return await connection.fetch(statement, *arguments, timeout=given_up_after)
        except TimeoutError:
            # A statement that has less time than the server to answer may have been at work.
            if given_up_after == self._answer_timeout_seconds or connection.is_closed():
                connection.terminate()
                # Where one died without a word the others did too.
                self._drop_idle()
            raise
        finally:
            # One whose statement was cancelled can be used again: asyncpg waits until the cancellation is through, as
            # part of the next one's time, and closes it when that is over.
            if not connection.is_closed():
                self._idle.append(connection)

    async def _connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(
            self._url,
            timeout=CONNECT_TIMEOUT_SECONDS,
            server_settings=self._server_settings,
            # By default a statement is prepared anew after five minutes, and no time-out covers the closing of the old.
            max_cached_statement_lifetime=0,
        )

    def _drop_idle(self) -> None:
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.terminate()
