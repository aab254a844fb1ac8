"""Fixtures for dead letters: letters with their rows, their uploads, and a consumer that tries them again."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import asyncpg
import httpx2
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from api_service.settings import ApiSettings
from tests.support.api import running_api
from tests.support.broker import Broker
from tests.support.dead_letters import DeadLetters, open_dead_letters, until_acquainted
from tests.support.pipeline import consumer_settings, running_consumer
from tests.support.uploads import insert_upload

ConsumerOf = Callable[[], AbstractAsyncContextManager[object]]


@pytest.fixture(autouse=True)
def letters_are_kept(no_turn_of_retention: None) -> None:
    """Though they died long ago."""


@pytest.fixture
async def api(settings: ApiSettings, database: asyncpg.Connection) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an API that has nothing to do with the queue but what a test orders."""
    async with running_api(settings) as client:
        await until_acquainted(settings, database)
        yield client


@pytest.fixture
async def letters(settings: ApiSettings, database: asyncpg.Connection, broker: Broker) -> AsyncIterator[DeadLetters]:
    async with open_dead_letters(settings, database, broker) as dead_letters:
        yield dead_letters


@pytest.fixture
async def upload_id(database: asyncpg.Connection) -> uuid.UUID:
    return await rejected_upload(database)


@pytest.fixture
def consumer(engine: AsyncEngine, settings: ApiSettings) -> ConsumerOf:
    """A consumer at whose hands the letters' rows are rejected again, unless a test gives them other cells."""

    @contextlib.asynccontextmanager
    async def run() -> AsyncIterator[None]:
        database_url, amqp_url = settings.database_url.get_secret_value(), settings.amqp_url.get_secret_value()
        async with running_consumer(engine, consumer_settings(database_url, amqp_url)):
            yield

    return run


async def rejected_upload(database: asyncpg.Connection, *, chunk_rows: int = 2000, chunks: int = 1) -> uuid.UUID:
    """A finished upload with nothing but rejects, in its ledger and its counts; the rows are put there by the test."""
    row_count = chunk_rows * chunks
    upload_id = await insert_upload(database, status="partially_succeeded")
    await database.execute(
        "UPDATE uploads SET rows_read = $2::int, rejected = $2::int, finished_at = now(),"
        " rejected_by = jsonb_build_object('invalid_email', $2::int) WHERE id = $1",
        upload_id,
        row_count,
    )
    await database.execute(
        "INSERT INTO upload_chunks (upload_id, first_row, row_count, byte_count, inserted, updated, duplicates,"
        " rejected, rejected_by) SELECT $1, 1 + $2::int * chunk, $2::int, 10, 0, 0, 0, $2::int,"
        " jsonb_build_object('invalid_email', $2::int) FROM generate_series(0, $3::int - 1) AS chunk",
        upload_id,
        chunk_rows,
        chunks,
    )
    return upload_id


async def listed(api: httpx2.AsyncClient) -> list[str]:
    body = (await api.get("/v1/dead-letters?limit=1000")).json()
    assert body["totalData"] == body["size"] == len(body["data"])
    return [letter["messageId"] for letter in body["data"]]
