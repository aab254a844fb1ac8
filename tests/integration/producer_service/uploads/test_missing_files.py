"""A file that is not found is looked for again for a while in the right store, and proves nothing in a wrong one."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from producer_service.uploads import leased_work
from shared.store_identity import IDENTITY_KEY, StoreIdentity
from shared.upload_store import UploadStore
from tests.integration.producer_service.conftest import UploadRuns, file_of, stored_file
from tests.support.waiting import eventually

pytestmark = pytest.mark.fault(26)


@pytest.fixture(autouse=True)
async def tried_again_soon(monkeypatch: pytest.MonkeyPatch, runs: UploadRuns, upload_store_url: str) -> None:
    """In the system's own store."""
    monkeypatch.setattr(leased_work, "RETRY_SECONDS", 0.1)
    await StoreIdentity(runs.engine, UploadStore(upload_store_url), may_be_first=True).require()


async def file_of_upload(runs: UploadRuns, upload_store_url: str, upload_id: uuid.UUID) -> Path:
    return stored_file(upload_store_url, (await runs.upload(upload_id))["object_key"])


async def looked_for_again(runs: UploadRuns, upload_id: uuid.UUID, *, times: int = 3) -> None:
    """A lease has another number each time."""

    async def again() -> bool:
        query = "SELECT fence > $2 AND file_missing_since IS NOT NULL FROM upload_leases WHERE upload_id = $1"
        return bool(await runs.database.fetchval(query, upload_id, times))

    await eventually(again)


async def test_file_that_comes_back_is_read_as_if_it_had_always_been_there(
    runs: UploadRuns, upload_store_url: str
) -> None:
    upload_id = await runs.store(file_of(5))
    file = await file_of_upload(runs, upload_store_url, upload_id)
    elsewhere = file.rename(file.with_suffix(".elsewhere"))
    consumer = runs.consumer(answers=False, writes=False)
    async with runs.answered_by(consumer), runs.producer(missing_file_seconds=600, republish_seconds=0.3):
        await looked_for_again(runs, upload_id)
        assert await runs.status(upload_id) == "running"
        elsewhere.rename(file)
        await eventually(lambda: len(consumer.chunks) >= 3)
        # Should it go missing once more, it is waited for as long again.
        assert await runs.database.fetchval("SELECT file_missing_since FROM upload_leases") is None
        consumer.answers = consumer.writes = True
        await runs.end_as(upload_id, "succeeded")


async def test_file_that_stays_away_fails_its_upload_when_its_time_is_over(
    runs: UploadRuns, upload_store_url: str
) -> None:
    upload_id = await runs.store(file_of(5))
    (await file_of_upload(runs, upload_store_url, upload_id)).unlink()
    async with runs.producer(missing_file_seconds=600):
        await looked_for_again(runs, upload_id)
    assert await runs.status(upload_id) == "running"

    # It counts from when the first producer missed it.
    await runs.database.execute("UPDATE upload_leases SET file_missing_since = now() - interval '601 seconds'")
    async with runs.producer(missing_file_seconds=600):
        await runs.end_as(upload_id, "failed")
    assert await runs.problem_code(upload_id) == "file_missing"


@pytest.mark.parametrize("damage", ["gone", "changed"])
async def test_nothing_is_final_that_a_wrong_store_says(damage: str, runs: UploadRuns, upload_store_url: str) -> None:
    """It was the right one when the upload was taken."""
    upload_id = await runs.store(file_of(5))
    file = await file_of_upload(runs, upload_store_url, upload_id)
    right_content = file.read_bytes()
    identity = stored_file(upload_store_url, IDENTITY_KEY)
    right_id = identity.read_bytes()
    consumer = runs.consumer(writes=False, answers=False)
    async with runs.answered_by(consumer), runs.producer(missing_file_seconds=0, republish_seconds=0.3) as producer:
        require = producer.dispatcher.store_identity.require
        asked: list[bool] = []

        async def swapped_after_the_first_answer() -> None:
            await require()
            if not asked:
                asked.append(True)
                identity.write_bytes(f"{uuid.uuid4()}\n".encode())
                file.unlink() if damage == "gone" else file.write_bytes(file_of(4))
                consumer.writes = consumer.answers = True

        producer.dispatcher.store_identity.require = swapped_after_the_first_answer  # type: ignore[method-assign]
        await eventually(lambda: bool(asked))
        await eventually(lambda: _is_let_go(runs, upload_id))
        assert await runs.status(upload_id) == "running"
        file.write_bytes(right_content)
        identity.write_bytes(right_id)
        await runs.end_as(upload_id, "succeeded")


async def _is_let_go(runs: UploadRuns, upload_id: uuid.UUID) -> bool:
    query = "SELECT owner = '' FROM upload_leases WHERE upload_id = $1"
    return bool(await runs.database.fetchval(query, upload_id))
