"""`kill -9` of any process at any step leaves no trace in the end: P2, P3, P4."""

from __future__ import annotations

import asyncio

import pytest

from shared.amqp.topology import REQUESTS_QUEUE
from shared.upload_status import FINAL_STATES
from tests.acceptance.conftest import MixedUpload
from tests.support.failpoint_settings import CONSUMER, PRODUCER, killing_consumer, killing_producer, slow_consumer
from tests.support.seeded_random import seeded_random
from tests.support.services import KILLED, Kind, Services
from tests.support.system import System
from tests.support.waiting import eventually

CONSUMER_KILLS = 30


@pytest.mark.fault(6)
@pytest.mark.parametrize(
    "place", ["before_transaction", "inside_transaction", "after_commit", "before_reply", "after_reply"]
)
async def test_consumer_killed_at_any_step_of_a_chunk_leaves_no_trace(
    place: str, services: Services, system: System, mixed: MixedUpload
) -> None:
    doomed = services.launch("consumer_service", killing_consumer(f"consumer.{place}", after=5))
    services.launch("consumer_service", slow_consumer(0.03))
    services.launch("producer_service")
    await services.start("api_service")
    # Or the other one has done it all before this one consumes.
    await system.until_consumed_by(2)

    upload_id = await system.upload(mixed.file, mixed.mode)
    assert await doomed.ended(seconds=60) == KILLED
    await doomed.restart({CONSUMER: ""})

    upload = await system.until_finished(upload_id)
    assert await system.differences(upload, mixed.expected, after_crash=True) == []


@pytest.mark.parametrize(
    ("place", "after", "successor"),
    [
        pytest.param("chunk_published", 10, "another", marks=pytest.mark.fault(3)),
        pytest.param("chunk_published", 40, "the same", marks=pytest.mark.fault(3)),
        pytest.param("all_published", 0, "the same", marks=pytest.mark.fault(4)),
        pytest.param("before_finish", 0, "another", marks=pytest.mark.fault(4)),
    ],
)
async def test_producer_killed_at_any_step_of_an_upload_is_followed_by_one_that_cuts_the_same_chunks(
    place: str, after: int, successor: str, services: Services, system: System, mixed: MixedUpload
) -> None:
    doomed = services.launch("producer_service", killing_producer(f"producer.{place}", after=after))
    services.launch("consumer_service")
    await services.start("api_service")

    upload_id = await system.upload(mixed.file, mixed.mode)
    assert await doomed.ended(seconds=60) == KILLED
    if successor == "another":
        services.launch("producer_service")
    else:
        await doomed.restart({PRODUCER: ""})

    upload = await system.until_finished(upload_id)
    assert await system.differences(upload, mixed.expected) == []
    undisturbed = await system.until_finished(await system.upload(mixed.file, mixed.mode))
    assert await system.chunks(upload_id) == await system.chunks(undisturbed["id"])


@pytest.mark.fault(4)
async def test_upload_whose_replies_nobody_heard_is_finished_from_the_ledger_alone(
    services: Services, system: System, mixed: MixedUpload
) -> None:
    services.launch("producer_service", {"ROLLCALL_PRODUCER_WINDOW_CHUNKS": "100"})
    await services.start("api_service")
    upload_id = await system.upload(mixed.file, mixed.mode)
    await eventually(lambda: system.broker.has_ready(REQUESTS_QUEUE, mixed.chunks))
    services.producer.kill()
    assert await services.producer.ended() == KILLED

    await services.start("consumer_service")

    async def is_all_in_the_ledger() -> bool:
        return len(await system.chunks(upload_id)) == mixed.chunks

    await eventually(is_all_in_the_ledger, seconds=60)
    successor = await services.start("producer_service")

    upload = await system.until_finished(upload_id)
    assert await successor.metric("rollcall_producer_chunks_published_total") == 0
    assert await system.differences(upload, mixed.expected) == []


@pytest.mark.fault(2)
async def test_upload_goes_on_when_the_api_is_killed_after_its_answer(
    services: Services, system: System, mixed: MixedUpload
) -> None:
    await services.start("api_service")

    upload_id = await system.upload(mixed.file, mixed.mode)
    services.api.kill()
    assert await services.api.ended() == KILLED
    services.launch("producer_service")
    services.launch("consumer_service")
    await services.api.restart()

    upload = await system.until_finished(upload_id)
    assert await system.differences(upload, mixed.expected) == []


@pytest.mark.long
@pytest.mark.fault(9)
async def test_thirty_random_kills_of_consumers_in_one_upload_leave_no_trace_and_no_valid_row_dead(
    services: Services, system: System, mixed: MixedUpload
) -> None:
    chance = seeded_random()
    consumers = [services.launch("consumer_service", slow_consumer(0.06), restarts_when_dead=True) for _ in range(2)]
    services.launch("producer_service")
    await services.start("api_service", {"ROLLCALL_API_CHUNK_ROWS": "20"})

    upload_id = await system.upload(mixed.file, mixed.mode)
    last = mixed.expected.rows_read * 8 // 10
    for rows in sorted(chance.sample(range(last), CONSUMER_KILLS)):
        await system.until_rows_done(upload_id, rows)
        await eventually(lambda: any(consumer.is_live for consumer in consumers), seconds=60)
        await asyncio.sleep(chance.uniform(0, 0.05))  # the moment is the test's input, nothing is waited for
        doomed = chance.choice([consumer for consumer in consumers if consumer.is_live])
        doomed.kill()
        await doomed.ended()

    upload = await system.until_finished(upload_id)
    await eventually(lambda: sum(consumer.deaths for consumer in consumers) == CONSUMER_KILLS)
    assert await system.differences(upload, mixed.expected, after_crash=True) == []


@pytest.mark.fault(3)
@pytest.mark.fault(6)
async def test_random_kills_of_all_services_during_an_upload_leave_no_trace(
    services: Services, system: System, mixed: MixedUpload
) -> None:
    chance = seeded_random()
    kinds: list[Kind] = ["api_service", "producer_service", "consumer_service", "consumer_service", "consumer_service"]
    for kind in kinds:
        services.launch(kind, slow_consumer(0.1), restarts_when_dead=True)
    await services.api.until_ready()

    upload_id = await system.upload(mixed.file, mixed.mode)
    for _ in range(6):
        await asyncio.sleep(chance.uniform(0.1, 1.2))  # the moment is the test's input, nothing is waited for
        chance.choice(services.all).kill()

    upload = await system.until_finished(upload_id)
    assert upload["status"] in FINAL_STATES
    assert await system.differences(upload, mixed.expected, after_crash=True) == []
