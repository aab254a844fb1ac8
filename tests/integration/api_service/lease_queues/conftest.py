"""Fixtures for the tests of lease queues: the API, and the database beneath it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import httpx2
import pytest

from api_service.settings import ApiSettings
from tests.support.api import api_settings, running_api

# Lease queues need no broker; that they run without one is part of what is tested.
NO_BROKER = "amqp://nobody:nothing@127.0.0.1:1/none"


@pytest.fixture
def settings(database_url: str, upload_store_url: str) -> ApiSettings:
    return api_settings(database_url, NO_BROKER, upload_store_url)


@pytest.fixture
async def api(settings: ApiSettings) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a running API."""
    async with running_api(settings) as client:
        yield client


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the API's database, to look at and to prepare."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()
