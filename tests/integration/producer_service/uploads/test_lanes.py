"""However many large uploads there are, a small one is taken, and few chunks of theirs are ahead of it (P6)."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from producer_service.requester import Requester
from producer_service.uploads.lanes import MEDIUM_BYTES, SMALL_BYTES
from shared.amqp.topology import REQUESTS_QUEUE
from shared.messages import ChunkReply, ChunkRequest, decode_request
from tests.integration.producer_service.conftest import UploadRuns, file_of
from tests.support.waiting import eventually

WINDOW = 2
PLACES = 3


async def store_larger_than(runs: UploadRuns, byte_count: int) -> uuid.UUID:
    """In truth its file is small: nobody holds its size to it before its end."""
    return await runs.store(file_of(60), byte_count=byte_count + 1)


@pytest.mark.fault(28)
@pytest.mark.parametrize("size", [SMALL_BYTES, MEDIUM_BYTES])
async def test_small_upload_is_sent_while_larger_ones_take_every_place_and_wait_for_answers(
    runs: UploadRuns, size: int
) -> None:
    large = [await store_larger_than(runs, size) for _ in range(PLACES + 2)]
    async with runs.producer(window_chunks=WINDOW, max_uploads=PLACES):
        await eventually(lambda: all_running(runs, large[:PLACES]))
        await eventually(lambda: runs.broker.has_ready(REQUESTS_QUEUE, WINDOW))

        small = await runs.store(file_of(2))
        requests = await runs.broker.take(REQUESTS_QUEUE, WINDOW + 1)

        assert await statuses(runs, large) == ["running"] * PLACES + ["queued"] * 2
    sent = [decode_request(request.body) for request in requests]
    assert [chunk.upload_id == small for chunk in sent if isinstance(chunk, ChunkRequest)] == [False, False, True]


@pytest.mark.fault(28)
async def test_medium_upload_ends_while_large_ones_take_every_place(runs: UploadRuns) -> None:
    large = [await store_larger_than(runs, MEDIUM_BYTES) for _ in range(PLACES)]
    async with runs.producer(window_chunks=WINDOW, max_uploads=PLACES):
        await eventually(lambda: all_running(runs, large))
        medium = await runs.store(file_of(2), byte_count=SMALL_BYTES + 1)
        await eventually(lambda: all_running(runs, [medium]))
        consumer = runs.consumer()
        async with runs.answered_by(consumer, prefetch=1):
            await runs.end_as(medium, "succeeded")

    # They have 30 chunks each.
    sent = [chunk.upload_id for chunk in consumer.chunks]
    assert sent.index(medium) < 45


@pytest.mark.fault(28)
async def test_no_more_of_a_large_upload_is_sent_than_keeps_the_consumers_busy(runs: UploadRuns) -> None:
    large = await store_larger_than(runs, MEDIUM_BYTES)
    answered: list[ChunkRequest] = []
    may_answer = asyncio.Semaphore(0)

    async def answer_when_told(chunk: ChunkRequest) -> ChunkReply | None:
        await may_answer.acquire()
        answered.append(chunk)
        return await consumer(chunk)

    consumer = runs.consumer()
    async with runs.answered_by(answer_when_told, prefetch=1), runs.producer(window_chunks=8):
        await eventually(lambda: all_running(runs, [large]))
        # Eight may have been sent before it was known that there is one consumer.
        for _ in range(8):
            may_answer.release()
        await eventually(lambda: len(answered) == 8)
        # One more is in the consumer's hands.
        await eventually(lambda: runs.broker.has_ready(REQUESTS_QUEUE, 3))
        await asyncio.sleep(1)
        assert await runs.broker.has_ready(REQUESTS_QUEUE, 3)


async def test_sweep_does_not_wait_for_a_broker_that_does_not_say_how_many_consumers_there_are(
    runs: UploadRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_asked = asyncio.Event()

    async def never(_: Requester) -> int:
        is_asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(Requester, "count_consumers", never)
    first = await store_larger_than(runs, SMALL_BYTES)
    async with runs.producer():
        await eventually(is_asked.is_set)
        # Nobody announces it.
        second = await store_larger_than(runs, SMALL_BYTES)
        await eventually(lambda: all_running(runs, [first, second]))


async def all_running(runs: UploadRuns, upload_ids: list[uuid.UUID]) -> bool:
    return await statuses(runs, upload_ids) == ["running"] * len(upload_ids)


async def statuses(runs: UploadRuns, upload_ids: list[uuid.UUID]) -> list[str]:
    return [await runs.status(upload_id) for upload_id in upload_ids]
