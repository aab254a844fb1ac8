"""Only deaths that an upload caused itself count against it, and none while it waits for others."""

from __future__ import annotations

import asyncio
import uuid

import asyncpg
import pytest

from producer_service.uploads.chunk_reader import ChunkReader
from producer_service.uploads.trials import ReadingTurns
from shared.amqp.topology import REQUESTS_QUEUE
from tests.integration.producer_service.conftest import UploadRuns, file_of
from tests.support.uploads import HEADER
from tests.support.waiting import eventually

pytestmark = pytest.mark.fault(27)


async def suspect(runs: UploadRuns, upload_id: uuid.UUID, *, deaths: int = 0) -> None:
    """A producer died that had it, and so many before died on it."""
    await runs.database.execute(
        "INSERT INTO upload_leases (upload_id, owner, fence, expires_at, suspected, trial_producers)"
        " VALUES ($1, 'the dead', 9, now() - interval '1 second', true, $2)",
        upload_id,
        [f"dead {number}" for number in range(deaths)],
    )


async def trial_of(
    runs: UploadRuns, upload_id: uuid.UUID, connection: asyncpg.Connection | None = None
) -> tuple[bool, int]:
    """Whether it is suspected, and how many marks it has. Who asks beside the test has a connection of its own."""
    query = "SELECT suspected, cardinality(trial_producers) AS marks FROM upload_leases WHERE upload_id = $1"
    row = await (connection or runs.database).fetchrow(query, upload_id)
    assert row is not None
    return row["suspected"], row["marks"]


async def test_fifth_producer_in_a_row_to_die_on_an_upload_is_the_last(runs: UploadRuns) -> None:
    healthy, deadly = await runs.store(file_of(2)), await runs.store(file_of(2))
    await suspect(runs, healthy, deaths=4)
    await suspect(runs, deadly, deaths=5)
    async with runs.answered_by(runs.consumer()), runs.producer():
        await runs.end_as(deadly, "failed")
        await runs.end_as(healthy, "succeeded")

    assert await runs.problem_code(deadly) == "no_progress"
    assert (await runs.upload(deadly))["rows_read"] == 0


async def test_suspect_waits_for_its_consumers_without_a_mark_and_sends_no_more_until_they_answer(
    runs: UploadRuns,
) -> None:
    upload_id = await runs.store(file_of(9))
    await suspect(runs, upload_id, deaths=4)
    async with runs.producer(window_chunks=8):
        await eventually(lambda: runs.broker.has_ready(REQUESTS_QUEUE, 1))
        # It was read without harm, so those that died before did not die of it.
        assert await trial_of(runs, upload_id) == (True, 0)
        await asyncio.sleep(0.3)  # time enough for a second chunk, if it were sent
        assert await runs.broker.has_ready(REQUESTS_QUEUE, 1)
        async with runs.answered_by(runs.consumer()):
            await runs.end_as(upload_id, "succeeded")


async def test_suspect_is_acquitted_by_an_answer_and_goes_on_like_others(runs: UploadRuns) -> None:
    upload_id = await runs.store(file_of(20))
    await suspect(runs, upload_id)
    consumer = runs.consumer()

    async def only_the_first(chunk: object) -> object:
        return await consumer(chunk) if not consumer.chunks else None  # type: ignore[arg-type]

    async with runs.answered_by(only_the_first), runs.producer(window_chunks=4):  # type: ignore[arg-type]
        await eventually(lambda: _is_acquitted(runs, upload_id))
    async with runs.answered_by(runs.consumer()), runs.producer():
        await runs.end_as(upload_id, "succeeded")


async def test_suspect_of_which_nothing_is_left_to_send_is_finished(runs: UploadRuns) -> None:
    upload_id = await runs.store(HEADER)
    await suspect(runs, upload_id, deaths=4)
    async with runs.producer():
        await runs.end_as(upload_id, "succeeded")


async def test_suspect_that_is_cancelled_while_it_waits_is_counted_to_its_end(runs: UploadRuns) -> None:
    upload_id = await runs.store(file_of(9))
    await suspect(runs, upload_id)
    async with runs.producer():
        await eventually(lambda: runs.broker.has_ready(REQUESTS_QUEUE, 1))
        await runs.database.execute("UPDATE uploads SET status = 'cancelling'")
        await runs.end_as(upload_id, "cancelled")
    assert (await runs.upload(upload_id))["rows_read"] == 9


async def test_while_a_suspect_is_read_it_is_marked_and_no_other_upload_of_the_producer_is_read(
    runs: UploadRuns, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = await asyncpg.connect(database_url)
    ids = {await runs.store(file_of(12)): False for _ in range(3)} | {await runs.store(file_of(12)): True}
    for upload_id, is_suspect in ids.items():
        if is_suspect:
            await suspect(runs, upload_id)
    reading: set[uuid.UUID] = set()
    beside_the_suspect: list[set[uuid.UUID]] = []
    marks: list[int] = []
    next_chunk = ChunkReader.next_chunk
    loop = asyncio.get_running_loop()

    def watched(reader: ChunkReader, *, at_most: int | None = None) -> object:
        upload_id = reader._upload.id
        reading.add(upload_id)
        if ids[upload_id] and not marks:
            _, found = asyncio.run_coroutine_threadsafe(trial_of(runs, upload_id, watcher), loop).result(20)
            marks.append(found)
            beside_the_suspect.append(reading - {upload_id})
        try:
            return next_chunk(reader, at_most=at_most)
        finally:
            reading.discard(upload_id)

    monkeypatch.setattr(ChunkReader, "next_chunk", watched)
    async with runs.answered_by(runs.consumer()), runs.producer():
        for upload_id in ids:
            await runs.end_as(upload_id, "succeeded")
    await watcher.close()

    assert (marks, beside_the_suspect) == ([1], [set()])


async def test_producer_that_ends_by_itself_while_it_reads_a_suspect_takes_its_mark_back(
    runs: UploadRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id = await runs.store(file_of(9))
    await suspect(runs, upload_id, deaths=2)
    loop, begun, go_on = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
    next_chunk = ChunkReader.next_chunk

    def held(reader: ChunkReader, *, at_most: int | None = None) -> object:
        loop.call_soon_threadsafe(begun.set)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(20)
        return next_chunk(reader, at_most=at_most)

    monkeypatch.setattr(ChunkReader, "next_chunk", held)
    async with runs.producer():
        await eventually(begun.is_set)
        assert await trial_of(runs, upload_id) == (True, 3)
    go_on.set()

    assert await trial_of(runs, upload_id) == (True, 2)


async def test_who_wants_to_be_alone_waits_for_those_inside_and_is_not_overtaken() -> None:
    turns = ReadingTurns()
    order: list[str] = []
    go_on = asyncio.Event()

    async def read(name: str, *, alone: bool = False) -> None:
        async with turns.alone() if alone else turns.beside_others():
            order.append(f"{name} begins")
            if name == "first":
                await go_on.wait()
            await asyncio.sleep(0)
            order.append(f"{name} ends")

    tasks = []
    for name, alone in (("first", False), ("suspect", True), ("late", False), ("later", False)):
        tasks.append(asyncio.create_task(read(name, alone=alone)))
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    assert order == ["first begins"]
    go_on.set()
    await asyncio.gather(*tasks)

    assert order[:4] == ["first begins", "first ends", "suspect begins", "suspect ends"]
    assert order[4:6] == ["late begins", "later begins"]


async def _is_acquitted(runs: UploadRuns, upload_id: uuid.UUID) -> bool:
    return await trial_of(runs, upload_id) == (False, 0)
