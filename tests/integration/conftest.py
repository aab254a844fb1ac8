"""Fixtures for tests of the services' parts: the test's own connections to its database and its virtual host."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.broker import Broker, open_broker
from tests.support.pipeline import consumer_settings, wide_engine


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to look and to prepare with."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """A pool as the services have it, for the parts under test."""
    engine = wide_engine(consumer_settings(database_url))
    yield engine
    await engine.dispose()


@pytest.fixture
async def broker(amqp_url: str) -> AsyncIterator[Broker]:
    """The test's own connection to its virtual host."""
    async with open_broker(amqp_url) as broker:
        yield broker
