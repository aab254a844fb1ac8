"""Fixtures for the producer's parts."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import asyncpg
import pytest

from producer_service.settings import ProducerSettings
from tests.support.pipeline import producer_settings
from tests.support.uploads import insert_upload

AddUpload = Callable[..., Awaitable[uuid.UUID]]
StoreFile = Callable[..., Awaitable[uuid.UUID]]


@pytest.fixture
def settings(database_url: str, upload_store_url: str, amqp_url: str) -> ProducerSettings:
    """An impatient producer, so that nothing in a test waits for a time."""
    return producer_settings(
        database_url,
        upload_store_url,
        amqp_url,
        sweep_seconds=0.1,
        progress_seconds=0.05,
        ledger_check_seconds=0.2,
    )


@pytest.fixture
def add_upload(database: asyncpg.Connection) -> AddUpload:
    """A new upload without a file."""

    async def add(**columns: object) -> uuid.UUID:
        return await insert_upload(database, **columns)

    return add


@pytest.fixture
def store_file(database: asyncpg.Connection, upload_store_url: str) -> StoreFile:
    """A new upload of this file, two rows a chunk, as the API leaves it behind."""

    async def store(content: bytes, **columns: object) -> uuid.UUID:
        key = f"{uuid.uuid4()}.csv"
        stored_file(upload_store_url, key).write_bytes(content)
        file_columns = {
            "object_key": key,
            "byte_count": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "chunk_rows": 2,
        }
        return await insert_upload(database, **{**file_columns, **columns})

    return store


def stored_file(upload_store_url: str, key: str) -> Path:
    return Path(unquote(urlsplit(upload_store_url).path)) / key
