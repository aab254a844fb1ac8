"""Fixtures for tests of the whole: its processes, and what they are held to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, Literal, NamedTuple

import asyncpg
import pytest

from tests.support.broker import open_broker
from tests.support.mixed_file import write_mixed_file
from tests.support.plain_http import plain_client
from tests.support.reference import Expected, read_top_to_bottom
from tests.support.services import Backends, Services
from tests.support.system import System

# So that small files have many.
SMALL_CHUNKS: Final = {"ROLLCALL_API_CHUNK_ROWS": "100"}


class MixedUpload(NamedTuple):
    """A file of 6,000 rows to be uploaded in `update` mode, where the order of rows matters most."""

    file: Path
    expected: Expected
    mode: Literal["update"] = "update"
    chunks: int = 60


@pytest.fixture(scope="session")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> MixedUpload:
    """60 chunks with bad rows of every kind, and repeated emails within and across chunks."""
    file = tmp_path_factory.mktemp("mixed") / "mixed.csv"
    write_mixed_file(file, 6_000, bad_share=0.01, duplicate_share=0.05)
    return MixedUpload(file, read_top_to_bottom(file, "update"))


@pytest.fixture
def backends(database_url: str, amqp_url: str, upload_store_url: str) -> Backends:
    return Backends(database_url, amqp_url, upload_store_url)


@pytest.fixture
async def services(backends: Backends, tmp_path: Path) -> AsyncIterator[Services]:
    """None is started yet; all are killed in the end."""
    async with Services(backends, tmp_path / "logs", SMALL_CHUNKS, warm=True) as services:
        yield services


@pytest.fixture
async def system(services: Services, database_url: str, amqp_url: str) -> AsyncIterator[System]:
    """To be used once its API is started. In the end the services are ended, and have to have left nothing behind."""
    database = await asyncpg.connect(database_url)
    client = plain_client(services.api_url, timeout=120)
    async with open_broker(amqp_url) as broker, client:
        system = System(services, client, broker, amqp_url, database_url, database)
        yield system
        assert await system.leftovers() == []
    await system.database.close()
