"""Fixtures for tests of the whole: its processes, and what they are held to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import httpx2
import pytest

from tests.support.broker import open_broker
from tests.support.services import Backends, Services
from tests.support.system import System


@pytest.fixture
async def services(database_url: str, amqp_url: str, upload_store_url: str, tmp_path: Path) -> AsyncIterator[Services]:
    """None is started yet; all are killed in the end."""
    backends = Backends(database_url, amqp_url, upload_store_url)
    # Small chunks, so that small files have many.
    async with Services(backends, tmp_path / "logs", ROLLCALL_API_CHUNK_ROWS="100") as services:
        yield services


@pytest.fixture
async def system(services: Services, database_url: str, amqp_url: str) -> AsyncIterator[System]:
    """To be used once its API is started."""
    database = await asyncpg.connect(database_url)
    client = httpx2.AsyncClient(base_url=services.api_url, timeout=120)
    async with open_broker(amqp_url) as broker, client:
        yield System(services, client, broker, amqp_url, database)
    await database.close()
