"""A row that breaks the consumer goes to the dead letters alone, and may be tried again once it no longer does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.failpoint_settings import CONSUMER, row_that_kills, row_that_raises
from tests.support.jobs import redrive
from tests.support.mixed_file import person, write_mixed_file
from tests.support.reference import read_top_to_bottom
from tests.support.services import Services
from tests.support.system import System
from tests.support.waiting import eventually

FAILING_ROW = 57


@pytest.mark.fault(8)
async def test_row_that_always_kills_its_consumer_is_poison_and_the_rest_of_its_chunk_goes_in(
    services: Services, system: System, tmp_path: Path
) -> None:
    file, other = _clean_file(tmp_path / "poisoned.csv", 100), tmp_path / "other.csv"
    other.write_text("employee_name,company_name,mobile_no,email\nAda Byron,Engines,+441234567890,ada@byron.example\n")
    poison = row_that_kills(person(FAILING_ROW).email, chunk_seconds=1)
    consumers = [services.launch("consumer_service", poison, restarts_when_dead=True) for _ in range(2)]
    # A second copy of the chunk would have deaths of its own.
    services.launch("producer_service", {"ROLLCALL_PRODUCER_REPUBLISH_SECONDS": "600"})
    await services.start("api_service")
    await system.until_consumed_by(2)

    poisoned_id = await system.upload(file)
    other_upload = await system.until_finished(await system.upload(other))
    upload = await system.until_finished(poisoned_id)

    assert other_upload["finishedAt"] < upload["finishedAt"]
    assert 5 <= sum(consumer.deaths for consumer in consumers) <= 8
    poisoned = read_top_to_bottom(file, failing_rows={FAILING_ROW: "poison_row"})
    both = read_top_to_bottom(other, before=poisoned.employees)
    poisoned.employees.update(both.employees)
    assert await system.differences(upload, poisoned, after_crash=True) == []


@pytest.mark.fault(22)
async def test_row_that_raises_is_an_internal_error_alone_until_it_is_redriven(
    services: Services, system: System, tmp_path: Path
) -> None:
    file = _clean_file(tmp_path / "raising.csv", 300)
    services.launch("consumer_service", row_that_raises(person(FAILING_ROW).email))
    services.launch("producer_service")
    await services.start("api_service")

    upload = await system.until_finished(await system.upload(file))
    failing = read_top_to_bottom(file, failing_rows={FAILING_ROW: "internal_error"})
    assert await system.differences(upload, failing, keep_letters=True) == []

    await services.consumer.terminate()
    await services.consumer.restart({CONSUMER: ""})
    assert (await redrive(system.client, uploadId=upload["id"]))["done"] == 1

    async def has_succeeded() -> bool:
        return bool((await system.state(upload["id"]))["status"] == "succeeded")

    await eventually(has_succeeded)
    assert await system.differences(await system.state(upload["id"]), read_top_to_bottom(file)) == []
    assert (await redrive(system.client, uploadId=upload["id"]))["total"] == 0


def _clean_file(path: Path, rows: int) -> Path:
    write_mixed_file(path, rows, bad_share=0, duplicate_share=0)
    return path
