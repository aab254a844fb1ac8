"""Fixtures for the tests of lease queues: an API that has no broker."""

from __future__ import annotations

import pytest

from api_service.settings import ApiSettings
from tests.support.api import api_settings

# Lease queues need no broker; that they run without one is part of what is tested.
NO_BROKER = "amqp://nobody:nothing@127.0.0.1:1/none"


@pytest.fixture
def settings(database_url: str, upload_store_url: str) -> ApiSettings:
    return api_settings(database_url, NO_BROKER, upload_store_url)
