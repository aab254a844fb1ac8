"""An upload that another release began, or announces, is finished without a row twice, or left alone."""

from __future__ import annotations

import uuid

import pytest

from producer_service.uploads import leased_work
from shared.amqp.topology import UPLOADS_QUEUE
from shared.database.ledger import LedgerEntry, insert_entry
from shared.messages import ChunkCounts, ChunkReply, ChunkRequest, UploadAnnounced, encode
from shared.rows.csv_format import NEWEST_READER_VERSION
from tests.integration.producer_service.conftest import UploadRuns, file_of
from tests.support.waiting import eventually


@pytest.mark.fault(32)
async def test_ledger_of_other_borders_is_kept_and_the_gaps_between_its_chunks_are_filled(runs: UploadRuns) -> None:
    upload_id = await runs.store(file_of(14))
    await _write_ledger(runs, upload_id, [(1, 3), (5, 4), (13, 1)])
    consumer = runs.consumer()
    async with runs.answered_by(consumer), runs.producer():
        await runs.end_as(upload_id, "succeeded")

    sent = sorted((chunk.first_row, len(chunk.rows)) for chunk in consumer.chunks)
    assert sent == [(4, 1), (9, 2), (11, 2), (14, 1)]
    upload = await runs.upload(upload_id)
    assert (upload["rows_read"], upload["inserted"]) == (14, 14)


@pytest.mark.fault(32)
async def test_chunk_that_was_done_with_other_rows_begins_the_upload_anew_from_the_ledger(
    runs: UploadRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leased_work, "RETRY_SECONDS", 0.1)
    upload_id = await runs.store(file_of(6))
    consumer = runs.consumer()

    async def find_the_first_done(chunk: ChunkRequest) -> ChunkReply | None:
        if chunk.first_row == 1:
            await _write_ledger(runs, upload_id, [(1, 4)])
        elif chunk.first_row == 3:
            return None
        return await consumer(chunk) if chunk.first_row == 5 else None

    async with runs.answered_by(find_the_first_done), runs.producer():
        await runs.end_as(upload_id, "succeeded")

    upload = await runs.upload(upload_id)
    assert (upload["rows_read"], upload["inserted"], upload["duplicates"]) == (6, 6, 0)


@pytest.mark.fault(32)
@pytest.mark.parametrize("entries", [[(1, 3), (3, 2)], [(1, 5), (6, 40)], [(1, 5), (9, 2)]])
async def test_upload_whose_ledger_cannot_be_of_its_file_ends_with_a_clear_problem(
    entries: list[tuple[int, int]], runs: UploadRuns
) -> None:
    upload_id = await runs.store(file_of(6))
    await _write_ledger(runs, upload_id, entries)
    async with runs.answered_by(runs.consumer()), runs.producer():
        await runs.end_as(upload_id, "failed")

    assert await runs.problem_code(upload_id) == "ledger_mismatch"
    upload = await runs.upload(upload_id)
    assert upload["rows_read"] == upload["inserted"] + upload["unprocessed"]


@pytest.mark.fault(32)
async def test_upload_of_a_newer_reader_is_left_to_a_newer_producer(runs: UploadRuns) -> None:
    newer = await runs.store(file_of(3), reader_version=NEWEST_READER_VERSION + 1)
    known = await runs.store(file_of(3))
    async with runs.answered_by(runs.consumer()), runs.producer():
        await runs.broker.publish(UPLOADS_QUEUE, encode(UploadAnnounced(upload_id=newer)))
        await runs.end_as(known, "succeeded")
        await eventually(lambda: runs.broker.has_ready(UPLOADS_QUEUE, 0))

    assert await runs.status(newer) == "queued"


@pytest.mark.fault(33)
async def test_newer_announcements_and_replies_are_hints_that_can_be_ignored(runs: UploadRuns) -> None:
    consumer = runs.consumer(answers=False)
    async with runs.answered_by(consumer), runs.producer() as producer:
        upload_id = await runs.store(file_of(3))
        await runs.broker.publish(UPLOADS_QUEUE, b'{"kind": "upload_announced", "version": 99, "urgent": true}')
        await eventually(lambda: producer.requester.replies.is_subscribed)
        callback = producer.requester.replies.queue_name
        assert callback is not None
        await runs.broker.publish(callback, b'{"kind": "chunk_reply", "version": 99, "first_row": "one"}')
        await runs.end_as(upload_id, "succeeded")

    assert await runs.broker.take_all(UPLOADS_QUEUE) == []


async def _write_ledger(runs: UploadRuns, upload_id: uuid.UUID, ranges: list[tuple[int, int]]) -> None:
    """As consumers of another release left it: first rows and numbers of rows, all inserted."""
    async with runs.engine.begin() as connection:
        for first_row, row_count in ranges:
            entry = LedgerEntry(first_row, row_count, 10, ChunkCounts(inserted=row_count))
            await insert_entry(connection, upload_id, entry, slot=0)
