"""Fixtures for the producer's parts."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from producer_service.settings import ProducerSettings
from shared.rows.csv_format import NEWEST_READER_VERSION
from shared.upload_status import FINAL_STATES
from tests.support import effects
from tests.support.broker import Broker
from tests.support.pipeline import Producer, producer_settings, running_producer
from tests.support.scripted_consumer import ScriptedConsumer
from tests.support.uploads import HEADER, insert_upload
from tests.support.waiting import eventually

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
            "reader_version": NEWEST_READER_VERSION,
            # The header is on the first.
            "first_row_line": 2,
        }
        return await insert_upload(database, **{**file_columns, **columns})

    return store


class UploadRuns:
    """Uploads that are sent to consumers which a test scripts."""

    def __init__(
        self,
        engine: AsyncEngine,
        settings: ProducerSettings,
        broker: Broker,
        store: StoreFile,
        database: asyncpg.Connection,
    ) -> None:
        self.broker = broker
        self.database = database
        self.store = store
        self.answered_by = broker.answering_requests
        self.engine = engine
        self._settings = settings

    def producer(self, **changes: object) -> AbstractAsyncContextManager[Producer]:
        """One that runs, with these settings changed."""
        return running_producer(self.engine, self._settings.model_copy(update=changes))

    def consumer(self, **ways: bool) -> ScriptedConsumer:
        return ScriptedConsumer(self.engine, **ways)

    async def end_as(self, upload_id: uuid.UUID, status: str) -> None:
        async def ended() -> bool:
            return await self.status(upload_id) in FINAL_STATES

        await eventually(ended)
        assert await self.status(upload_id) == status

    async def upload(self, upload_id: uuid.UUID) -> asyncpg.Record:
        return await effects.upload(self.database, upload_id)

    async def status(self, upload_id: uuid.UUID) -> str:
        return await effects.status(self.database, upload_id)

    async def problem_code(self, upload_id: uuid.UUID) -> str:
        return str(json.loads((await self.upload(upload_id))["problem"])["code"])


@pytest.fixture
def runs(
    engine: AsyncEngine,
    settings: ProducerSettings,
    broker: Broker,
    store_file: StoreFile,
    database: asyncpg.Connection,
) -> UploadRuns:
    return UploadRuns(engine, settings, broker, store_file, database)


def stored_file(upload_store_url: str, key: str) -> Path:
    return Path(unquote(urlsplit(upload_store_url).path)) / key


def file_of(count: int, *, bad: int = 0) -> bytes:
    good = b"".join(b"Asha,Initech,9876543210,p%d@example.com\n" % number for number in range(count - bad))
    return HEADER + good + b"bad,Initech,1,x\n" * bad
