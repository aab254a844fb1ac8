"""What an older release stored is finished by this one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.rows.layout import UNNAMED_ORDER
from tests.support.reference import read_top_to_bottom
from tests.support.services import Services
from tests.support.system import System
from tests.support.waiting import eventually

ROWS = 600
BAD_EVERY = 20
# As releases before 0.2.0 stored it, by position alone; and as one stored it that knew no more than these four fields.
UNNAMED = [[0], [1], [2], [3]]
NAMED = {name: [at] for at, name in enumerate(UNNAMED_ORDER)}


@pytest.mark.parametrize("stored", [UNNAMED, NAMED], ids=["without names", "of four fields"])
async def test_upload_whose_layout_an_older_release_stored_is_finished_and_its_rejects_can_be_redriven(
    stored: object, services: Services, system: System, tmp_path: Path
) -> None:
    file = tmp_path / "before.csv"
    lines = [
        f"Person {number},Initech,9876{number:06},person{number}{'' if number % BAD_EVERY else ' '}@older.example\n"
        for number in range(ROWS)
    ]
    file.write_text("".join([",".join(UNNAMED_ORDER) + "\n", *lines]))
    expected = read_top_to_bottom(file)
    await services.start("api_service", {"ROLLCALL_API_CHUNK_ROWS": "50"})
    upload_id = await system.upload(file)
    await system.database.execute("UPDATE uploads SET field_columns = $1", json.dumps(stored))

    services.launch("consumer_service")
    services.launch("producer_service")
    upload = await system.until_finished(upload_id)

    assert await system.differences(upload, expected) == []
    redriven = await system.client.post("/v1/dead-letters/redrive", json={"uploadId": upload_id})
    assert redriven.json()["redriven"] == len(expected.rejects) == ROWS // BAD_EVERY

    async def are_rejected_again() -> bool:
        return bool(await system.database.fetchval("SELECT min(attempt) = 2 FROM rejected_rows"))

    await eventually(are_rejected_again)
