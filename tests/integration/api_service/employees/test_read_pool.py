"""Connections for reading: none is lost, whether a database falls silent or nobody waits for a statement any more."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy.exc import TimeoutError as PoolTimeout

from api_service.employees.read_pool import APPLICATION_NAME, ReadPool
from api_service.settings import ApiSettings
from tests.support.patience import patience
from tests.support.tcp_proxy import TcpProxy, tcp_proxy
from tests.support.waiting import eventually

# What waits for ever otherwise fails then.
DEADLINE_SECONDS = 30
SLOW = "SELECT pg_sleep(60)"


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[TcpProxy]:
    async with tcp_proxy(database_url) as proxy:
        yield proxy


@contextlib.asynccontextmanager
async def pool(
    settings: ApiSettings, connections: int, longest_line: int | None = None, **own: Any
) -> AsyncIterator[ReadPool]:
    settings = settings.model_copy(update=own)
    reads = ReadPool(settings, connections=connections, longest_line=longest_line)
    async with asyncio.timeout(DEADLINE_SECONDS * patience()):
        yield reads
    await reads.close()


async def fetch(reads: ReadPool, statement: str) -> None:
    async with reads.turn():
        await reads.fetch(statement)


@contextlib.asynccontextmanager
async def impatient_pool(settings: ApiSettings, proxy: TcpProxy, connections: int) -> AsyncIterator[ReadPool]:
    # Long enough for what is answered, on a busy machine too.
    limits = {"database_answer_timeout_seconds": 3, "statement_timeout_seconds": 3}
    settings = settings.model_copy(update={"database_url": SecretStr(proxy.url), **limits})
    async with pool(settings, connections) as reads:
        yield reads


async def sessions(database: asyncpg.Connection, condition: str = "true") -> int:
    return int(
        await database.fetchval(
            "SELECT count(*) FROM pg_stat_activity"
            f" WHERE datname = current_database() AND application_name = $1 AND {condition}",
            APPLICATION_NAME,
        )
    )


async def test_silent_database_costs_the_timeout_and_the_connection(
    settings: ApiSettings, proxy: TcpProxy, database: asyncpg.Connection
) -> None:
    async with impatient_pool(settings, proxy, connections=1) as reads:
        await reads.fetch("SELECT 1")
        proxy.stall()
        with pytest.raises(TimeoutError):
            await reads.fetch("SELECT 2")
        proxy.resume()
        assert [tuple(row) for row in await reads.fetch("SELECT 3")] == [(3,)]

        async def one_is_left() -> bool:
            return await sessions(database) == 1

        await eventually(one_is_left)


async def test_one_statement_finds_out_that_connections_died_without_a_word_and_the_next_are_spared(
    settings: ApiSettings, proxy: TcpProxy
) -> None:
    async with impatient_pool(settings, proxy, connections=3) as reads:
        await asyncio.gather(*(reads.fetch("SELECT pg_sleep(0.1)") for _ in range(3)))
        proxy.forget()
        with pytest.raises(TimeoutError):
            await reads.fetch("SELECT 1")
        await asyncio.gather(*(reads.fetch("SELECT pg_sleep(0.1)") for _ in range(3)))


async def test_database_that_falls_silent_while_a_statement_is_cancelled_is_given_up(
    settings: ApiSettings, proxy: TcpProxy
) -> None:
    async with impatient_pool(settings, proxy, connections=1) as reads:
        await reads.fetch("SELECT 1")
        proxy.stall()
        with pytest.raises(TimeoutError):
            await reads.fetch(SLOW, timeout_seconds=0.1)
        # On the same connection, whose cancellation nobody answers.
        with pytest.raises(TimeoutError):
            await reads.fetch("SELECT 2")
        proxy.resume()
        await reads.fetch("SELECT 3")


async def it_runs(database: asyncpg.Connection) -> bool:
    return await sessions(database, "query LIKE '%pg_sleep%' AND state = 'active'") == 1


@pytest.mark.parametrize("times", [1, 5])
async def test_statement_that_nobody_waits_for_is_ended_and_its_connection_used_again(
    settings: ApiSettings, database: asyncpg.Connection, times: int
) -> None:
    async def nothing_runs() -> bool:
        return await sessions(database, "state = 'active'") == 0

    async with pool(settings, connections=1) as reads:
        for _ in range(times):
            slow = asyncio.create_task(fetch(reads, SLOW))
            await eventually(lambda: it_runs(database))
            waiting = asyncio.create_task(fetch(reads, "SELECT 1"))
            await asyncio.sleep(0)
            slow.cancel()
            with pytest.raises(asyncio.CancelledError):
                await slow
            await waiting
            await eventually(nothing_runs)
        assert await sessions(database) == 1


async def test_whoever_stops_waiting_for_a_connection_takes_none(
    settings: ApiSettings, database: asyncpg.Connection
) -> None:
    async with pool(settings, connections=1, database_pool_timeout_seconds=0.1) as reads:
        slow = asyncio.create_task(fetch(reads, SLOW))
        # Its connection has been made: one that is given up on its way lives on for a moment.
        await eventually(lambda: it_runs(database))
        with pytest.raises(PoolTimeout):
            await fetch(reads, "SELECT 1")
        waiting = asyncio.create_task(fetch(reads, "SELECT 1"))
        await asyncio.sleep(0)
        waiting.cancel()
        slow.cancel()
        await asyncio.gather(waiting, slow, return_exceptions=True)
        await fetch(reads, "SELECT 1")
        assert await sessions(database) <= 1


async def test_line_has_an_end(settings: ApiSettings) -> None:
    async with pool(settings, connections=1, longest_line=2, database_pool_timeout_seconds=60) as reads:
        async with reads.turn():
            waiting = [asyncio.create_task(fetch(reads, "SELECT 1")) for _ in range(2)]
            await asyncio.sleep(0)
            with pytest.raises(PoolTimeout):
                await fetch(reads, "SELECT 1")
        await asyncio.gather(*waiting)
        await fetch(reads, "SELECT 1")
