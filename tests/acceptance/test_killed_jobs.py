"""Redrives and deletions whose processes are killed: whoever is alive goes on, and each letter counts once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Literal

import httpx2
import pytest

from shared.amqp.topology import BULK_REQUESTS_QUEUE, DEAD_LETTERS_QUEUE
from shared.database import advisory_locks
from tests.support.failpoint_settings import API, killing_api
from tests.support.jobs import Json, delete, order_deletion, order_redrive, redrive, until_ended, watch
from tests.support.plain_http import plain_client
from tests.support.services import KILLED, Services
from tests.support.system import System
from tests.support.uploads import HEADER
from tests.support.waiting import eventually

# A redrive takes three batches of them, a deletion two steps.
ROWS = 2_500


async def rejected_upload(services: Services, system: System, folder: Path) -> str:
    file = folder / "bad.csv"
    file.write_bytes(HEADER + b"Asha Rao,Initech,9876543210,nobody\n" * ROWS)
    await services.start_all(consumers=2)
    upload = await system.until_finished(await system.upload(file))
    assert upload["rejected"] == ROWS
    await system.until_letters_are_out()
    upload_id: str = upload["id"]
    return upload_id


async def kill_at(
    services: Services, system: System, place: str, kind: Literal["redrive", "delete"], *, after: int = 0
) -> Json:
    """The job at which the API died, at that place."""
    await services.api.terminate()
    # The retention begins with the service, and would drop letters that the job is to drop.
    await system.database.execute("SELECT pg_advisory_lock($1)", advisory_locks.RETENTION)
    await services.api.restart(killing_api(place, after=after))
    order = order_redrive if kind == "redrive" else order_deletion
    try:
        job = await order(system.client, all=True)
    except httpx2.TransportError:  # it died before it had answered
        job = {"id": await system.database.fetchval("SELECT id FROM bulk_jobs WHERE finished_at IS NULL")}
    assert await services.api.ended() == KILLED
    await system.database.execute("SELECT pg_advisory_unlock($1)", advisory_locks.RETENTION)
    return job


async def attempts(system: System) -> set[int]:
    return {row["attempt"] for row in await system.database.fetch("SELECT DISTINCT attempt FROM rejected_rows")}


@pytest.mark.fault(34)
async def test_redrive_goes_on_wherever_the_api_dies_and_tries_each_row_once(
    services: Services, system: System, tmp_path: Path
) -> None:
    upload_id = await rejected_upload(services, system, tmp_path)
    attempt = 1
    for place, after in [
        ("api.redrive_batch_chosen", 1),
        ("api.redrive_batch_sent", 0),
        ("api.redrive_batch_done", 1),
        ("api.job_before_turn", 0),
        ("api.job_turning", 2),
    ]:
        job = await kill_at(services, system, place, "redrive", after=after)
        await services.api.restart({API: ""})
        job = await until_ended(system.client, job, seconds=90)
        attempt += 1
        assert (job["state"], job["total"], job["done"]) == ("succeeded", ROWS, ROWS), place
        assert await attempts(system) == {attempt}, place
        await system.until_letters_are_out()
        # The retention of the API that came back may have them in hand for a moment.
        await eventually(lambda: system.broker.has_ready(DEAD_LETTERS_QUEUE, ROWS), seconds=60)
    letters = await system.letters(upload_id)
    assert Counter(letter["rowNumber"] for letter in letters) == Counter(range(1, ROWS + 1))
    assert {letter["attempt"] for letter in letters} == {attempt}


@pytest.mark.fault(28)
async def test_deletion_goes_on_wherever_the_api_dies_and_counts_each_letter_once(
    services: Services, system: System, tmp_path: Path
) -> None:
    await rejected_upload(services, system, tmp_path)
    # In this order: the second time there are no letters to turn.
    for place, after in [("api.job_turning", 2), ("api.deletion_step", 0)]:
        await system.database.execute("UPDATE rejected_rows SET discarded_at = NULL")
        job = await kill_at(services, system, place, "delete", after=after)
        await services.api.restart({API: ""})
        job = await until_ended(system.client, job, seconds=90)
        assert (job["state"], job["total"], job["done"]) == ("succeeded", ROWS, ROWS), place
        assert await system.database.fetchval("SELECT count(*) FROM rejected_rows WHERE discarded_at IS NULL") == 0
    await eventually(lambda: system.broker.has_ready(DEAD_LETTERS_QUEUE, 0), seconds=60)


@pytest.mark.fault(34)
async def test_another_api_process_goes_on_with_the_redrive_of_one_that_stays_dead(
    services: Services, system: System, tmp_path: Path
) -> None:
    await rejected_upload(services, system, tmp_path)
    job = await kill_at(services, system, "api.redrive_batch_sent", "redrive")
    # Not before, or it may be at it sooner than the one that is to die.
    other = await services.start("api_service")

    async with plain_client(other.url) as client:
        ended = await until_ended(client, job, seconds=90)

    assert (ended["state"], ended["done"]) == ("succeeded", ROWS)
    assert await attempts(system) == {2}


@pytest.mark.fault(34)
async def test_redrive_survives_its_consumers_its_queue_and_the_producer(
    services: Services, system: System, tmp_path: Path
) -> None:
    await rejected_upload(services, system, tmp_path)
    consumers = services.of("consumer_service")
    for consumer in consumers:
        consumer.kill()
    services.producer.kill()
    for service in (*consumers, services.producer):
        await service.ended()
    job = await order_redrive(system.client, all=True)

    async def waits() -> bool:
        return (await system.broker.state(BULK_REQUESTS_QUEUE)).ready == 10

    await eventually(waits, seconds=60)
    await system.broker.delete_queue(BULK_REQUESTS_QUEUE)
    await eventually(lambda: system.broker.has_ready(DEAD_LETTERS_QUEUE, ROWS), seconds=60)
    for service in (*consumers, services.producer):
        await service.restart()
    consumers[0].restarts_when_dead = True

    async def is_at_it() -> bool:
        return bool((await watch(system.client, job))["done"] > 0)

    await eventually(is_at_it, seconds=60)
    consumers[0].kill()

    assert (await until_ended(system.client, job, seconds=90))["done"] == ROWS
    assert await attempts(system) == {2}
    assert (await redrive(system.client, code="invalid_mobile"))["total"] == 0
    assert (await delete(system.client, all=True))["done"] == ROWS
