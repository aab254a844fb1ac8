"""Dead letters by the ten thousand are got rid of by one order, and are all there again after a restore."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import asyncpg
import httpx2
import pytest

from shared.amqp.topology import DEAD_LETTERS_QUEUE
from tests.acceptance.conftest import SMALL_CHUNKS
from tests.support import servers as test_servers
from tests.support.broker import Broker, open_broker
from tests.support.operator import logged, runbook_rows
from tests.support.servers import Servers
from tests.support.services import Backends, Services
from tests.support.uploads import HEADER, insert_upload, send
from tests.support.waiting import eventually

BAD_ROWS = 1_500
MANY = 50_000
RESTORED = "letters that the dead-letter queue lacked are published again"


@pytest.fixture
async def new_amqp_url(servers: Servers) -> AsyncIterator[str]:
    url = await test_servers.create_vhost(servers)
    yield url
    await test_servers.delete_vhost(servers, url)


async def test_fifty_thousand_dead_letters_are_got_rid_of_by_one_order_that_says_how_far_it_is(
    services: Services, database_url: str
) -> None:
    await services.start("api_service")
    database = await asyncpg.connect(database_url)
    upload_id = await insert_upload(database, status="partially_succeeded")
    await database.execute(
        "INSERT INTO rejected_rows (upload_id, row_number, line_number, code, message, cells, dead_at)"
        " SELECT $1, number, number + 1, 'invalid_email', '', '[]', now() FROM generate_series(1, $2) AS number",
        upload_id,
        MANY,
    )
    await database.close()

    async with httpx2.AsyncClient(base_url=services.api_url, timeout=60) as client:
        # One that names nothing is told what to say, and takes nothing.
        assert (await client.delete("/v1/dead-letters")).status_code == 422
        assert (await client.get("/v1/dead-letters?limit=1")).json()["totalData"] == MANY

        answer = await client.request("DELETE", "/v1/dead-letters", json={"code": "invalid_email"})
        assert answer.status_code == 202, answer.text

        async def is_over() -> bool:
            job = (await client.get(answer.headers["Location"])).raise_for_status().json()
            assert job["total"] == MANY
            return bool((job["state"], job["done"]) == ("succeeded", MANY))

        await eventually(is_over, seconds=60)
        assert (await client.get("/v1/dead-letters?limit=1")).json()["totalData"] == 0
    assert runbook_rows("`employees.dead-letters` grows")


async def test_restored_system_has_all_dead_letters_in_its_new_broker(
    servers: Servers, database_url: str, amqp_url: str, new_amqp_url: str, upload_store_url: str, tmp_path: Path
) -> None:
    old = Backends(database_url, amqp_url, upload_store_url)
    async with Services(old, tmp_path / "logs", SMALL_CHUNKS, warm=True) as services, open_broker(amqp_url) as broker:
        await services.start_all(consumers=1)
        async with httpx2.AsyncClient(base_url=services.api_url, timeout=60) as client:
            assert (await send(client, HEADER + b"Bad,,,\n" * BAD_ROWS)).status_code == 202
        await eventually(partial(_has_letters, broker), seconds=60)
        await services.end()

    backup_url = await test_servers.create_database(servers, database_url.rpartition("/")[2])
    try:
        new = Backends(backup_url, new_amqp_url, upload_store_url)
        async with (
            Services(new, tmp_path / "new-logs", SMALL_CHUNKS, warm=True) as services,
            open_broker(new_amqp_url) as broker,
        ):
            await services.start_all(consumers=1)
            # From the outbox, which the consumers' sweep empties of what is old.
            await eventually(partial(_has_letters, broker), seconds=90)
            await eventually(lambda: [line["letters"] for line in logged(services.api, RESTORED)] == [BAD_ROWS])
            async with httpx2.AsyncClient(base_url=services.api_url, timeout=60) as client:
                listing = (await client.get("/v1/dead-letters?limit=1")).raise_for_status().json()
            assert (listing["depth"], listing["totalData"]) == (BAD_ROWS, BAD_ROWS)
            # An entry leaves it when its letters are confirmed.
            await eventually(partial(_is_empty, backup_url))
            assert runbook_rows(RESTORED)
            await services.end()
    finally:
        await test_servers.drop_database(servers, backup_url)


async def _has_letters(broker: Broker) -> bool:
    return (await broker.state(DEAD_LETTERS_QUEUE)).ready == BAD_ROWS


async def _is_empty(database_url: str) -> bool:
    """The outbox."""
    database = await asyncpg.connect(database_url)
    try:
        return not await database.fetchval("SELECT count(*) FROM unpublished_letters")
    finally:
        await database.close()
