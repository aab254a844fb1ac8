"""Fixtures for the consumer's parts."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from consumer_service.chunk_handler import ChunkHandler
from consumer_service.redrive_handler import RedriveHandler
from shared.service.failpoints import Failpoints
from tests.support.chunks import RAISES, chunk
from tests.support.pipeline import consumer_settings
from tests.support.uploads import insert_upload

MakeHandler = Callable[..., ChunkHandler]
MakeRedrives = Callable[..., RedriveHandler]
AddUpload = Callable[..., Awaitable[uuid.UUID]]


@pytest.fixture
def make_handler(engine: AsyncEngine, database_url: str) -> MakeHandler:
    """The chunk handler of a new consumer."""

    def make(failpoints: str = "", consumer: uuid.UUID | None = None, **own: Any) -> ChunkHandler:
        settings = consumer_settings(database_url, **own)
        return ChunkHandler(engine, settings, Failpoints(failpoints), consumer or uuid.uuid4())

    return make


@pytest.fixture
def add_upload(database: asyncpg.Connection) -> AddUpload:
    """A new upload that takes chunks."""

    async def add(**columns: object) -> uuid.UUID:
        return await insert_upload(database, **{"status": "running", **columns})

    return add


@pytest.fixture
def make_redrives(engine: AsyncEngine, database_url: str) -> MakeRedrives:
    """The redrive handler of a new consumer; without a failpoint it is mended."""

    def make(failpoints: str = "") -> RedriveHandler:
        return RedriveHandler(engine, consumer_settings(database_url), Failpoints(failpoints), uuid.uuid4())

    return make


@pytest.fixture
def add_rejected(make_handler: MakeHandler, add_upload: AddUpload, database: asyncpg.Connection) -> AddUpload:
    """A running upload of one chunk, whose cursed rows are rejected and their letters published."""

    async def add(cells: list[list[str]], **columns: object) -> uuid.UUID:
        upload_id = await add_upload(**columns)
        await make_handler(RAISES).handle(chunk(upload_id, cells), careful=False)
        await database.execute("DELETE FROM unpublished_letters")
        return upload_id

    return add


@pytest.fixture
def add_finished(add_rejected: AddUpload, database: asyncpg.Connection) -> AddUpload:
    """The same, finished as `partially_succeeded`."""

    async def add(cells: list[list[str]], **columns: object) -> uuid.UUID:
        upload_id = await add_rejected(cells, **columns)
        await database.execute(
            """
            UPDATE uploads AS u
            SET status = 'partially_succeeded', finished_at = now(), rows_read = c.row_count, inserted = c.inserted,
                updated = c.updated, duplicates = c.duplicates, rejected = c.rejected, rejected_by = c.rejected_by
            FROM upload_chunks AS c WHERE c.upload_id = u.id AND u.id = $1
            """,
            upload_id,
        )
        return upload_id

    return add
