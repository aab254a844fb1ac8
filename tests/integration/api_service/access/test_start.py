"""A service that would be open to others does not start, and says what to do."""

from __future__ import annotations

import asyncio
import json

import pytest

from deploy.program import free_port
from tests.support.api_process import api_process, start_api
from tests.support.patience import patience


async def test_without_authentication_no_service_listens_where_others_reach_it(
    database_url: str, amqp_url: str, upload_store_url: str
) -> None:
    backends = (database_url, amqp_url, upload_store_url)
    open_to_all = {"ROLLCALL_AUTHENTICATION": "off", "UVICORN_HOST": "0.0.0.0"}
    process = await start_api(free_port(), *backends, **open_to_all)
    output, _ = await asyncio.wait_for(process.communicate(), 60 * patience())
    assert process.returncode not in (0, None)
    lines = [json.loads(line) for line in output.splitlines()]
    (said,) = [line for line in lines if line["level"] == "critical"]
    assert "ROLLCALL_AUTHENTICATION=on" in said["event"]
    assert "ROLLCALL_PUBLISHED_ON_LOOPBACK=true" in said["event"]


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({"ROLLCALL_AUTHENTICATION": "off", "ROLLCALL_PUBLISHED_ON_LOOPBACK": "true"}, 200),
        ({"ROLLCALL_AUTHENTICATION": "on"}, 401),
    ],
)
async def test_whoever_says_that_nobody_else_reaches_it_or_asks_for_keys_may_listen_anywhere(
    database_url: str,
    amqp_url: str,
    upload_store_url: str,
    told: dict[str, str],
    status: int,
) -> None:
    backends = (database_url, amqp_url, upload_store_url)
    async with api_process(free_port(), *backends, UVICORN_HOST="0.0.0.0", **told) as (_, client):
        assert (await client.get("/v1/employees")).status_code == status
