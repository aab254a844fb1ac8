"""A file of nothing but bad rows does not fill tables and queues without end, whatever dies meanwhile."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from shared.amqp.topology import DEAD_LETTERS_QUEUE
from tests.support.failpoint_settings import slow_consumer
from tests.support.seeded_random import seeded_random
from tests.support.services import Services
from tests.support.system import System
from tests.support.uploads import HEADER, send
from tests.support.waiting import eventually

ROWS = 20_000
CHUNK_ROWS = 100
WINDOW = 4
MAX_REJECTS = 1_000
KILLS = 8


@pytest.mark.parametrize("disturbed", [False, True], ids=["undisturbed", "killed"])
async def test_upload_past_its_limit_of_rejects_ends_the_same_however_its_processes_are_killed(
    disturbed: bool, services: Services, system: System, tmp_path: Path
) -> None:
    for _ in range(2):
        services.launch("consumer_service", slow_consumer(0.1), restarts_when_dead=True)
    window = {"ROLLCALL_PRODUCER_WINDOW_CHUNKS": str(WINDOW)}
    services.launch("producer_service", window, restarts_when_dead=True)
    await services.start("api_service", {"ROLLCALL_API_CHUNK_ROWS": str(CHUNK_ROWS)})

    answer = await send(system.client, HEADER + b"x,,,\n" * ROWS, maxRejects=str(MAX_REJECTS))
    upload_id = answer.raise_for_status().json()["id"]
    if disturbed:
        await _kill_again_and_again(services)
    upload = await system.until_finished(upload_id)

    assert (upload["status"], upload["problem"]["code"]) == ("failed", "too_many_rejects")
    assert upload["maxRejects"] == MAX_REJECTS
    # A producer that died leaves in flight what its successor sends again, and no more than that.
    assert MAX_REJECTS < upload["rejected"] <= MAX_REJECTS + 2 * WINDOW * CHUNK_ROWS
    assert (upload["rowsRead"], upload["unprocessed"]) == (ROWS, ROWS - upload["rejected"])
    await _every_reject_is_a_letter_and_none_is_more(system, upload_id, upload["rejected"])


async def _kill_again_and_again(services: Services) -> None:
    chance = seeded_random()
    for _ in range(KILLS):
        await asyncio.sleep(chance.uniform(0.05, 0.4))  # the moment is the test's input, nothing is waited for
        chance.choice([*services.of("consumer_service"), services.producer]).kill()


async def _every_reject_is_a_letter_and_none_is_more(system: System, upload_id: str, rejected: int) -> None:
    await system.until_drained()
    await system.until_letters_are_out()
    stored = "SELECT count(*) FROM rejected_rows WHERE upload_id = $1"
    assert await system.database.fetchval(stored, upload_id) == rejected
    letters = {message.message_id for message in await system.broker.take_all(DEAD_LETTERS_QUEUE)}
    assert len(letters) == rejected
    await eventually(lambda: system.broker.has_ready(DEAD_LETTERS_QUEUE, 0))
