"""Dead letters without end leave requests unharmed: their queue has a limit, and the tables have all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from shared.amqp.topology import DEAD_LETTERS_QUEUE
from tests.support import effects
from tests.support.mixed_file import write_mixed_file
from tests.support.reference import read_top_to_bottom
from tests.support.services import Services
from tests.support.system import System
from tests.support.waiting import eventually

LIMIT: Final = 600
ROWS: Final = 2_000
# The two consumers may each have seen the same room, for a chunk's letters.
MOST: Final = LIMIT + 100
SETTINGS: Final = {"ROLLCALL_DEAD_LETTERS_LIMIT": str(LIMIT), "ROLLCALL_CONSUMER_UNPUBLISHED_AFTER_SECONDS": "1"}


@pytest.mark.fault(37)
async def test_rejects_beyond_the_limit_of_their_queue_wait_for_room_and_requests_do_not(
    services: Services, system: System, tmp_path: Path
) -> None:
    bad, good = tmp_path / "bad.csv", tmp_path / "good.csv"
    write_mixed_file(bad, ROWS, bad_share=1)
    write_mixed_file(good, 500, bad_share=0, duplicate_share=0, first_person=ROWS * 2)
    for _ in range(2):
        services.launch("consumer_service", SETTINGS)
    services.launch("producer_service", SETTINGS)
    await services.start("api_service", SETTINGS)

    first = await system.until_finished(await system.upload(bad))
    second = await system.until_finished(await system.upload(good))

    assert (first["status"], first["rejected"]) == ("partially_succeeded", ROWS)
    assert (second["status"], second["inserted"]) == ("succeeded", 500)
    assert await effects.count_unpublished(system.database) > 0
    assert await _depth(system) <= MOST
    listed = (await system.client.get("/v1/dead-letters?limit=1")).raise_for_status().json()
    assert listed["totalData"] == ROWS

    found: set[str] = set()

    async def all_have_come() -> bool:
        assert await _depth(system) <= MOST
        letters = await system.broker.take_all(DEAD_LETTERS_QUEUE)
        found.update(str(letter.message_id) for letter in letters)
        return len(found) == ROWS

    # Each sweep finds room for some more of them.
    await eventually(all_have_come, seconds=600)
    assert found == {f"{first['id']}:{reject.row_number}:1" for reject in read_top_to_bottom(bad).rejects}


async def _depth(system: System) -> int:
    return (await system.broker.state(DEAD_LETTERS_QUEUE)).ready
