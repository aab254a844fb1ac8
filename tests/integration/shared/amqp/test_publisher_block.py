"""A broker that takes no messages says so to whoever publishes, and here everybody in the process knows it then.

One that is too busy to tell how many messages a queue has says that there are none, and is asked again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import aio_pika
import pytest
import structlog
from prometheus_client import Counter, Gauge
from structlog.testing import capture_logs

from consumer_service.settings import ConsumerSettings
from shared.amqp import publisher_block as publisher_blocks
from shared.amqp import queue_depths
from shared.amqp.connection import BrokerUnavailable
from shared.amqp.publisher import Publisher
from shared.amqp.publisher_block import BrokerBlocksPublishers, publisher_block
from shared.amqp.queue_depths import read_broker_state, require_open_publishing
from shared.amqp.topology import REQUESTS_EXCHANGE, REQUESTS_QUEUE
from tests.support.own_broker import FULL_DISK, ROOM_AGAIN, OwnBroker, own_broker, vhost_on
from tests.support.patience import patience
from tests.support.pipeline import consumer_settings
from tests.support.servers import Servers
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def rabbit(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnBroker]:
    with own_broker(servers.kind, tmp_path_factory.mktemp("own-broker")) as broker:
        yield broker


@pytest.fixture
async def settings(rabbit: OwnBroker, servers: Servers) -> AsyncIterator[ConsumerSettings]:
    """Those of a virtual host on a broker whose disk the test may fill."""
    async with vhost_on(rabbit, servers) as url:
        yield consumer_settings("postgresql://nobody@127.0.0.1:1/none", url, publish_timeout_seconds=2 * patience())


@pytest.fixture(autouse=True)
def fresh_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was used under another test's configuration keeps it, and nothing of it is captured."""
    monkeypatch.setattr(publisher_blocks, "log", structlog.get_logger())


@pytest.fixture(autouse=True)
def patient_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that does not say in time whether it is blocked counts as it did before."""
    monkeypatch.setattr(publisher_blocks, "_CONFIRM_SECONDS", publisher_blocks._CONFIRM_SECONDS * patience())
    monkeypatch.setattr(queue_depths, "ANSWER_SECONDS", queue_depths.ANSWER_SECONDS * patience())


async def test_alarm_is_known_from_the_first_publish_to_its_end(rabbit: OwnBroker, settings: ConsumerSettings) -> None:
    publisher = Publisher(settings, "test publisher")
    await publisher.publish(REQUESTS_EXCHANGE, REQUESTS_QUEUE, b"before")
    unconfirmed = _value(publisher_blocks.UNCONFIRMED)
    with capture_logs() as lines:
        await rabbit.ctl(*FULL_DISK)
        with pytest.raises(BrokerUnavailable, match="RabbitMQ blocks publishers: low on disk"):
            await publisher.publish(REQUESTS_EXCHANGE, REQUESTS_QUEUE, b"blocked")
        assert _reason() == "low on disk"
        assert (_value(publisher_blocks.BLOCKED), _value(publisher_blocks.UNCONFIRMED)) == (1, unconfirmed + 1)
        with pytest.raises(BrokerBlocksPublishers, match="RabbitMQ blocks publishers: low on disk"):
            await require_open_publishing(settings)

        await rabbit.ctl(*ROOM_AGAIN)
        await publisher.publish(REQUESTS_EXCHANGE, REQUESTS_QUEUE, b"after")
        await require_open_publishing(settings)

    assert _reason() is None
    assert _value(publisher_blocks.BLOCKED) == 0
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("RabbitMQ blocks publishers", "error"),
        ("RabbitMQ takes messages again", "info"),
    ]
    assert lines[0]["reason"] == "low on disk"
    await publisher.close()


async def test_one_who_asks_is_told_of_an_alarm_that_nobody_has_met_yet(
    rabbit: OwnBroker, settings: ConsumerSettings
) -> None:
    assert (await read_broker_state(settings)).blocks_publishers is None
    await rabbit.ctl(*FULL_DISK)
    assert (await read_broker_state(settings)).blocks_publishers == "low on disk"
    await rabbit.ctl(*ROOM_AGAIN)
    assert (await read_broker_state(settings)).blocks_publishers is None


async def test_end_of_an_alarm_is_known_to_those_who_wait_without_another_publish(
    rabbit: OwnBroker, settings: ConsumerSettings
) -> None:
    patient = Publisher(settings.model_copy(update={"publish_timeout_seconds": 60}), "test publisher")
    await patient.publish(REQUESTS_EXCHANGE, REQUESTS_QUEUE, b"before")
    await rabbit.ctl(*FULL_DISK)
    waiting = asyncio.create_task(patient.publish(REQUESTS_EXCHANGE, REQUESTS_QUEUE, b"waits"))
    await eventually(lambda: publisher_block.reason == "low on disk")

    await rabbit.ctl(*ROOM_AGAIN)
    await waiting

    await eventually(lambda: publisher_block.reason is None)
    await patient.close()


async def test_queue_that_is_too_busy_to_be_counted_is_not_taken_for_an_empty_one(
    rabbit: OwnBroker, settings: ConsumerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_depths, "_LOOKS_AT_MOST", 1_000)
    vhost = settings.amqp_url.get_secret_value().rpartition("/")[2]
    process = (
        f'{{ok, Q}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"{vhost}">>, queue, <<"{REQUESTS_QUEUE}">>)),'
        " {Name, _} = amqqueue:get_pid(Q)"
    )
    patient = Publisher(settings.model_copy(update={"publish_timeout_seconds": 60}), "test publisher")
    for _ in range(3):
        await patient.publish(REQUESTS_EXCHANGE, REQUESTS_QUEUE, b"waits")
    async with await aio_pika.connect(settings.amqp_url.get_secret_value()) as connection:
        channel = await connection.channel()
        await rabbit.ctl("eval", f"{process}, sys:suspend(Name).")
        try:
            told = (await channel.declare_queue(REQUESTS_QUEUE, passive=True)).declaration_result.message_count
            asking = asyncio.create_task(patient.depth(REQUESTS_QUEUE))
        finally:
            await rabbit.ctl("eval", f"{process}, sys:resume(Name).")

    assert (told, (await asking).messages) == (0, 3)
    await patient.close()


def _reason() -> str | None:
    return publisher_block.reason


def _value(metric: Counter | Gauge) -> float:
    (family,) = metric.collect()
    (value,) = [each.value for each in family.samples if not each.name.endswith("_created")]
    return float(value)
