"""One upload from its lease to its end, whatever consumers answer: replies are hints, the ledger decides."""

from __future__ import annotations

import asyncio
import json
import uuid

import asyncpg
import pytest
from prometheus_client import REGISTRY

from producer_service.uploads import leased_work
from shared.amqp.topology import REQUESTS_QUEUE, UPLOADS_QUEUE
from shared.database.upload_layout import stored_columns
from shared.messages import ChunkReply, ChunkRequest, UploadAnnounced, encode
from shared.rows.fields import FIELD_NAMES
from shared.rows.layout import Layout, layout_of_names
from tests.integration.producer_service.conftest import UploadRuns, file_of, stored_file
from tests.support.uploads import HEADER
from tests.support.waiting import eventually, somebody_waits_for_a_lock

UNCLOSED = b'Bo,"Initech,1,b@example.com\nCy,Initech,1,c@example.com\n'


async def test_upload_that_nobody_announced_is_found_sent_in_chunks_and_finished(runs: UploadRuns) -> None:
    upload_id = await runs.store(file_of(7, bad=1))
    consumer = runs.consumer()
    async with runs.answered_by(consumer), runs.producer():
        await runs.end_as(upload_id, "partially_succeeded")

    assert sorted(consumer.first_rows(upload_id)) == [1, 3, 5, 7]
    upload = await runs.upload(upload_id)
    assert (upload["rows_read"], upload["inserted"], upload["rejected"], upload["unprocessed"]) == (7, 6, 1, 0)
    assert upload["bytes_done"] == upload["byte_count"]
    assert 0 < upload["read_seconds"] < (upload["finished_at"] - upload["started_at"]).total_seconds()
    assert await runs.database.fetchval("SELECT count(*) FROM upload_leases") == 0


async def test_announced_upload_is_taken_at_once_and_its_announcement_acknowledged(runs: UploadRuns) -> None:
    async with runs.answered_by(runs.consumer()), runs.producer(sweep_seconds=600):
        upload_id = await runs.store(file_of(3))
        for body in (b"no announcement", encode(UploadAnnounced(upload_id=uuid.uuid4()))):
            await runs.broker.publish(UPLOADS_QUEUE, body)
        await runs.broker.publish(UPLOADS_QUEUE, encode(UploadAnnounced(upload_id=upload_id)))
        await runs.end_as(upload_id, "succeeded")

    assert await runs.broker.take_all(UPLOADS_QUEUE) == []


async def test_file_of_a_header_alone_succeeds_with_no_rows(runs: UploadRuns) -> None:
    upload_id = await runs.store(HEADER)
    async with runs.producer():
        await runs.end_as(upload_id, "succeeded")

    assert (await runs.upload(upload_id))["rows_read"] == 0
    assert await runs.broker.take_all(REQUESTS_QUEUE) == []


@pytest.mark.parametrize("answers", [False, True], ids=["silent", "closed"])
async def test_ledger_tells_what_consumers_do_not(
    answers: bool,
    runs: UploadRuns,
) -> None:
    # A `closed` answer makes the producer look at once; silence makes it look after a while.
    checking = {"ledger_check_seconds": 600} if answers else {}
    upload_id = await runs.store(file_of(5))
    consumer = runs.consumer(answers=answers, closed=True)
    async with runs.answered_by(consumer), runs.producer(**checking):
        await runs.end_as(upload_id, "succeeded")

    assert consumer.deliveries() == {1: 1, 3: 1, 5: 1}
    assert (await runs.upload(upload_id))["inserted"] == 5


async def test_reply_that_the_ledger_does_not_bear_out_does_not_finish_the_upload(runs: UploadRuns) -> None:
    upload_id = await runs.store(file_of(5))
    liar = runs.consumer(writes=False)
    async with runs.answered_by(liar), runs.producer():
        await eventually(lambda: len(liar.chunks) >= 3)
        # It comes to the end, finds the ledger incomplete, and starts anew.
        await eventually(lambda: _is_released(runs.database))
        assert await runs.status(upload_id) == "running"
        liar.writes = True
        await runs.end_as(upload_id, "succeeded")

    assert (await runs.upload(upload_id))["inserted"] == 5


