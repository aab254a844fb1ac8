"""A service with the wrong store says so and takes nothing, and no upload fails for what that store lacks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from shared.store_identity import IDENTITY_KEY
from tests.acceptance.conftest import MixedUpload
from tests.support.failpoint_settings import slow_consumer
from tests.support.plain_http import plain_client
from tests.support.servers import CHECKOUT
from tests.support.services import Service, Services
from tests.support.system import Json, System
from tests.support.uploads import HEADER, send, stored_files
from tests.support.waiting import eventually

pytestmark = pytest.mark.fault(26)

STORE = "ROLLCALL_UPLOAD_STORE_URL"


@pytest.fixture
def folder(upload_store_url: str) -> Path:
    return Path(urlsplit(upload_store_url).path)


def csv(first: int, rows: int = 20) -> bytes:
    return HEADER + b"".join(b"Asha,Initech,9876543210,p%d@example.com\n" % n for n in range(first, first + rows))


async def accepted(system: System, content: bytes) -> str:
    answer = await send(system.client, content)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def readiness(service: Service) -> Json:
    async with plain_client(timeout=30) as client:
        document: Json = (await client.get(f"{service.url}/readyz")).json()
        return document


async def until_it_refuses_its_store(service: Service) -> str:
    """The reason that it gives."""

    await service.until_live()

    async def refuses() -> bool:
        return bool((await readiness(service))["checks"].get("uploadStore") == "failed")

    await eventually(refuses, seconds=60)
    reason: str = (await readiness(service))["reasons"]["uploadStore"]
    return reason


def swap_away(folder: Path) -> Path:
    """As when a volume is not mounted any more: the folder is there, and empty."""
    elsewhere = folder.with_name("elsewhere")
    folder.rename(elsewhere)
    folder.mkdir()
    return elsewhere


def swap_back(folder: Path, elsewhere: Path) -> None:
    assert stored_files(folder.as_uri()) == [], "something was put into the wrong store"
    folder.rmdir()
    elsewhere.rename(folder)


async def test_producer_with_an_unmounted_store_takes_no_upload_and_says_why(
    services: Services, system: System, tmp_path: Path
) -> None:
    await services.start("api_service")
    uploads = [await accepted(system, csv(100 * number)) for number in range(5)]
    services.launch("consumer_service")
    unmounted = tmp_path / "unmounted"
    blind = services.launch("producer_service", {STORE: unmounted.as_uri()})

    reason = await until_it_refuses_its_store(blind)
    assert "Mount the right one" in reason
    # Also an upload that is announced to it.
    uploads.append(await accepted(system, csv(900)))
    await eventually(lambda: blind.log.read_text().count("no upload is taken") >= 3, seconds=60)
    assert "upload taken" not in blind.log.read_text()
    assert {(await system.state(upload))["status"] for upload in uploads} == {"queued"}

    await services.start("producer_service")
    for upload in uploads:
        assert (await system.until_finished(upload))["status"] == "succeeded"
    assert stored_files(unmounted.as_uri()) == []


async def test_api_with_the_wrong_store_refuses_uploads_with_a_code_and_takes_them_again_with_the_right_one(
    services: Services, system: System, folder: Path
) -> None:
    await services.start_all(consumers=1)
    first = await accepted(system, csv(1))
    assert (await system.until_finished(first))["status"] == "succeeded"

    elsewhere = swap_away(folder)
    answer = await send(system.client, csv(100))
    assert (answer.status_code, answer.json()["code"]) == (503, "wrong_storage"), answer.text
    assert answer.headers["Retry-After"]
    download = await system.client.get(f"/v1/uploads/{first}/file")
    assert (download.status_code, download.json()["code"]) == (503, "wrong_storage")
    assert "empty, not mounted" in await until_it_refuses_its_store(services.api)
    assert (await system.client.get("/v1/employees")).is_success

    swap_back(folder, elsewhere)
    assert (await system.client.get(f"/v1/uploads/{first}/file")).content == csv(1)
    assert (await system.until_finished(await accepted(system, csv(100))))["status"] == "succeeded"


async def test_store_that_is_swapped_away_in_mid_upload_and_back_costs_nothing_but_time(
    services: Services, system: System, mixed: MixedUpload, folder: Path
) -> None:
    for _ in range(2):
        services.launch("consumer_service", slow_consumer(0.1))
    producer = services.launch("producer_service")
    await services.start("api_service")
    upload_id = await system.upload(mixed.file, mixed.mode)
    await system.until_rows_done(upload_id, 1)

    elsewhere = swap_away(folder)
    producer.kill()
    await producer.ended()
    producer.start()
    await until_it_refuses_its_store(producer)
    await eventually(lambda: "no upload is taken" in producer.log.read_text(), seconds=60)
    assert (await system.state(upload_id))["status"] == "running"
    swap_back(folder, elsewhere)

    upload = await system.until_finished(upload_id)
    assert await system.differences(upload, mixed.expected) == []


async def test_file_that_is_missing_in_the_right_store_for_a_while_is_waited_for(
    services: Services, system: System, folder: Path
) -> None:
    await services.start("api_service")
    upload_id = await accepted(system, csv(1))
    (stored,) = stored_files(folder.as_uri())
    held_back = folder.with_name("held back")
    stored.rename(held_back)
    services.launch("consumer_service")
    producer = services.launch("producer_service", {"ROLLCALL_PRODUCER_MISSING_FILE_SECONDS": "600"})

    await eventually(lambda: producer.log.read_text().count("FileNotFoundYet") >= 2, seconds=60)
    assert (await system.state(upload_id))["status"] == "running"
    held_back.rename(stored)

    assert (await system.until_finished(upload_id))["status"] == "succeeded"


async def test_upgrade_adopts_the_store_that_is_there_and_not_an_empty_one(
    services: Services, system: System, folder: Path, tmp_path: Path
) -> None:
    await services.start("api_service")
    upload_id = await accepted(system, csv(1))
    # As a release without ids leaves things behind.
    await services.api.terminate()
    (folder / IDENTITY_KEY).unlink()
    await system.database.execute("DELETE FROM upload_store")

    blind = services.launch("api_service", {STORE: (tmp_path / "empty").as_uri()})
    assert "unfinished uploads" in await until_it_refuses_its_store(blind)
    await blind.terminate()
    await services.api.restart()
    services.launch("producer_service")
    services.launch("consumer_service")

    assert (await system.until_finished(upload_id))["status"] == "succeeded"
    assert (folder / IDENTITY_KEY).exists()


async def test_operator_says_which_store_it_is_from_now_on(services: Services, system: System, folder: Path) -> None:
    await services.start("api_service")
    upload_id = await accepted(system, csv(1))
    (stored,) = stored_files(folder.as_uri())
    # A restore of the files alone: the id is lost.
    (folder / IDENTITY_KEY).unlink()
    held_back = folder.with_name("held back")
    stored.rename(held_back)
    assert "lacks its id" in await until_it_refuses_its_store(services.api)

    refusal = adopt_store(services)
    assert refusal.returncode == 1
    assert "1 of 1 unfinished uploads have no file in it" in refusal.stderr
    assert not (folder / IDENTITY_KEY).exists()
    held_back.rename(stored)
    done = adopt_store(services)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert "0 of 1 unfinished" in done.stdout

    services.launch("producer_service")
    services.launch("consumer_service")
    assert (await system.until_finished(upload_id))["status"] == "succeeded"
    assert (await system.until_finished(await accepted(system, csv(100))))["status"] == "succeeded"


def adopt_store(services: Services, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "api_service.operations.adopt_store", *options]
    return subprocess.run(
        command,
        cwd=CHECKOUT,
        env={**os.environ, **services.api.environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
