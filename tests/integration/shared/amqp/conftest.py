"""Fixtures for the tests of the broker's modules."""

from __future__ import annotations

import pytest

from consumer_service.settings import ConsumerSettings
from tests.support.pipeline import consumer_settings

NO_DATABASE = "postgresql://nobody@127.0.0.1:1/none"


@pytest.fixture
def settings(amqp_url: str) -> ConsumerSettings:
    """Of any service: what they share is under test."""
    return consumer_settings(NO_DATABASE, amqp_url)
