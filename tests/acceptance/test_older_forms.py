"""What an older release stored is finished by this one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.rows.layout import UNNAMED_ORDER
from tests.support.jobs import redrive
from tests.support.reference import read_top_to_bottom
from tests.support.services import Services
from tests.support.system import System

ROWS = 600
BAD_EVERY = 20
UNCLOSED = 420
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
    job = await redrive(system.client, uploadId=upload_id)
    assert job["done"] == len(expected.rejects) == ROWS // BAD_EVERY
    assert await system.database.fetchval("SELECT min(attempt) = 2 FROM rejected_rows")


@pytest.mark.fault(32)
async def test_upload_that_began_by_the_rules_of_an_older_release_is_finished_by_them(
    services: Services, system: System, tmp_path: Path
) -> None:
    lines = [f"Person {number},Initech,9876{number:06},person{number}@older.example\n" for number in range(ROWS)]
    # Read strictly, each of these two would be a row that is refused, and all others would go in.
    lines[7] = lines[7].replace("Person 7", '"Person" 7')
    lines[UNCLOSED] = lines[UNCLOSED].replace("Initech", '"Initech')
    file = tmp_path / "before.csv"
    file.write_text("".join([",".join(UNNAMED_ORDER) + "\n", *lines]))
    await services.start("api_service", {"ROLLCALL_API_CHUNK_ROWS": "50"})
    upload_id = await system.upload(file)
    # What the rows have that are there when the column is added.
    await system.database.execute("UPDATE uploads SET reader_version = 1")

    services.launch("consumer_service")
    services.launch("producer_service")
    upload = await system.until_finished(upload_id)

    assert (upload["status"], upload["problem"]["code"]) == ("failed", "unclosed_quote")
    assert f"line {UNCLOSED + 2}" in upload["problem"]["detail"]
    assert (upload["rowsRead"], upload["inserted"], upload["rejected"]) == (UNCLOSED, UNCLOSED, 0)
    assert await system.chunks(upload_id) == [
        (first, min(50, UNCLOSED + 1 - first)) for first in range(1, UNCLOSED, 50)
    ]
    names = await system.database.fetch("SELECT employee_name FROM employees ORDER BY row_number")
    assert [row["employee_name"] for row in names] == [f"Person {number}" for number in range(UNCLOSED)]


async def test_upload_that_begins_now_is_read_by_the_newest_rules(
    services: Services, system: System, tmp_path: Path
) -> None:
    file = tmp_path / "now.csv"
    file.write_bytes(
        ",".join(UNNAMED_ORDER).encode() + b"\n"
        b"Zo\xc3\xab,Initech,9876000001,zoe@now.example\n"
        b"Bj\xf8rn,Initech,9876000002,bjorn@now.example\n"
        b'"Person" 7,Initech,9876000003,seven@now.example\n'
        b'Bo,"Initech,9876000004,bo@now.example\n'
        b"Cy,Initech,9876000005,cy@now.example\n"
    )
    expected = read_top_to_bottom(file)
    await services.start_all(consumers=1)

    upload = await system.until_finished(await system.upload(file))

    assert upload["status"] == "partially_succeeded"
    assert (upload["encoding"], upload["encodingGuessed"], upload["problem"]) == ("utf-8", False, None)
    assert (upload["inserted"], upload["rejectedBy"]) == (2, {"unreadable_character": 1, "malformed_quotes": 2})
    assert await system.differences(upload, expected) == []
