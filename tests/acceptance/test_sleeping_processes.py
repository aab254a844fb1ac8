"""Processes that sleep (SIGSTOP) for so long that others take over, and then go on as if nothing had been."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from uuid import UUID

import asyncpg
import pytest

from shared.messages import ChunkCounts, ChunkReply, encode
from tests.acceptance.conftest import MixedUpload
from tests.support.failpoint_settings import ROW_TIMEOUT, slow_consumer, stopping_consumer, stopping_producer
from tests.support.services import Service, Services
from tests.support.system import System
from tests.support.waiting import eventually, somebody_waits_for_a_lock

# The broker gives a consumer up after two or three of these.
HEARTBEAT = {"ROLLCALL_AMQP_HEARTBEAT_SECONDS": "1"}
# Whoever has it keeps it, however long they sleep or wait for the processor.
LONG_LEASE = {"ROLLCALL_PRODUCER_LEASE_SECONDS": "600"}
DONE_ALREADY = "chunk was done already"
REPEATS = 3


class Sleeping:
    """An upload with two consumers, of which one fell asleep over its third chunk until the broker gave it up."""

    def __init__(self, services: Services, system: System, mixed: MixedUpload) -> None:
        self._services = services
        self._system = system
        self._mixed = mixed

    async def begin(self, place: str, own: Mapping[str, str] | None = None) -> None:
        services, system = self._services, self._system
        stop = stopping_consumer(f"consumer.{place}", after=2)
        self.sleeper = services.launch("consumer_service", {**stop, **HEARTBEAT, **(own or {})})
        self.other = services.launch("consumer_service", slow_consumer(0.15))
        services.launch("producer_service")
        await services.start("api_service")
        await system.until_consumed_by(2)
        self.upload_id = await system.upload(self._mixed.file, self._mixed.mode)
        await eventually(lambda: self.sleeper.is_asleep, seconds=60)
        await system.until_consumed_by(1)

    def wake(self) -> None:
        self.sleeper.signal(signal.SIGCONT)

    async def end(self) -> None:
        """All is as it has to be, and both consume."""
        upload = await self._system.until_finished(self.upload_id)
        assert await self._system.differences(upload, self._mixed.expected, after_crash=True) == []
        await self._system.until_consumed_by(2)

    async def until_done_already(self, *services: Service) -> None:
        """One of them found that a chunk was in the ledger."""
        await eventually(lambda: any(DONE_ALREADY in each.log.read_text() for each in services), seconds=60)


@pytest.fixture
def sleeping(services: Services, system: System, mixed: MixedUpload) -> Sleeping:
    return Sleeping(services, system, mixed)


@pytest.mark.fault(7)
async def test_consumer_that_slept_before_its_transaction_finds_its_chunk_done(
    sleeping: Sleeping, system: System
) -> None:
    await sleeping.begin("before_transaction")
    await system.until_finished(sleeping.upload_id)

    sleeping.wake()

    await sleeping.until_done_already(sleeping.sleeper)
    await sleeping.end()


@pytest.mark.fault(7)
async def test_consumer_that_slept_in_its_transaction_commits_first_when_it_wakes_in_time(
    sleeping: Sleeping, system: System
) -> None:
    await sleeping.begin("inside_transaction")
    await eventually(lambda: somebody_waits_for_a_lock(system.database), seconds=60)

    sleeping.wake()

    await sleeping.until_done_already(sleeping.other, sleeping.sleeper)
    await sleeping.end()


@pytest.mark.fault(7)
async def test_consumer_that_slept_for_longer_than_its_transaction_may_idle_cannot_commit(
    sleeping: Sleeping, system: System
) -> None:
    await sleeping.begin("inside_transaction", {"ROLLCALL_IDLE_IN_TRANSACTION_TIMEOUT_SECONDS": "1"})
    await system.until_finished(sleeping.upload_id)

    sleeping.wake()

    await eventually(lambda: "holding: the fault is ours" in sleeping.sleeper.log.read_text(), seconds=60)
    assert DONE_ALREADY not in sleeping.other.log.read_text()
    await sleeping.end()


@pytest.mark.fault(6)
@pytest.mark.fault(7)
@pytest.mark.parametrize("place", ["after_commit", "before_reply"])
async def test_consumer_that_slept_after_its_commit_does_no_harm_with_its_late_reply_and_acknowledgement(
    place: str, sleeping: Sleeping
) -> None:
    await sleeping.begin(place)
    await sleeping.until_done_already(sleeping.other)

    sleeping.wake()

    await sleeping.end()


@pytest.mark.fault(6)
async def test_replies_that_come_again_are_not_counted_again(
    services: Services, system: System, mixed: MixedUpload
) -> None:
    services.launch("consumer_service", slow_consumer(0.1) | {ROW_TIMEOUT: "3600"})
    producer = services.launch("producer_service")
    await services.start("api_service")
    upload_id = await system.upload(mixed.file, mixed.mode)
    await system.until_rows_done(upload_id, 1_000)

    services.consumer.signal(signal.SIGSTOP)
    (callback_queue,) = set(re.findall(r"callback\.[0-9a-f]{32}", producer.log.read_text()))
    answered = await system.chunks(upload_id)
    for first_row, rows in answered * REPEATS:
        counts = ChunkCounts(inserted=rows)
        reply = ChunkReply(
            upload_id=UUID(upload_id), first_row=first_row, outcome="done", row_count=rows, counts=counts
        )
        await system.broker.publish(callback_queue, encode(reply))
    services.consumer.signal(signal.SIGCONT)

    async def has_got_on() -> bool:
        too_many = "SELECT rows_done - (SELECT sum(row_count) FROM upload_chunks WHERE upload_id = id) FROM uploads"
        assert await system.database.fetchval(too_many) <= 0
        return len(await system.chunks(upload_id)) > len(answered) + 10

    await eventually(has_got_on, seconds=60)
    upload = await system.until_finished(upload_id)
    assert await system.differences(upload, mixed.expected, after_crash=True) == []


@pytest.mark.fault(5)
async def test_producer_that_slept_past_its_lease_in_the_midst_of_a_file_stops_when_it_wakes(
    services: Services, system: System, mixed: MixedUpload
) -> None:
    services.launch("consumer_service", slow_consumer(0.25))
    sleeper = services.launch("producer_service")
    await services.start("api_service")
    upload_id = await system.upload(mixed.file, mixed.mode)
    await system.until_rows_done(upload_id, 500)

    sleeper.signal(signal.SIGSTOP)
    services.launch("producer_service", LONG_LEASE)
    await _until_fence(system, upload_id, 2)
    sleeper.signal(signal.SIGCONT)

    await _until_it_gives_up(sleeper)
    assert await _fence(system, upload_id) == 2
    upload = await system.until_finished(upload_id)
    assert await system.differences(upload, mixed.expected) == []


@pytest.mark.fault(5)
async def test_producer_that_wakes_to_finish_an_upload_that_is_anothers_by_now_changes_nothing(
    services: Services, system: System, mixed: MixedUpload
) -> None:
    services.launch("consumer_service")
    sleeper = services.launch("producer_service", stopping_producer("producer.before_finish"))
    await services.start("api_service")
    upload_id = await system.upload(mixed.file, mixed.mode)
    await eventually(lambda: sleeper.is_asleep, seconds=60)
    holder = services.launch("producer_service", stopping_producer("producer.before_finish") | LONG_LEASE)
    await eventually(lambda: holder.is_asleep, seconds=60)
    before = await _rows_of(system.database, upload_id)

    sleeper.signal(signal.SIGCONT)

    await _until_it_gives_up(sleeper)
    assert await _rows_of(system.database, upload_id) == before
    assert await _fence(system, upload_id) == 2
    holder.signal(signal.SIGCONT)
    upload = await system.until_finished(upload_id)
    assert await system.differences(upload, mixed.expected) == []


async def _until_it_gives_up(sleeper: Service) -> None:
    await eventually(lambda: "another producer has the upload now" in sleeper.log.read_text(), seconds=60)
    assert await sleeper.metric("rollcall_producer_leases_lost_total") == 1


async def _fence(system: System, upload_id: str) -> int | None:
    fence: int | None = await system.database.fetchval(
        "SELECT fence FROM upload_leases WHERE upload_id = $1", upload_id
    )
    return fence


async def _until_fence(system: System, upload_id: str, wanted: int) -> None:
    async def is_so_far() -> bool:
        return await _fence(system, upload_id) == wanted

    await eventually(is_so_far, seconds=60)


async def _rows_of(database: asyncpg.Connection, upload_id: str) -> asyncpg.Record | None:
    """The upload and its lease, every column."""
    query = "SELECT u.*, l.* FROM uploads AS u JOIN upload_leases AS l ON l.upload_id = id WHERE id = $1"
    return await database.fetchrow(query, upload_id)
