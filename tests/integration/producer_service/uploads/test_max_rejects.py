"""Past its `maxRejects` an upload sends no more and ends as `failed`, with every row of its file accounted for."""

from __future__ import annotations

import json
import uuid

import pytest
from sqlalchemy import text

from shared.amqp.topology import REQUESTS_QUEUE
from shared.database.ledger import LedgerEntry, insert_entry
from shared.messages import ChunkCounts, ChunkReply, ChunkRequest, PreviewReply
from tests.integration.producer_service.conftest import UploadRuns, file_of, stored_file
from tests.support.uploads import HEADER

CODE = "too_many_rejects"
BAD_ROW = b"bad,Initech,1,x\n"

REDRIVE_THE_FIRST = """
    UPDATE upload_chunks SET rejected = 0, inserted = row_count, rejected_by = '{}' WHERE first_row = 1
"""


def bad_file(count: int) -> bytes:
    return HEADER + BAD_ROW * count


async def outcome(runs: UploadRuns, upload_id: uuid.UUID) -> tuple[int, int, int]:
    """Rows read, rejected and unprocessed, once they are known to add up."""
    upload = await runs.upload(upload_id)
    done = sum(upload[name] for name in ("inserted", "updated", "duplicates", "rejected"))
    assert upload["rows_read"] == done + upload["unprocessed"]
    return upload["rows_read"], upload["rejected"], upload["unprocessed"]


async def execute(runs: UploadRuns, statement: str) -> None:
    """While the test itself is asking for the upload."""
    async with runs.engine.begin() as connection:
        await connection.execute(text(statement))


@pytest.mark.parametrize(("max_rejects", "rejected"), [(0, 2), (1, 2), (2, 4), (9, 10), (18, 20)])
async def test_upload_stops_at_the_first_chunk_past_its_limit_and_counts_the_rest_as_unprocessed(
    max_rejects: int, rejected: int, runs: UploadRuns
) -> None:
    # One chunk at a time: nothing is in flight beyond the one that passes the limit.
    upload_id = await runs.store(bad_file(40), max_rejects=max_rejects)
    consumer = runs.consumer()
    async with runs.answered_by(consumer), runs.producer(window_chunks=1):
        await runs.end_as(upload_id, "failed")

    assert await outcome(runs, upload_id) == (40, rejected, 40 - rejected)
    assert consumer.first_rows(upload_id) == list(range(1, rejected + 1, 2))
    problem = json.loads((await runs.upload(upload_id))["problem"])
    assert problem["code"] == CODE
    assert f"More than {max_rejects} rows" in problem["detail"]


async def test_late_reply_to_a_preview_of_it_counts_nothing_for_the_upload(runs: UploadRuns) -> None:
    late = ChunkCounts(rejected=2, rejected_by={"missing_value": 2})
    consumer = runs.consumer()

    async def answer(chunk: ChunkRequest) -> ChunkReply | None:
        reply = await consumer(chunk)
        if chunk.first_row > 1:
            return reply
        # The first chunk has its entry, which the ledger tells: this is of a preview that is over.
        return PreviewReply(
            preview_id=7, upload_id=chunk.upload_id, first_row=1, outcome="done", row_count=2, byte_count=1, counts=late
        )

    # One chunk at a time, so that nothing is sent before the first was settled, by whichever reply.
    upload_id = await runs.store(file_of(6), max_rejects=1)
    async with runs.answered_by(answer), runs.producer(window_chunks=1):
        await runs.end_as(upload_id, "succeeded")
    assert await outcome(runs, upload_id) == (6, 0, 0)


async def test_no_more_is_past_the_limit_than_was_in_flight(runs: UploadRuns) -> None:
    upload_id = await runs.store(bad_file(400), max_rejects=10)
    consumer = runs.consumer()
    async with runs.answered_by(consumer), runs.producer(window_chunks=4):
        await runs.end_as(upload_id, "failed")

    read, rejected, _ = await outcome(runs, upload_id)
    assert read == 400
    assert 10 < rejected <= 10 + 4 * 2
    assert len(consumer.chunks) <= 5 + 4


