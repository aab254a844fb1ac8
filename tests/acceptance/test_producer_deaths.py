"""Producers that die end no upload but the one that kills them, and that one without the others (fault 27)."""

from __future__ import annotations

import asyncio

import pytest

from shared.amqp.topology import REQUESTS_QUEUE
from tests.acceptance.conftest import MixedUpload
from tests.support.failpoint_settings import file_that_kills
from tests.support.pipeline import NO_BROKER
from tests.support.seeded_random import seeded_random
from tests.support.services import Services
from tests.support.system import System
from tests.support.uploads import HEADER, send
from tests.support.waiting import eventually

pytestmark = pytest.mark.fault(27)

# Two more than end an upload that kills its producers.
KILLS = 7
OTHERS = 12
DEADLY = "Killer"


def csv(first: int, rows: int, *, deadly_row: int | None = None) -> bytes:
    lines = []
    for number in range(first, first + rows):
        name = DEADLY if deadly_row is not None and number == first + deadly_row - 1 else "Asha"
        lines.append(f"{name},Initech,9876543210,p{number}@example.com\n".encode())
    return HEADER + b"".join(lines)


async def accepted(system: System, content: bytes) -> str:
    answer = await send(system.client, content)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def until_leased(system: System, upload_id: str, *, times: int) -> None:
    query = "SELECT fence >= $2 FROM upload_leases WHERE upload_id = $1"
    await eventually(lambda: system.database.fetchval(query, upload_id, times), seconds=60)


async def until_renewed_without_a_mark(system: System, upload_id: str) -> None:
    before = await system.database.fetchval("SELECT runs_out_at FROM upload_leases WHERE upload_id = $1", upload_id)
    query = "SELECT suspected AND trial_producers = '{}' AND runs_out_at > $2 FROM upload_leases WHERE upload_id = $1"
    await eventually(lambda: system.database.fetchval(query, upload_id, before), seconds=60)


@pytest.mark.parametrize("away", ["consumers", "broker"])
async def test_producers_that_die_while_others_are_away_end_no_upload(
    away: str, services: Services, system: System, mixed: MixedUpload
) -> None:
    chance = seeded_random()
    await services.start("api_service")
    upload_id = await system.upload(mixed.file, mixed.mode)
    producer = services.launch("producer_service", {"ROLLCALL_AMQP_URL": NO_BROKER} if away == "broker" else None)
    for number in range(KILLS):
        await until_leased(system, upload_id, times=number + 1)
        await asyncio.sleep(chance.uniform(0, 0.2))  # the moment is the test's input, nothing is waited for
        producer.kill()
        await producer.ended()
        assert (await system.state(upload_id))["status"] in ("queued", "running")
        producer.start()
    producer.kill()
    await producer.ended()

    services.launch("producer_service")
    services.launch("consumer_service")
    upload = await system.until_finished(upload_id)
    assert await system.differences(upload, mixed.expected) == []


@pytest.mark.parametrize("deadly_row", [1, 250], ids=["in its first chunk", "in its third chunk"])
async def test_file_that_kills_its_producer_is_convicted_and_none_of_those_beside_it(
    deadly_row: int, services: Services, system: System
) -> None:
    await services.start("api_service")
    # In the middle, so that it is neither always the first nor always the last.
    uploads = [await accepted(system, csv(1000 * number, 250)) for number in range(OTHERS // 2)]
    deadly = await accepted(system, csv(900_000, 300, deadly_row=deadly_row))
    uploads += [await accepted(system, csv(1000 * number, 250)) for number in range(OTHERS // 2, OTHERS)]
    producer = services.launch("producer_service", file_that_kills(DEADLY), restarts_when_dead=True)
    services.launch("consumer_service")

    convicted = await system.until_finished(deadly, seconds=180)
    assert (convicted["status"], convicted["problem"]["code"]) == ("failed", "no_progress")
    outcomes = ("inserted", "updated", "duplicates", "rejected", "unprocessed")
    assert convicted["rowsRead"] == sum(convicted[name] for name in outcomes)
    for upload_id in uploads:
        upload = await system.until_finished(upload_id)
        assert (upload["status"], upload["inserted"]) == ("succeeded", 250)
    assert await system.database.fetchval("SELECT count(*) FROM employees") == OTHERS * 250 + convicted["inserted"]
    producer.restarts_when_dead = False


async def test_file_that_kills_its_producer_does_so_once_while_consumers_are_away(
    services: Services, system: System
) -> None:
    """From then on it waits, alone and unmarked, for the answer to the chunk before the deadly one."""
    await services.start("api_service")
    deadly = await accepted(system, csv(1, 300, deadly_row=250))
    producer = services.launch("producer_service", file_that_kills(DEADLY), restarts_when_dead=True)

    await eventually(lambda: producer.deaths == 1, seconds=60)
    await until_leased(system, deadly, times=2)
    for _ in range(2):
        await until_renewed_without_a_mark(system, deadly)
    assert producer.deaths == 1
    assert (await system.broker.state(REQUESTS_QUEUE)).ready >= 1

    services.launch("consumer_service")
    convicted = await system.until_finished(deadly, seconds=180)
    assert (convicted["status"], convicted["problem"]["code"]) == ("failed", "no_progress")
    assert convicted["inserted"] == 200
    producer.restarts_when_dead = False
