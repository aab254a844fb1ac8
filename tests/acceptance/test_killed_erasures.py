"""An erasure goes on wherever the API dies, beside whatever names the person, and leaves nothing of them anywhere."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Final

import httpx2
import pytest

from api_service.operations.unknown_files import purge_unknown_files
from shared.amqp.topology import DEAD_LETTERS_QUEUE
from shared.upload_store import UploadStore
from tests.acceptance.conftest import SMALL_CHUNKS
from tests.support.erasures import KEY, Json, order_erasure, until_erased
from tests.support.failpoint_settings import API, CONSUMER, killing_api, slow_consumer
from tests.support.jobs import order_redrive, until_ended
from tests.support.patience import patience
from tests.support.pipeline import consumer_settings, wide_engine
from tests.support.servers import CHECKOUT
from tests.support.services import KILLED, Backends, Services
from tests.support.system import System
from tests.support.uploads import HEADER
from tests.support.waiting import eventually

EMAIL: Final = "Ada.Cole@heron.example"
ADA: Final = "Ada Cole,Heron,+4930555{number:04},ada.cole@HERON.example\n"
ROWS: Final = 1_000
KILLING: Final = {"ROLLCALL_ERASURE_KEY": KEY, **SMALL_CHUNKS}
PLACES: Final = (
    "api.erasure_after_horizon",
    "api.erasure_inside_employee",
    "api.erasure_after_employee",
    "api.erasure_inside_rejectedRows",
    "api.erasure_after_previews",
    "api.erasure_file_written",
    "api.erasure_file_named",
    "api.erasure_after_letters",
)


@pytest.fixture
async def services(backends: Backends, tmp_path: Path) -> AsyncIterator[Services]:
    """With the key, and none started yet."""
    async with Services(backends, tmp_path / "logs", KILLING, warm=True) as services:
        yield services


def write_file(path: Path, *, begin: int) -> Path:
    """A thousand rows, of which every hundredth is the person's, in turn good, bad and broken."""
    kinds = (ADA, ADA.replace("+4930555", "no number "), ADA.replace(",Heron", ',He"r"on,"x" y'))
    lines = [
        kinds[number // 100 % 3].format(number=number)
        if number % 100 == 50
        else f"P {number},Acme,+4930666{number:04},p{begin + number}@heron.example\n"
        for number in range(ROWS)
    ]
    path.write_bytes(HEADER + "".join(lines).encode())
    return path


async def check(certificate: Json, backends: Backends, folder: Path, *paths: Path) -> tuple[int, str]:
    """The tool's status and what it says."""
    file = folder / "certificate.json"
    file.write_text(json.dumps(certificate))
    arguments = ["-m", "tools.check_erasure", "--email", EMAIL, "--certificate", str(file), *map(str, paths)]
    environment = {**os.environ, **backends.as_environment(), "ROLLCALL_ERASURE_KEY": KEY}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=CHECKOUT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(120 * patience()):
        said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


@pytest.mark.fault(50)
async def test_erasure_goes_on_wherever_the_api_dies(
    services: Services, system: System, backends: Backends, tmp_path: Path
) -> None:
    await services.start_all(consumers=1)
    uploads = [
        await system.until_finished(await system.upload(write_file(tmp_path / f"{name}.csv", begin=begin), "update"))
        for name, begin in (("first", 0), ("second", ROWS))
    ]
    await system.until_letters_are_out()
    status, said = await check({"person": "", "status": "running", "files": []}, backends, tmp_path)
    assert status == 1
    assert {"employees", "replaced_employees", "rejected_rows"} <= {each.split()[1].strip(",") for each in _named(said)}
    assert any("queue employees.dead-letters" in each for each in _named(said))
    assert any("stored file" in each for each in _named(said))

    await services.api.terminate()
    await services.api.restart(killing_api(PLACES[0]))
    try:
        erasure = await order_erasure(system.client, EMAIL)
    except httpx2.TransportError:  # it died before it had answered
        erasure = {"id": await system.database.fetchval("SELECT id FROM erasures")}
    for place in PLACES[1:]:
        assert await services.api.ended() == KILLED, place
        # It goes on with the erasure at once, so it may be dead before anything could see it ready.
        services.api.start(killing_api(place))
    assert await services.api.ended() == KILLED
    await services.api.restart({API: ""})
    certificate = await until_erased(system.client, erasure, seconds=60)

    assert certificate["found"]["employees"] == 1
    assert certificate["found"]["beforeImages"] == 1
    assert {each["uploadId"] for each in certificate["files"]} == {each["id"] for each in uploads}
    status, said = await check(certificate, backends, tmp_path, tmp_path / "logs")
    assert (status, _named(said)) == (0, []), said
    # The text that a killed process had written and not named names nobody, and goes as any file of no upload.
    assert await _swept_twice(backends) == [0, 1]


@pytest.mark.fault(51)
async def test_erasure_beside_uploads_redrives_and_undos_that_name_the_person(
    services: Services, system: System, backends: Backends, tmp_path: Path
) -> None:
    await services.start_all(consumers=2)
    before = await system.until_finished(await system.upload(write_file(tmp_path / "before.csv", begin=0), "update"))
    await services.consumer.terminate()
    await services.consumer.restart(slow_consumer(0.2))
    beside = [
        await system.upload(write_file(tmp_path / f"beside{number}.csv", begin=number * ROWS), "update")
        for number in range(2)
    ]

    undo, job, erasure = await asyncio.gather(
        system.client.post(f"/v1/uploads/{before['id']}/undo"),
        order_redrive(system.client, uploadId=before["id"]),
        order_erasure(system.client, EMAIL),
    )

    assert undo.status_code == 202
    await services.consumer.terminate()
    await services.consumer.restart({CONSUMER: ""})
    finished = [await system.until_finished(upload_id) for upload_id in beside]
    await until_ended(system.client, job, seconds=60)
    certificate = await until_erased(system.client, erasure, seconds=90)
    for upload in finished:
        assert upload["rowsRead"] == upload["inserted"] + upload["updated"] + upload["duplicates"] + upload["rejected"]
    undone = await _until_undone(system, before["id"])
    assert undone["deleted"] + undone["restored"] + undone["kept"] == undone["inserted"] + undone["updated"]

    async def letters_are_those_of_the_table() -> bool:
        outstanding = await system.database.fetchval("SELECT count(*) FROM rejected_rows WHERE discarded_at IS NULL")
        return bool((await system.broker.state(DEAD_LETTERS_QUEUE)).ready == outstanding)

    await eventually(letters_are_those_of_the_table, seconds=60)
    status, said = await check(certificate, backends, tmp_path, tmp_path / "logs")
    assert (status, _named(said)) == (0, []), said


async def _until_undone(system: System, upload_id: str) -> Json:
    seen: list[Json] = []

    async def is_undone() -> bool:
        seen.append((await system.client.get(f"/v1/uploads/{upload_id}")).json())
        return bool(seen[-1]["undoneAt"] is not None)

    await eventually(is_undone, seconds=60)
    return seen[-1]


async def _swept_twice(backends: Backends) -> list[int]:
    """How many files of no upload were deleted; the first time they are marked."""
    engine = wide_engine(consumer_settings(backends.database_url))
    store = UploadStore(backends.upload_store_url)
    deleted = [await purge_unknown_files(engine, store, timedelta(0), limit=10) for _ in range(2)]
    await engine.dispose()
    return deleted


def _named(said: str) -> list[str]:
    return [line.removeprefix("still named: ") for line in said.splitlines() if line.startswith("still named: ")]