async def test_closed_answer_settles_no_chunk_that_the_ledger_lacks_and_begins_the_upload_anew(
    runs: UploadRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leased_work, "RETRY_SECONDS", 0.1)
    upload_id = await runs.store(file_of(5))
    consumer = runs.consumer(writes=False, closed=True)
    async with runs.answered_by(consumer), runs.producer():
        await eventually(lambda: set(consumer.deliveries()) == {1, 3, 5} and min(consumer.deliveries().values()) > 1)
        # Released each time, so that it never counts as the death of a producer.
        assert not await runs.database.fetchval("SELECT suspected FROM upload_leases")
        assert await runs.status(upload_id) == "running"
        consumer.writes = True
        await runs.end_as(upload_id, "succeeded")


async def test_upload_is_locked_before_its_lease(runs: UploadRuns, database_url: str) -> None:
    """In the order of whoever ends it: the other way round, a lease's renewal and a cancel would deadlock."""
    # So many chunks that their progress is written long before the last is done.
    upload_id = await runs.store(file_of(1000))
    await runs.broker.publish(UPLOADS_QUEUE, encode(UploadAnnounced(upload_id=upload_id)))
    consumer = runs.consumer(writes=False, answers=False)
    # Due for renewal at each look at the upload; when it runs out meanwhile, nobody looks for it.
    producer = runs.producer(lease_seconds=0.001, sweep_seconds=600, republish_seconds=0.3)
    other = await asyncpg.connect(database_url)
    async with runs.answered_by(consumer), producer:
        await eventually(lambda: len(consumer.chunks) >= 3)
        async with other.transaction():
            # Not in the way of the ledger's references.
            await other.execute("SELECT FROM uploads WHERE id = $1 FOR NO KEY UPDATE", upload_id)
            consumer.writes = consumer.answers = True
            await eventually(lambda: somebody_waits_for_a_lock(runs.database, "UPDATE uploads"))
            await other.execute("SELECT FROM upload_leases WHERE upload_id = $1 FOR UPDATE NOWAIT", upload_id)
        await runs.end_as(upload_id, "succeeded")
    await other.close()


async def test_chunk_without_an_answer_is_sent_again(runs: UploadRuns) -> None:
    upload_id = await runs.store(file_of(5))
    consumer = runs.consumer(writes=False, answers=False)
    async with runs.answered_by(consumer), runs.producer(republish_seconds=0.3):
        await eventually(lambda: set(consumer.deliveries()) == {1, 3, 5} and min(consumer.deliveries().values()) > 1)
        consumer.writes = consumer.answers = True
        await runs.end_as(upload_id, "succeeded")


async def test_upload_is_begun_anew_when_a_chunk_cannot_be_sent_for_a_reason_that_nobody_thought_of(
    runs: UploadRuns,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leased_work, "RETRY_SECONDS", 0.1)
    consumer = runs.consumer()
    async with runs.answered_by(consumer), runs.producer() as producer:
        send = producer.requester.send
        failures = [ValueError()]

        async def fail_once(body: bytes, *, correlation_id: str) -> None:
            if failures:
                raise failures.pop()
            await send(body, correlation_id=correlation_id)

        monkeypatch.setattr(producer.requester, "send", fail_once)
        upload_id = await runs.store(file_of(7))
        await runs.end_as(upload_id, "succeeded")

    assert set(consumer.first_rows(upload_id)) == {1, 3, 5, 7}


async def test_next_producer_goes_on_at_once_with_the_same_borders_and_sends_only_what_the_ledger_lacks(
    runs: UploadRuns,
) -> None:
    upload_id = await runs.store(file_of(9))
    first = runs.consumer()

    async def only_two(chunk: ChunkRequest) -> ChunkReply | None:
        return await first(chunk) if len(first.chunks) < 2 else None

    async with runs.answered_by(only_two), runs.producer(lease_seconds=600, window_chunks=2):
        await eventually(lambda: _has_chunks(runs.database, 2))
    assert await runs.status(upload_id) == "running"
    await runs.broker.take_all(REQUESTS_QUEUE)

    second = runs.consumer()
    async with runs.answered_by(second), runs.producer(lease_seconds=600, window_chunks=2):
        await runs.end_as(upload_id, "succeeded")

    assert set(first.first_rows(upload_id)) | set(second.first_rows(upload_id)) == {1, 3, 5, 7, 9}
    assert set(first.first_rows(upload_id)) & set(second.first_rows(upload_id)) == set()
    upload = await runs.upload(upload_id)
    assert (upload["rows_read"], upload["inserted"], upload["bytes_done"]) == (9, 9, upload["byte_count"])


