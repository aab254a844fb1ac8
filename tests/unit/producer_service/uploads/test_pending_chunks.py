"""A pending chunk is settled once, sent again when its answer is overdue, and added to the progress."""

from __future__ import annotations

import asyncio

import pytest

from producer_service.uploads import pending_chunks
from producer_service.uploads.chunk_reader import FileChunk
from producer_service.uploads.chunk_room import ChunkRoom
from producer_service.uploads.pending_chunks import PendingChunks
from producer_service.uploads.send_window import SendWindow
from shared.database.ledger import LedgerEntry
from shared.messages import ChunkCounts

COUNTS = ChunkCounts(inserted=1, duplicates=1, rejected=2, rejected_by={"invalid_email": 2})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(pending_chunks, "time", clock)
    return clock


class Clock:
    """Stands in for the module `time`."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


def pending(*, window: int = 4, republish_seconds: float = 60) -> PendingChunks:
    return PendingChunks(SendWindow(window).share(), ChunkRoom().of_file(1), republish_seconds=republish_seconds)


def file_chunk(first_row: int) -> FileChunk:
    return FileChunk(first_row, 4, 100, b"body")


async def test_chunk_is_settled_once_however_many_answers_tell_of_it() -> None:
    chunks = pending()
    await _send(chunks, 1)

    settled = [chunks.settle(1, 4, 100, COUNTS) for _ in range(3)]
    found = chunks.settle_all([LedgerEntry(1, 4, 100, COUNTS), LedgerEntry(9, 4, 100, COUNTS)])

    assert (settled, found) == ([True, False, False], 0)
    progress = chunks.progress(rows_read=4)
    assert (progress.bytes_done, progress.counts) == (100, COUNTS)


@pytest.mark.fault(32)
async def test_answer_for_other_rows_settles_nothing_and_is_noticed() -> None:
    chunks = pending()
    await _send(chunks, 1)

    assert not chunks.settle(1, 3, 100, COUNTS)
    assert chunks.borders_differ
    assert chunks.first_rows() == [1]


async def test_progress_adds_up_what_was_known_before_and_what_was_answered() -> None:
    chunks = pending()
    chunks.count(50, COUNTS)
    await _send(chunks, 5)
    chunks.settle(5, 4, 100, ChunkCounts(updated=3, rejected=1, rejected_by={"missing_value": 1}))

    progress = chunks.progress(rows_read=8)

    assert (progress.rows_read, progress.bytes_done) == (8, 150)
    assert progress.counts == ChunkCounts(
        inserted=1, updated=3, duplicates=1, rejected=3, rejected_by={"invalid_email": 2, "missing_value": 1}
    )


async def test_unanswered_chunk_is_sent_again_and_waits_twice_as_long_each_time(clock: Clock) -> None:
    chunks = pending(republish_seconds=60)
    await _send(chunks, 1)
    sent_again_after = []

    for _ in range(3):
        since = clock.now
        while not (overdue := chunks.overdue()):
            clock.now += 1
        assert [chunk.first_row for chunk in overdue] == [1]
        assert chunks.overdue() == []
        chunks.sent(1)
        sent_again_after.append(clock.now - since)

    assert sent_again_after == [60, 120, 240]


async def test_chunk_that_the_broker_has_not_confirmed_is_not_overdue(clock: Clock) -> None:
    chunks = pending(republish_seconds=60)
    await chunks.wait_for_room()
    chunks.add(file_chunk(1))

    clock.now += 1000

    assert chunks.overdue() == []


async def test_chunk_that_was_lost_is_sent_again_at_once_unless_it_is_answered_or_not_confirmed(clock: Clock) -> None:
    chunks = pending(republish_seconds=60)
    await _send(chunks, 1)
    await _send(chunks, 5)
    await chunks.wait_for_room()
    chunks.add(file_chunk(9))

    chunks.make_all_overdue()
    chunks.settle(5, 4, 100, COUNTS)

    assert [chunk.first_row for chunk in chunks.overdue()] == [1]
    assert chunks.overdue() == []


async def test_answered_chunk_is_not_sent_again(clock: Clock) -> None:
    chunks = pending(republish_seconds=60)
    await _send(chunks, 1)
    chunks.settle(1, 4, 100, COUNTS)
    chunks.sent(1)

    clock.now += 1000

    assert chunks.overdue() == []
    assert not chunks.is_waiting_for(1)


async def test_answer_makes_room_in_the_window() -> None:
    chunks = pending(window=1)
    await _send(chunks, 1)
    waiting = asyncio.create_task(chunks.wait_for_room())
    await asyncio.sleep(0)
    assert not waiting.done()

    chunks.settle(1, 4, 100, COUNTS)

    await asyncio.wait_for(waiting, 5)


async def test_end_is_reached_when_the_last_answer_is_in() -> None:
    chunks = pending()
    await _send(chunks, 1, 5)
    end = asyncio.create_task(chunks.wait_until_empty())

    chunks.settle(5, 4, 100, COUNTS)
    await asyncio.sleep(0)
    assert not end.done()
    chunks.settle(1, 4, 100, COUNTS)

    await asyncio.wait_for(end, 5)


async def test_abandoned_chunks_are_waited_for_no_more_and_free_the_window() -> None:
    chunks = pending(window=2)
    await _send(chunks, 1, 5)

    chunks.abandon()

    await asyncio.wait_for(chunks.wait_until_empty(), 5)
    for _ in range(2):
        await asyncio.wait_for(chunks.wait_for_room(), 5)
    assert not chunks.settle(1, 4, 100, COUNTS)


async def _send(chunks: PendingChunks, *first_rows: int) -> None:
    for first_row in first_rows:
        await chunks.wait_for_room()
        chunks.add(file_chunk(first_row))
        chunks.sent(first_row)
