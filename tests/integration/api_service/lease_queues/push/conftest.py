"""Fixtures for tests of pushes: an API that may push to this machine, and an endpoint."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from api_service.lease_queues.push import back_off
from api_service.settings import ApiSettings
from tests.support.api import api_settings
from tests.support.push_receiver import Receiver, push_receiver

# Lease queues need no broker; that they run without one is part of what is tested.
NO_BROKER = "amqp://nobody:nothing@127.0.0.1:1/none"


@pytest.fixture
def settings(database_url: str, upload_store_url: str) -> ApiSettings:
    return api_settings(
        database_url, NO_BROKER, upload_store_url, push_networks="127.0.0.0/8", push_timeout_seconds=60, push_requests=3
    )


@pytest.fixture
def late_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed does not come again by itself while a test looks at it."""
    monkeypatch.setattr(back_off, "FIRST_WAIT_SECONDS", 2000)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with push_receiver() as receiver:
        yield receiver