@pytest.mark.parametrize(
    ("max_rejects", "status"), [(9, "failed"), (10, "partially_succeeded"), (None, "partially_succeeded")]
)
async def test_exactly_as_many_as_allowed_are_no_reason_to_stop_wherever_they_stand(
    max_rejects: int | None, status: str, runs: UploadRuns
) -> None:
    # The last chunks pass the limit, when there is nothing left to stop.
    upload_id = await runs.store(file_of(30, bad=10), max_rejects=max_rejects)
    async with runs.answered_by(runs.consumer()), runs.producer(window_chunks=20):
        await runs.end_as(upload_id, status)

    assert await outcome(runs, upload_id) == (30, 10, 0)


async def test_next_producer_finds_in_the_ledger_that_the_limit_is_passed_and_sends_nothing(runs: UploadRuns) -> None:
    upload_id = await runs.store(bad_file(40), max_rejects=3, status="running")
    async with runs.engine.begin() as connection:
        # The first chunk is not among them: a successor that read on blindly would send it.
        for first_row in (3, 7):
            counts = ChunkCounts(rejected=2, rejected_by={"missing_value": 2})
            await insert_entry(connection, upload_id, LedgerEntry(first_row, 2, 32, counts), slot=0)
    async with runs.producer():
        await runs.end_as(upload_id, "failed")

    assert await runs.problem_code(upload_id) == CODE
    assert await outcome(runs, upload_id) == (40, 4, 36)
    assert await runs.broker.take_all(REQUESTS_QUEUE) == []


async def test_replies_that_are_lost_change_nothing(runs: UploadRuns) -> None:
    upload_id = await runs.store(bad_file(40), max_rejects=3)
    consumer = runs.consumer(answers=False)
    async with runs.answered_by(consumer), runs.producer(window_chunks=2):
        await runs.end_as(upload_id, "failed")

    assert await runs.problem_code(upload_id) == CODE
    read, rejected, _ = await outcome(runs, upload_id)
    assert read == 40
    assert 3 < rejected <= 3 + 2 * 2


async def test_cancel_that_was_promised_stays_one(runs: UploadRuns) -> None:
    upload_id = await runs.store(bad_file(40), max_rejects=3)
    consumer = runs.consumer()

    async def cancel_at_the_last_that_is_sent(chunk: ChunkRequest) -> ChunkReply | None:
        if len(consumer.chunks) == 1:
            await execute(runs, "UPDATE uploads SET status = 'cancelling'")
        return await consumer(chunk)

    async with runs.answered_by(cancel_at_the_last_that_is_sent), runs.producer(window_chunks=1):
        await runs.end_as(upload_id, "cancelled")

    assert (await runs.upload(upload_id))["problem"] is None
    assert (await outcome(runs, upload_id))[0] == 40


async def test_file_that_changed_meanwhile_has_too_many_rejects_all_the_same(
    runs: UploadRuns, upload_store_url: str
) -> None:
    upload_id = await runs.store(bad_file(40), max_rejects=3)
    file = stored_file(upload_store_url, (await runs.upload(upload_id))["object_key"])
    file.write_bytes(bad_file(39) + b"Mallory,Initech,9876543210,m@example.com\n")
    async with runs.answered_by(runs.consumer()), runs.producer(window_chunks=1):
        await runs.end_as(upload_id, "failed")

    assert await runs.problem_code(upload_id) == CODE
    assert (await outcome(runs, upload_id))[0] == 40


async def test_upload_that_stopped_stays_stopped_when_a_redrive_brings_it_below_its_limit(runs: UploadRuns) -> None:
    upload_id = await runs.store(bad_file(40), max_rejects=3)
    consumer = runs.consumer()

    async def redrive_the_first_before_the_second_is_answered(chunk: ChunkRequest) -> ChunkReply | None:
        reply = await consumer(chunk)
        if len(consumer.chunks) == 2:
            await execute(runs, REDRIVE_THE_FIRST)
        return reply

    async with runs.answered_by(redrive_the_first_before_the_second_is_answered), runs.producer(window_chunks=1):
        await runs.end_as(upload_id, "failed")

    assert await runs.problem_code(upload_id) == CODE
    assert await outcome(runs, upload_id) == (40, 2, 36)
