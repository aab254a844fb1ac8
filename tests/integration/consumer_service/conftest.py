"""Fixtures for the consumer's parts."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from consumer_service.chunk_handler import ChunkHandler
from shared.service.failpoints import Failpoints
from tests.support.pipeline import consumer_settings
from tests.support.uploads import insert_upload

MakeHandler = Callable[..., ChunkHandler]
AddUpload = Callable[..., Awaitable[uuid.UUID]]


@pytest.fixture
def make_handler(engine: AsyncEngine, database_url: str) -> MakeHandler:
    """The chunk handler of a new consumer."""

    def make(failpoints: str = "", consumer: uuid.UUID | None = None) -> ChunkHandler:
        return ChunkHandler(engine, consumer_settings(database_url), Failpoints(failpoints), consumer or uuid.uuid4())

    return make


@pytest.fixture
def add_upload(database: asyncpg.Connection) -> AddUpload:
    """A new upload that takes chunks."""

    async def add(**columns: object) -> uuid.UUID:
        return await insert_upload(database, **{"status": "running", **columns})

    return add
