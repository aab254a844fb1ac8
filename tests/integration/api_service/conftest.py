"""Fixtures for the tests of the API's addresses: the API itself, and what it keeps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import httpx2
import pytest

from api_service.settings import ApiSettings
from shared.amqp import queue_depths
from shared.service import probes
from tests.support.api import api_settings, running_api
from tests.support.patience import patience


@pytest.fixture
def no_turn_of_retention(monkeypatch: pytest.MonkeyPatch) -> None:
    """The API's own, which comes at some time after its start. To be named before the API, as `usefixtures` does."""

    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("api_service.app.run_retention", never)


@pytest.fixture(autouse=True)
def patient_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine the API waits longer for an answer before it says that broker, database or store are away."""
    monkeypatch.setattr(queue_depths, "ANSWER_SECONDS", queue_depths.ANSWER_SECONDS * patience())
    monkeypatch.setattr(probes, "CHECK_TIMEOUT_SECONDS", probes.CHECK_TIMEOUT_SECONDS * patience())


@pytest.fixture
def settings(database_url: str, amqp_url: str, upload_store_url: str) -> ApiSettings:
    """With small limits; a test that needs others overrides this fixture or copies it with an update."""
    return api_settings(database_url, amqp_url, upload_store_url, max_upload_bytes=1024 * 1024)


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
