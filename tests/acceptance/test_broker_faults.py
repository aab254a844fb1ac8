"""What happens to the broker's connections and queues does not show in the end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx2
import pytest

from shared.amqp.topology import DEAD_LETTERS_QUEUE, REQUESTS_QUEUE
from tests.acceptance.conftest import SMALL_CHUNKS, MixedUpload
from tests.support.failpoint_settings import slow_consumer
from tests.support.patience import patience
from tests.support.reference import read_top_to_bottom
from tests.support.servers import Servers, management
from tests.support.services import Backends, Service, Services
from tests.support.system import System
from tests.support.waiting import eventually

USER = "acceptance"
CLOSINGS = 10
CHUNK = b'{"kind": "chunk", "upload_id": "6f3f1c9e-2f51-4b9f-93a9-0e7a4a9c0b4e", "first_row": 1, "byte_count": 9, '
NO_REQUESTS = [
    b"",
    b"hello",
    b"\x00\xff\xfe",
    b"[]",
    b"{}",
    b'{"kind": "chunk", "rows": "none"}',
    b'{"kind": "no such kind"}',
    b'{"kind": "chunk", "unknown": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    CHUNK + b'"layout": [4, [[0], [1], [2], [3]]], "line_numbers": [2], "rows": []}',
    CHUNK + b'"layout": [4, [[0], [1], [2], [9]]], "line_numbers": [2], "rows": [["a", "b", "c", "d"]]}',
    CHUNK + b'"layout": [4, [[0], [1], [2], [3]]], "line_numbers": [2], "rows": [["a", 2, null, "d"]]}',
    b'{"kind": "redrive", "upload_id": "no id", "rows": []}',
    b'{"kind": "employee", "correlation_id": "6f3f1c9e-2f51-4b9f-93a9-0e7a4a9c0b4e", "cells": ["one"]}',
]


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
    backends = Backends(database_url, own_url, upload_store_url)
    async with Services(backends, tmp_path / "logs", SMALL_CHUNKS, warm=True) as services:
        yield services
    async with management(servers) as api:
        await api.delete(f"/api/users/{user}")


@pytest.mark.fault(11)
async def test_upload_survives_that_all_connections_are_closed_again_and_again(
    services: Services, system: System, servers: Servers, amqp_url: str, mixed: MixedUpload
) -> None:
    vhost = amqp_url.rpartition("/")[2]
    consumers = [services.launch("consumer_service", slow_consumer(0.5)) for _ in range(2)]
    services.launch("producer_service")
    await services.start("api_service")
    upload_id = await system.upload(mixed.file, mixed.mode)

    async with management(servers) as api:
        for times in range(1, CLOSINGS + 1):
            await system.until_rows_done(upload_id, times * 300)
            await system.until_consumed_by(2)
            await _close_all(api, f"{USER}_{vhost}", consumers)
        upload = await system.until_finished(upload_id)
        await system.until_consumed_by(2)
        await eventually(partial(_both_have_prefetch_1, api, vhost))

    assert await system.differences(upload, mixed.expected, after_crash=True) == []


@pytest.mark.fault(14)
async def test_request_queue_that_is_deleted_is_consumed_again_and_what_was_in_it_is_sent_again_at_once(
    services: Services, system: System, mixed: MixedUpload
) -> None:
    consumers = [services.launch("consumer_service", slow_consumer(0.3)) for _ in range(2)]
    services.launch("producer_service")
    await services.start("api_service")
    upload_id = await system.upload(mixed.file, mixed.mode)

    for rows in (500, 2_000):
        await system.until_rows_done(upload_id, rows)
        await system.until_consumed_by(2)
        await system.broker.delete_queue(REQUESTS_QUEUE)

    # The broker cancelled the consumers; without that, waiting chunks would be sent again only after a minute.
    upload = await system.until_finished(upload_id, seconds=40)
    assert await system.differences(upload, mixed.expected, after_crash=True) == []
    await system.until_consumed_by(2)
    assert _have_lost_it(consumers, times=2)
    assert "sent again" in services.producer.log.read_text()


@pytest.mark.fault(23)
async def test_messages_that_are_no_requests_are_dead_lettered_with_a_reason_and_hold_up_nothing(
    services: Services, system: System, tmp_path: Path
) -> None:
    file = tmp_path / "one.csv"
    file.write_text("employee_name,company_name,mobile_no,email\nAda Byron,Engines,+441234567890,ada@byron.example\n")
    await services.start_all(consumers=1)

    for body in NO_REQUESTS:
        await system.broker.request(body)
    upload = await system.until_finished(await system.upload(file))

    assert upload["status"] == "succeeded"
    await system.until_letters_are_out()
    letters = await system.broker.take(DEAD_LETTERS_QUEUE, len(NO_REQUESTS))
    # In any order: an API that looks at the queue for the first time turns it, and these may come meanwhile.
    assert sorted(letter.body for letter in letters) == sorted(NO_REQUESTS)
    assert {letter.routing_key for letter in letters} == {"malformed"}
    listed = (await system.client.get("/v1/dead-letters?limit=100")).json()["data"]
    assert [each["code"] for each in listed] == ["malformed_message"] * len(NO_REQUESTS)
    assert all(each["message"].startswith("not a request") for each in listed)
    assert await system.differences(upload, read_top_to_bottom(file)) == []
    assert "broker lost" not in services.consumer.log.read_text()


async def _both_have_prefetch_1(api: httpx2.AsyncClient, vhost: str) -> bool:
    """As the broker's statistics say, which come some seconds late."""
    consuming = (await api.get(f"/api/consumers/{vhost}")).raise_for_status().json()
    of_requests = [each for each in consuming if each["queue"]["name"] == REQUESTS_QUEUE]
    return [(each["prefetch_count"], each["ack_required"]) for each in of_requests] == [(1, True), (1, True)]


async def _close_all(api: httpx2.AsyncClient, user: str, consumers: list[Service]) -> None:
    """On a busy machine a connection that has just been opened is not yet among those that the broker closes."""
    losses = [_losses_of_the_request_queue(consumer) for consumer in consumers]

    def all_lost_it() -> bool:
        return all(_losses_of_the_request_queue(each) > before for each, before in zip(consumers, losses, strict=True))

    async with asyncio.timeout(60 * patience()):
        while not all_lost_it():
            (await api.delete(f"/api/connections/username/{user}")).raise_for_status()
            with contextlib.suppress(AssertionError):
                await eventually(all_lost_it, seconds=3, exactly=True)


def _have_lost_it(consumers: list[Service], times: int) -> bool:
    """Counted for the request queue alone; that of bulk requests has a connection of its own."""
    return all(_losses_of_the_request_queue(consumer) == times for consumer in consumers)


def _losses_of_the_request_queue(consumer: Service) -> int:
    lines = consumer.log.read_text().splitlines()
    return sum("broker lost" in line and '"rollcall consumer"' in line for line in lines)
