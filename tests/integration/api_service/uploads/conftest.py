"""An API with a producer and a consumer behind it, for tests that follow a file to its end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.upload_status import FINAL_STATES
from tests.support.pipeline import consumer_settings, producer_settings, running_consumer, running_producer
from tests.support.uploads import send
from tests.support.waiting import eventually

Process = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
async def process(
    api: httpx2.AsyncClient, engine: AsyncEngine, database_url: str, amqp_url: str, upload_store_url: str
) -> AsyncIterator[Process]:
    """Uploads a file, as `send` does, and returns the upload once it is finished."""

    async def send_and_follow(content: bytes, **given: str) -> dict[str, Any]:
        answer = await send(api, content, **given)
        assert answer.status_code == 202, answer.text
        upload: dict[str, Any] = answer.json()

        async def is_finished() -> bool:
            upload.update((await api.get(answer.headers["Location"])).json())
            return upload["status"] in FINAL_STATES

        await eventually(is_finished, seconds=60)
        return upload

    producer = producer_settings(
        database_url, upload_store_url, amqp_url, sweep_seconds=0.1, progress_seconds=0.05, ledger_check_seconds=0.2
    )
    async with (
        running_consumer(engine, consumer_settings(database_url, amqp_url)),
        running_producer(engine, producer),
    ):
        yield send_and_follow
