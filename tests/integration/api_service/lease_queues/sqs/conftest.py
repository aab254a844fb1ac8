"""Fixtures for the tests of the SQS endpoint: boto3 on a running API."""

from __future__ import annotations

import httpx2
import pytest

from tests.support.sqs import Sqs


@pytest.fixture
def sqs(api: httpx2.AsyncClient) -> Sqs:
    return Sqs(str(api.base_url))
