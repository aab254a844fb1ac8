"""Services that are stopped and scaled by those who run them, and uploads that are cancelled by theirs."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import asyncpg
import pytest

from tests.acceptance.conftest import MixedUpload
from tests.support.failpoint_settings import slow_consumer
from tests.support.mixed_file import write_mixed_file
from tests.support.reference import read_top_to_bottom
from tests.support.services import Kind, Services
from tests.support.system import System
from tests.support.uploads import SMALL_CSV, UPLOAD, count_locks, stored_files
from tests.support.waiting import eventually

# No rows, but more than an upload keeps in memory before it writes.
BLANK_LINES = b"\n" * 6 * 1024 * 1024
POISON_AFTER = 2
# Careful from the second delivery on, and no patience with a message in hand.
HASTY = {
    "ROLLCALL_CONSUMER_CAREFUL_FROM_DELIVERY": "2",
    "ROLLCALL_CONSUMER_POISON_AFTER_CONSUMERS": str(POISON_AFTER),
    "ROLLCALL_CONSUMER_DRAIN_SECONDS": "0.5",
}


@pytest.mark.fault(20)
@pytest.mark.parametrize("kind", ["api_service", "producer_service", "consumer_service"])
async def test_sigterm_under_load_ends_a_service_well_and_the_upload_ends_after_its_restart(
    kind: Kind, services: Services, system: System, mixed: MixedUpload
) -> None:
    services.launch("consumer_service", slow_consumer(0.1))
    services.launch("producer_service")
    await services.start("api_service")
    upload_id = await system.upload(mixed.file, mixed.mode)
    await system.until_rows_done(upload_id, 500)

    (service,) = services.of(kind)
    await service.terminate()
    await service.restart()

    upload = await system.until_finished(upload_id)
    # It drained: nothing was left for a redelivery to repeat.
    assert await system.differences(upload, mixed.expected) == []


@pytest.mark.fault(20)
async def test_upload_that_is_coming_in_when_its_api_gets_sigterm_is_taken_and_answered(
    services: Services, system: System, upload_store_url: str
) -> None:
    await services.start("api_service")
    may_end = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="employee_data"; filename="a.csv"\r\n\r\n'
        yield SMALL_CSV + BLANK_LINES
        await may_end.wait()
        yield b"\r\n--b--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    sending = asyncio.create_task(system.client.post(UPLOAD, content=body(), headers=headers))
    await eventually(lambda: stored_files(upload_store_url) != [])
    ending = asyncio.create_task(services.api.terminate())
    await eventually(lambda: "Shutting down" in services.api.log.read_text())
    may_end.set()

    assert (await sending).status_code == 202
    await ending
    services.launch("producer_service")
    services.launch("consumer_service")
    await services.api.restart()
    assert (await system.until_finished((await sending).json()["id"]))["inserted"] == 1


@pytest.mark.fault(21)
async def test_consumers_scaled_from_one_to_four_and_back_lose_nothing(
    services: Services, system: System, mixed: MixedUpload
) -> None:
    slow = [services.launch("consumer_service", slow_consumer(0.6))]
    services.launch("producer_service")
    await services.start("api_service")
    upload_id = await system.upload(mixed.file, mixed.mode)

    await system.until_rows_done(upload_id, 300)
    slow += [services.launch("consumer_service", slow_consumer(0.6)) for _ in range(3)]
    await system.until_consumed_by(4)
    await system.until_rows_done(upload_id, 600)
    last = services.launch("consumer_service")
    await asyncio.gather(*(service.terminate() for service in slow))
    assert last.is_alive

    upload = await system.until_finished(upload_id)
    # They drained: nothing was left for a redelivery to repeat.
    assert await system.differences(upload, mixed.expected) == []


async def test_cancelled_upload_keeps_what_was_committed_and_counts_the_rest_as_unprocessed(
    services: Services, system: System, mixed: MixedUpload
) -> None:
    services.launch("consumer_service", slow_consumer(0.2))
    services.launch("producer_service")
    await services.start("api_service")
    upload_id = await system.upload(mixed.file, mixed.mode)
    await system.until_rows_done(upload_id, 500)

    assert (await system.client.post(f"/v1/uploads/{upload_id}/cancel")).status_code == 202
    upload = await system.until_finished(upload_id)

    assert upload["status"] == "cancelled"
    assert upload["rowsRead"] == mixed.expected.rows_read
    assert upload["unprocessed"] > 0
    done = upload["inserted"] + upload["updated"] + upload["duplicates"] + upload["rejected"]
    assert upload["rowsRead"] == done + upload["unprocessed"]
    await system.until_drained()
    await system.until_letters_are_out()
    assert await system.database.fetchval("SELECT count(*) FROM employees") == upload["inserted"]
    assert len(await system.letters(upload_id)) == upload["rejected"]
    assert await system.state(upload_id) == upload


@pytest.mark.fault(31)
async def test_row_at_which_consumers_are_told_to_end_again_and_again_is_not_poison(
    services: Services, system: System, database_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "three.csv"
    write_mixed_file(file, 3, bad_share=0, duplicate_share=0)
    await services.start("api_service")
    services.launch("producer_service")
    consumer = await services.start("consumer_service", HASTY)
    somebody = await asyncpg.connect(database_url)
    async with somebody.transaction():
        # Nobody gets past this row: its email is taken, or not, when this transaction ends.
        await somebody.execute("LOCK TABLE employees IN SHARE MODE")
        upload_id = await system.upload(file)
        await eventually(partial(_somebody_waits_for_employees, system))
        markers: set[uuid.UUID] = set()
        for _ in range(POISON_AFTER + 1):
            await consumer.terminate()
            await consumer.restart()
            await eventually(partial(_another_consumer_marks, system, markers))
    await somebody.close()

    upload = await system.until_finished(upload_id)
    assert await system.differences(upload, read_top_to_bottom(file)) == []


async def _somebody_waits_for_employees(system: System) -> bool:
    # The table has the same number in the databases of other tests: all are copies of one.
    return bool(await count_locks(system.database, "NOT granted AND relation = 'employees'::regclass"))


async def _another_consumer_marks(system: System, known: set[uuid.UUID]) -> bool:
    marking = {
        row["consumer"] for row in await system.database.fetch("SELECT unnest(consumers) AS consumer FROM row_markers")
    }
    is_another = not marking <= known
    known |= marking
    return is_another
