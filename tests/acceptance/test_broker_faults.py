"""What happens to the broker's connections and queues does not show in the end."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from shared.amqp.topology import DEAD_LETTERS_QUEUE, REQUESTS_QUEUE
from tests.acceptance.conftest import SMALL_CHUNKS, MixedUpload
from tests.support.failpoint_settings import slow_consumer
from tests.support.reference import read_top_to_bottom
from tests.support.servers import Servers, management
from tests.support.services import Backends, Services
from tests.support.system import System

USER = "acceptance"


@pytest.fixture
async def services(
    servers: Servers, database_url: str, amqp_url: str, upload_store_url: str, tmp_path: Path
) -> AsyncIterator[Services]:
    """With a broker user of their own, so that their connections can be told from the test's."""
    vhost = amqp_url.rpartition("/")[2]
    user = f"{USER}_{vhost}"
    async with management(servers) as api:
        (await api.put(f"/api/users/{user}", json={"password": user, "tags": ""})).raise_for_status()
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        (await api.put(f"/api/permissions/{vhost}/{user}", json=everything)).raise_for_status()
    parts = urlsplit(amqp_url)
    own_url = urlunsplit(parts._replace(netloc=f"{user}:{user}@{parts.hostname}:{parts.port}"))
    environment = {**SMALL_CHUNKS, "ROLLCALL_PRODUCER_REPUBLISH_SECONDS": "3"}
    backends = Backends(database_url, own_url, upload_store_url)
    async with Services(backends, tmp_path / "logs", environment) as services:
        yield services
    async with management(servers) as api:
        await api.delete(f"/api/users/{user}")


async def test_upload_survives_that_all_connections_are_closed_again_and_again(
    services: Services, system: System, servers: Servers, amqp_url: str, mixed: MixedUpload
) -> None:
    consumers = [services.launch("consumer_service", slow_consumer(0.1)) for _ in range(2)]
    services.launch("producer_service")
    await services.start("api_service")
    upload_id = await system.upload(mixed.file, mixed.mode)

    for rows in (500, 2_000, 3_500):
        await system.until_rows_done(upload_id, rows)
        async with management(servers) as api:
            user = f"{USER}_{amqp_url.rpartition('/')[2]}"
            (await api.delete(f"/api/connections/username/{user}")).raise_for_status()

    upload = await system.until_finished(upload_id)
    assert await system.differences(upload, mixed.expected, after_crash=True) == []
    await system.until_consumed_by(2)
    for consumer in consumers:
        assert "broker lost" in consumer.log.read_text()


async def test_request_queue_that_is_deleted_is_declared_and_consumed_again(
    services: Services, system: System, mixed: MixedUpload
) -> None:
    for _ in range(2):
        services.launch("consumer_service", slow_consumer(0.1))
    services.launch("producer_service")
    await services.start("api_service")
    upload_id = await system.upload(mixed.file, mixed.mode)
    await system.until_rows_done(upload_id, 500)

    await system.broker.delete_queue(REQUESTS_QUEUE)

    upload = await system.until_finished(upload_id)
    assert await system.differences(upload, mixed.expected, after_crash=True) == []
    await system.until_consumed_by(2)


async def test_message_that_is_no_request_is_dead_lettered_with_a_reason_and_holds_up_nothing(
    services: Services, system: System, tmp_path: Path
) -> None:
    file = tmp_path / "one.csv"
    file.write_text("employee_name,company_name,mobile_no,email\nAda Byron,Engines,+441234567890,ada@byron.example\n")
    await services.start_all(consumers=1)

    await system.broker.request(b'{"kind": "chunk", "rows": "none"}')
    upload = await system.until_finished(await system.upload(file))

    assert upload["status"] == "succeeded"
    (letter,) = await system.broker.take(DEAD_LETTERS_QUEUE, 1)
    assert letter.routing_key == "malformed"
    assert json.loads(letter.body) == {"kind": "chunk", "rows": "none"}
    (listed,) = (await system.client.get("/v1/dead-letters")).json()["data"]
    assert listed["code"] == "malformed_message"
    assert listed["message"].startswith("not a request")
    assert await system.differences(upload, read_top_to_bottom(file)) == []