async def test_cancelled_upload_is_read_on_for_its_total_and_sends_no_more(runs: UploadRuns) -> None:
    upload_id = await runs.store(file_of(40))
    consumer = runs.consumer(writes=False, answers=False)
    async with runs.answered_by(consumer), runs.producer(window_chunks=2):
        await eventually(lambda: len(consumer.chunks) == 2)
        await runs.database.execute("UPDATE uploads SET status = 'cancelling'")
        await runs.end_as(upload_id, "cancelled")

    upload = await runs.upload(upload_id)
    assert (upload["rows_read"], upload["rows_done"], upload["unprocessed"]) == (40, 0, 40)
    assert consumer.first_rows(upload_id) == [1, 3]


async def test_upload_cancelled_before_it_began_is_counted_and_sends_nothing(runs: UploadRuns) -> None:
    upload_id = await runs.store(file_of(5), status="cancelling")
    async with runs.producer():
        await runs.end_as(upload_id, "cancelled")

    upload = await runs.upload(upload_id)
    assert (upload["rows_read"], upload["unprocessed"]) == (5, 5)
    assert await runs.broker.take_all(REQUESTS_QUEUE) == []


async def test_upload_whose_file_was_altered_fails_as_changed_and_accounts_for_what_was_read(
    runs: UploadRuns,
    upload_store_url: str,
) -> None:
    upload_id = await runs.store(file_of(6))
    file = stored_file(upload_store_url, (await runs.upload(upload_id))["object_key"])
    file.write_bytes(file_of(5) + b"Mallory,Initech,9876543210,m@example.com\n")
    async with runs.answered_by(runs.consumer()), runs.producer():
        await runs.end_as(upload_id, "failed")

    upload = await runs.upload(upload_id)
    assert await runs.problem_code(upload_id) == "file_changed"
    assert upload["rows_read"] == upload["inserted"] + upload["unprocessed"] == 6


async def test_by_version_1_a_quote_that_is_never_closed_fails_the_upload_after_the_rows_before_it(
    runs: UploadRuns,
) -> None:
    upload_id = await runs.store(file_of(3) + UNCLOSED, reader_version=1)
    async with runs.answered_by(runs.consumer()), runs.producer():
        await runs.end_as(upload_id, "failed")

    upload = await runs.upload(upload_id)
    assert await runs.problem_code(upload_id) == "unclosed_quote"
    assert "line 5" in json.loads(upload["problem"])["detail"]
    assert (upload["rows_read"], upload["inserted"], upload["unprocessed"]) == (3, 3, 0)


async def test_quote_that_is_never_closed_costs_its_row_alone(runs: UploadRuns) -> None:
    upload_id = await runs.store(file_of(3) + UNCLOSED)
    consumer = runs.consumer()
    async with runs.answered_by(consumer), runs.producer():
        await runs.end_as(upload_id, "succeeded")

    assert (await runs.upload(upload_id))["rows_read"] == 5
    chunk = next(chunk for chunk in consumer.chunks if chunk.first_row == 3)
    assert (chunk.line_numbers, chunk.faults) == ([4, 5], {1: "malformed_quotes"})
    assert "line 5" in chunk.fault_messages[1]


async def test_backslashes_before_quotes_are_read_as_the_upload_says(runs: UploadRuns) -> None:
    upload_id = await runs.store(HEADER + b'"Bo \\"B\\" Ek",Initech,1,b@example.com\n', backslash_escapes=True)
    consumer = runs.consumer()
    async with runs.answered_by(consumer), runs.producer():
        await runs.end_as(upload_id, "succeeded")

    (chunk,) = consumer.chunks
    assert (chunk.rows[0][0], chunk.faults) == ('Bo "B" Ek', {})


