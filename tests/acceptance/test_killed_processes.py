"""`kill -9` of any process at any step leaves no trace in the end: P2, P3, P4."""

from __future__ import annotations

import asyncio
import os
import random

import pytest

from tests.acceptance.conftest import MixedUpload
from tests.support.failpoint_settings import CONSUMER, PRODUCER, killing_consumer, killing_producer, slow_consumer
from tests.support.services import KILLED, Kind, Services
from tests.support.system import FINAL_STATES, System


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

    upload_id = await system.upload(mixed.file, mixed.mode)
    assert await doomed.ended(seconds=60) == KILLED
    await doomed.restart({CONSUMER: ""})

    upload = await system.until_finished(upload_id)
    assert await system.differences(upload, mixed.expected, after_crash=True) == []


@pytest.mark.parametrize(("place", "after"), [("chunk_published", 25), ("all_published", 0), ("before_finish", 0)])
async def test_producer_killed_at_any_step_of_an_upload_leaves_no_trace(
    place: str, after: int, services: Services, system: System, mixed: MixedUpload
) -> None:
    doomed = services.launch("producer_service", killing_producer(f"producer.{place}", after=after))
    services.launch("consumer_service")
    await services.start("api_service")

    upload_id = await system.upload(mixed.file, mixed.mode)
    assert await doomed.ended(seconds=60) == KILLED
    await doomed.restart({PRODUCER: ""})

    upload = await system.until_finished(upload_id)
    assert await system.differences(upload, mixed.expected) == []


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


async def test_random_kills_of_all_services_during_an_upload_leave_no_trace(
    services: Services, system: System, mixed: MixedUpload
) -> None:
    seed = int(os.environ.get("ROLLCALL_TEST_SEED", random.randrange(2**32)))
    print(f"ROLLCALL_TEST_SEED={seed}")  # noqa: T201 - shown when the test fails
    chance = random.Random(seed)
    kinds: list[Kind] = ["api_service", "producer_service", "consumer_service", "consumer_service", "consumer_service"]
    for kind in kinds:
        services.launch(kind, slow_consumer(0.1), comes_back=True)
    await services.api.until_ready()

    upload_id = await system.upload(mixed.file, mixed.mode)
    for _ in range(6):
        await asyncio.sleep(chance.uniform(0.1, 1.2))  # the moment is the test's input, nothing is waited for
        chance.choice(services.all).kill()

    upload = await system.until_finished(upload_id)
    assert upload["status"] in FINAL_STATES
    assert await system.differences(upload, mixed.expected, after_crash=True) == []
