"""Connections that wait and idle for a bounded time, from a pool that says when it is used up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database.engine import create_engine, is_row_fault
from shared.service.telemetry import sqlstate
from tests.support.patience import patience
from tests.support.pipeline import consumer_settings
from tests.support.tcp_proxy import tcp_proxy
from tests.support.waiting import eventually

SECRET = "asha.rao@example.com"
# What answers at all does so sooner, on a crowded machine too.
ANSWER_SECONDS = 2


MakeEngine = Callable[..., AsyncEngine]


@pytest.fixture
async def make_engine(database_url: str) -> AsyncIterator[MakeEngine]:
    """A pool of two, impatient in one way alone: a machine that stands still for a moment meets no other deadline."""
    engines: list[AsyncEngine] = []

    def make(*, statement_timeout_seconds: float = 0, pool_timeout_seconds: float = 30, **own: Any) -> AsyncEngine:
        engine = create_engine(
            consumer_settings(database_url, **own),
            "rollcall test",
            pool_size=2,
            pool_timeout_seconds=pool_timeout_seconds,
            statement_timeout_seconds=statement_timeout_seconds,
        )
        engines.append(engine)
        return engine

    yield make
    for engine in engines:
        await engine.dispose()


async def test_statement_waits_for_a_lock_no_longer_than_the_setting(
    make_engine: MakeEngine, database: asyncpg.Connection
) -> None:
    async with database.transaction():
        await database.execute("LOCK TABLE uploads")
        with pytest.raises(DBAPIError) as raised:
            await _run(make_engine(lock_timeout_seconds=0.2), "SELECT count(*) FROM uploads")

    assert sqlstate(raised.value) == "55P03"
    assert not is_row_fault(raised.value)


async def test_statement_runs_no_longer_than_the_setting(make_engine: MakeEngine) -> None:
    with pytest.raises(DBAPIError) as raised:
        await _run(make_engine(statement_timeout_seconds=0.5), "SELECT pg_sleep(10)")

    assert sqlstate(raised.value) == "57014"


async def test_transaction_whose_service_has_stopped_talking_is_ended(
    make_engine: MakeEngine, database: asyncpg.Connection
) -> None:
    async with make_engine(idle_in_transaction_timeout_seconds=1).connect() as connection:
        await connection.execute(text("LOCK TABLE uploads"))
        # Its lock is free as soon as the server has ended it.
        async with database.transaction():
            await asyncio.wait_for(database.execute("LOCK TABLE uploads"), 10 * patience())

        with pytest.raises(DBAPIError):
            await connection.execute(text("SELECT 1"))


async def test_pool_that_is_used_up_says_so_in_time(make_engine: MakeEngine) -> None:
    engine = make_engine(pool_timeout_seconds=0.2)
    async with engine.connect(), engine.connect():
        with pytest.raises(PoolTimeout):
            await _run(engine, "SELECT 1")

    await _run(engine, "SELECT 1")


async def test_error_of_a_statement_shows_no_parameters(make_engine: MakeEngine) -> None:
    with pytest.raises(DBAPIError) as raised:
        async with make_engine().connect() as connection:
            await connection.execute(text("SELECT 1 / (length(:value) - length(:value))"), {"value": SECRET})

    assert SECRET not in str(raised.value)
    assert is_row_fault(raised.value)


@pytest.mark.parametrize("ping", [False, True])
async def test_connections_that_died_in_the_pool_are_replaced(
    ping: bool, database_url: str, database: asyncpg.Connection
) -> None:
    settings = consumer_settings(database_url)
    engine = create_engine(settings, "rollcall test", pool_size=2, pool_timeout_seconds=5, ping=ping)
    drivers = await _run_twice_at_once(engine)
    ended = await database.fetch(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = 'rollcall test'"
    )
    assert len(ended) == 2
    # The driver has heard of it when this process has read to the end of both.
    await eventually(lambda: all(driver.is_closed() for driver in drivers))

    await _run_twice_at_once(engine)
    await engine.dispose()


async def _run_twice_at_once(engine: AsyncEngine) -> list[Any]:
    """The driver's connections."""
    async with engine.connect() as one, engine.connect() as other:
        await one.execute(text("SELECT 1"))
        await other.execute(text("SELECT 1"))
        return [(await each.get_raw_connection()).driver_connection for each in (one, other)]


async def _run(engine: AsyncEngine, statement: str) -> None:
    async with engine.connect() as connection:
        await connection.execute(text(statement))


async def test_one_statement_finds_out_that_connections_died_without_a_word_and_the_next_are_spared(
    database_url: str,
) -> None:
    async with tcp_proxy(database_url) as proxy:
        settings = consumer_settings(proxy.url, database_answer_timeout_seconds=ANSWER_SECONDS)
        engine = create_engine(settings, "rollcall test", pool_size=2, pool_timeout_seconds=5, ping=False)
        await _run_twice_at_once(engine)
        proxy.forget()
        with pytest.raises(TimeoutError):
            await _run(engine, "SELECT 2")

        await _run_twice_at_once(engine)
        await engine.dispose()


async def test_statement_that_is_never_answered_costs_the_timeout_and_the_connection(database_url: str) -> None:
    async with tcp_proxy(database_url) as proxy:
        settings = consumer_settings(proxy.url, database_answer_timeout_seconds=ANSWER_SECONDS)
        engine = create_engine(settings, "rollcall test", pool_size=1, pool_timeout_seconds=5)
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
            proxy.stall()
            with pytest.raises(TimeoutError):
                await connection.execute(text("SELECT 2"))
            assert connection.invalidated
        proxy.resume()
        await _run(engine, "SELECT 3")
        await engine.dispose()


async def test_server_that_says_nothing_is_given_up_and_asked_anew_when_it_is_back(database_url: str) -> None:
    async with tcp_proxy(database_url) as proxy:
        settings = consumer_settings(proxy.url, database_answer_timeout_seconds=ANSWER_SECONDS)
        engine = create_engine(settings, "rollcall test", pool_size=1, pool_timeout_seconds=5)
        await _run(engine, "SELECT 1")
        begin = time.monotonic()
        proxy.stall()
        with pytest.raises(TimeoutError):
            await _run(engine, "SELECT 2")
        # A look whether the connection is alive, its end in good order, a new one.
        assert time.monotonic() - begin < 15 * patience()

        proxy.resume()
        await _run(engine, "SELECT 3")
        await engine.dispose()