async def test_window_bounds_what_waits_and_a_small_upload_does_not_wait_behind_a_large_one(runs: UploadRuns) -> None:
    large = await runs.store(file_of(60))
    consumer = runs.consumer()
    async with runs.producer(window_chunks=4):
        await eventually(lambda: runs.broker.has_ready(REQUESTS_QUEUE, 4))
        small = await runs.store(file_of(4))
        await eventually(lambda: _is_taken(runs.database, small))
        assert await runs.broker.has_ready(REQUESTS_QUEUE, 4)

        async def answer(chunk: ChunkRequest) -> ChunkReply | None:
            if len(consumer.chunks) == 2:
                # Two places are free, and the small one's two chunks come behind what is left of the large one's.
                await eventually(lambda: runs.broker.has_ready(REQUESTS_QUEUE, 3))
            return await consumer(chunk)

        async with runs.answered_by(answer, prefetch=1):
            await runs.end_as(small, "succeeded")
            await runs.end_as(large, "succeeded")

    ahead_of_the_small_one = consumer.chunks.index(
        next(chunk for chunk in reversed(consumer.chunks) if chunk.upload_id == small)
    )
    assert ahead_of_the_small_one <= 5
    assert consumer.first_rows(large) == list(range(1, 60, 2))


@pytest.mark.parametrize(("mode", "optional"), [("reject", ()), ("update", ("employee_name",))])
async def test_one_chunk_at_a_time_is_sent_where_the_order_decides_whom_a_row_meets(
    mode: str, optional: tuple[str, ...], runs: UploadRuns
) -> None:
    layout = Layout(len(FIELD_NAMES), layout_of_names(FIELD_NAMES).columns, optional)
    columns = {"on_duplicate": mode, "field_columns": json.dumps(stored_columns(layout))}
    upload_id = await runs.store(file_of(9), **columns)
    consumer = runs.consumer()
    async with runs.producer():
        await eventually(lambda: runs.broker.has_ready(REQUESTS_QUEUE, 1))
        # Time enough for a second one, if it were sent.
        await asyncio.sleep(0.2)
        assert await runs.broker.has_ready(REQUESTS_QUEUE, 1)
        async with runs.answered_by(consumer):
            await runs.end_as(upload_id, "succeeded")

    assert consumer.first_rows(upload_id) == [1, 3, 5, 7, 9]
    assert all(each.layout == layout for each in consumer.chunks)
    assert {each.version for each in consumer.chunks} == {3 if optional else 1}


async def test_producer_whose_lease_went_to_another_stops_and_finishes_nothing(runs: UploadRuns) -> None:
    upload_id = await runs.store(file_of(4))
    lost_before = _leases_lost()
    consumer = runs.consumer(writes=False, answers=False)
    async with runs.answered_by(consumer), runs.producer(lease_seconds=0.3):
        await eventually(lambda: len(consumer.chunks) == 2)
        await runs.database.execute(
            "UPDATE upload_leases SET owner = 'another', fence = fence + 1, expires_at = now() + interval '1 hour'"
        )
        await eventually(lambda: _leases_lost() == lost_before + 1)

    upload = await runs.upload(upload_id)
    assert (upload["status"], upload["finished_at"]) == ("running", None)
    assert await runs.database.fetchval("SELECT owner FROM upload_leases") == "another"


async def test_database_that_fails_for_a_while_delays_the_upload_and_no_more(runs: UploadRuns) -> None:
    upload_id = await runs.store(file_of(5))
    consumer = runs.consumer(writes=False, answers=False)
    async with runs.answered_by(consumer), runs.producer(republish_seconds=0.3):
        await eventually(lambda: len(consumer.chunks) >= 3)
        await runs.database.execute("ALTER TABLE upload_chunks RENAME TO chunks_away")
        before = len(consumer.chunks)
        await eventually(lambda: len(consumer.chunks) > before)
        await runs.database.execute("ALTER TABLE chunks_away RENAME TO upload_chunks")
        consumer.writes = consumer.answers = True
        await runs.end_as(upload_id, "succeeded")


async def _has_chunks(database: asyncpg.Connection, count: int) -> bool:
    return bool(await database.fetchval("SELECT count(*) = $1 FROM upload_chunks", count))


async def _is_taken(database: asyncpg.Connection, upload_id: uuid.UUID) -> bool:
    return bool(await database.fetchval("SELECT status = 'running' FROM uploads WHERE id = $1", upload_id))


async def _is_released(database: asyncpg.Connection) -> bool:
    return bool(await database.fetchval("SELECT count(*) FROM upload_leases WHERE owner = ''"))


def _leases_lost() -> float:
    return REGISTRY.get_sample_value("rollcall_producer_leases_lost_total") or 0.0
