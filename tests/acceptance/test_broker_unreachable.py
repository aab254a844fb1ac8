"""A broker whose packets are dropped, without a reset: the heartbeat notices, and all connect anew."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from aiormq.exceptions import ChannelLockedResource, ChannelNotFoundEntity

from shared.amqp.topology import REQUESTS_QUEUE
from tests.acceptance.conftest import SMALL_CHUNKS, MixedUpload
from tests.support.broker import QueueState
from tests.support.services import Backends, Service, Services
from tests.support.system import System
from tests.support.tcp_proxy import TcpProxy, tcp_proxy
from tests.support.waiting import eventually


@pytest.fixture
async def proxy(amqp_url: str) -> AsyncIterator[TcpProxy]:
    async with tcp_proxy(amqp_url) as proxy:
        yield proxy


@pytest.fixture
async def services(
    proxy: TcpProxy, database_url: str, upload_store_url: str, tmp_path: Path
) -> AsyncIterator[Services]:
    """Their way to the broker can be stalled; the test's own cannot."""
    environment = {**SMALL_CHUNKS, "ROLLCALL_AMQP_HEARTBEAT_SECONDS": "2", "ROLLCALL_PUBLISH_TIMEOUT_SECONDS": "3"}
    backends = Backends(database_url, proxy.url, upload_store_url)
    async with Services(backends, tmp_path / "logs", environment, warm=True) as services:
        yield services


@pytest.mark.fault(12)
async def test_broker_that_drops_packets_is_noticed_and_followed_under_a_new_callback_queue(
    proxy: TcpProxy, services: Services, system: System, mixed: MixedUpload
) -> None:
    await services.start_slow(chunk_seconds=0.1)
    upload_id = await system.upload(mixed.file, mixed.mode)
    await system.until_rows_done(upload_id, 1_000)
    first = _callback_queues(services.producer)[-1]

    proxy.stall()
    # Both sides give up: the services theirs, and the broker its, which puts back what they had in hand.
    for service in [services.producer, *services.of("consumer_service")]:
        await eventually(service.says_not_ready, seconds=40)
    await eventually(partial(_nobody_consumes, system), seconds=40)
    proxy.resume()

    upload = await system.until_finished(upload_id)
    assert await system.differences(upload, mixed.expected, after_crash=True) == []
    for service in services.all:
        await service.until_ready()
    last = _callback_queues(services.producer)[-1]
    assert last != first
    await eventually(partial(_is_gone, system, first), seconds=40)
    with pytest.raises(ChannelLockedResource):  # there, and the producer's alone
        await system.broker.state(last)


def _callback_queues(producer: Service) -> list[str]:
    """The names that its callback queues have had, in order."""
    return re.findall(r"callback\.[0-9a-f]{32}", producer.log.read_text())


async def _is_gone(system: System, queue: str) -> bool:
    """The broker deletes it when it has given up its producer's connection."""
    try:
        await system.broker.state(queue)
    except ChannelNotFoundEntity:
        return True
    except ChannelLockedResource:
        return False
    return False


async def _nobody_consumes(system: System) -> bool:
    state: QueueState = await system.broker.state(REQUESTS_QUEUE)
    return state.consumers == 0
