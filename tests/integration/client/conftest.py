"""Fixtures for the tests of the client: a running API, and both clients of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

import rollcall
from tests.support.api import api_settings, running_api


@pytest.fixture
async def api_url(database_url: str, amqp_url: str, upload_store_url: str) -> AsyncIterator[str]:
    settings = api_settings(database_url, amqp_url, upload_store_url, max_upload_bytes=1024 * 1024)
    async with running_api(settings) as client:
        yield str(client.base_url)


@pytest.fixture
async def rc(api_url: str) -> AsyncIterator[rollcall.AsyncClient]:
    async with rollcall.AsyncClient(api_url) as client:
        yield client
