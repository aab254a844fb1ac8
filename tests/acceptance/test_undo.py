"""An undo leaves the table as it was before its upload, whatever dies, goes away or is uploaded meanwhile (P10)."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import asyncpg
import pytest

from tests.acceptance.conftest import SMALL_CHUNKS
from tests.support.failpoint_settings import (
    CONSUMER,
    PRODUCER,
    killing_consumer,
    killing_producer,
)
from tests.support.reference import Mode
from tests.support.services import KILLED, Backends, Services
from tests.support.system import Json, System
from tests.support.tcp_proxy import TcpProxy, tcp_proxy
from tests.support.uploads import HEADER
from tests.support.waiting import eventually

PEOPLE = 1_500
AWAY_SECONDS = 3
# So that a small upload is taken back in many ranges.
SMALL_RANGES = {"ROLLCALL_PRODUCER_UNDO_RANGE_ROWS": "100"}

Table = list[asyncpg.Record]


@pytest.fixture
async def database_way(database_url: str) -> AsyncIterator[TcpProxy]:
    async with tcp_proxy(database_url) as proxy:
        yield proxy


@pytest.fixture
async def broker_way(amqp_url: str) -> AsyncIterator[TcpProxy]:
    async with tcp_proxy(amqp_url) as proxy:
        yield proxy


@pytest.fixture
async def services(
    database_way: TcpProxy, broker_way: TcpProxy, upload_store_url: str, tmp_path: Path
) -> AsyncIterator[Services]:
    """Their ways to database and broker can be cut; the test's own cannot."""
    backends = Backends(database_way.url, broker_way.url, upload_store_url)
    async with Services(backends, tmp_path / "logs", SMALL_CHUNKS | SMALL_RANGES, warm=True) as services:
        yield services


@pytest.mark.fault(40)
async def test_undo_leaves_the_table_of_before_whoever_is_killed_at_any_step_of_it(
    services: Services, system: System, tmp_path: Path
) -> None:
    await services.start_all(consumers=2)
    before, upload_id = await _two_uploads(system, tmp_path)
    first, second = services.of("consumer_service")
    await asyncio.gather(*(service.terminate() for service in (first, second, services.producer)))
    await asyncio.gather(
        first.restart(killing_consumer("consumer.inside_undo", after=2)),
        second.restart(killing_consumer("consumer.after_undo", after=3)),
        services.producer.restart(killing_producer("producer.range_published", after=6)),
    )

    assert (await system.client.post(f"/v1/uploads/{upload_id}/undo")).status_code == 202
    services.api.kill()
    for service in (services.api, services.producer, first, second):
        assert await service.ended(seconds=60) == KILLED
    await services.api.restart()
    await asyncio.gather(first.restart({CONSUMER: ""}), second.restart({CONSUMER: ""}))
    await services.producer.restart(killing_producer("producer.before_undone", after=0))
    assert await services.producer.ended(seconds=60) == KILLED
    assert (await system.state(upload_id))["status"] == "undoing"
    await services.producer.restart({PRODUCER: ""})

    upload = await _until_undone(system, upload_id)
    assert (upload["deleted"], upload["restored"], upload["kept"]) == (upload["inserted"], upload["updated"], 0)
    assert await _table(system) == before
    assert await _counted(system) == len(before)


@pytest.mark.fault(41)
async def test_undo_waits_for_a_broker_and_a_database_that_are_away(
    services: Services, system: System, database_way: TcpProxy, broker_way: TcpProxy, tmp_path: Path
) -> None:
    await services.start_slow(chunk_seconds=0.1)
    before, upload_id = await _two_uploads(system, tmp_path)
    assert (await system.client.post(f"/v1/uploads/{upload_id}/undo")).status_code == 202

    for way, ranges in ((broker_way, 2), (database_way, 6)):
        await eventually(lambda ranges=ranges: _has_ranges(system, upload_id, ranges), seconds=60)  # type: ignore[misc]
        way.cut()
        await asyncio.sleep(AWAY_SECONDS)  # long enough for several tries to fail
        await way.open()

    upload = await _until_undone(system, upload_id)
    assert (upload["deleted"], upload["restored"], upload["kept"]) == (upload["inserted"], upload["updated"], 0)
    assert await _table(system) == before
    assert await _counted(system) == len(before)


@pytest.mark.fault(42)
async def test_two_undos_at_once_of_people_whom_a_later_upload_is_changing_keep_only_what_it_changed(
    services: Services, system: System, tmp_path: Path
) -> None:
    await services.start_slow(chunk_seconds=0.2)
    old = await _send(system, tmp_path, "Old", range(PEOPLE))
    await system.until_finished(old)
    newer = await _send(system, tmp_path, "Newer", range(PEOPLE // 2, PEOPLE * 2))
    await system.until_rows_done(newer, 300)

    # Its first step is a new revision, so the producer takes none before all four are answered.
    services.producer.signal(signal.SIGSTOP)
    answers = await asyncio.gather(*(system.client.post(f"/v1/uploads/{old}/undo") for _ in range(4)))
    services.producer.signal(signal.SIGCONT)

    assert {answer.status_code for answer in answers} == {202}
    assert {answer.json()["revision"] for answer in answers} == {answers[0].json()["revision"]}
    undone, other = await asyncio.gather(_until_undone(system, old), system.until_finished(newer))
    assert undone["deleted"] + undone["restored"] + undone["kept"] == undone["inserted"] + undone["updated"]
    kept = (await system.client.get(f"/v1/uploads/{old}/rows?outcome=kept&limit=1000")).json()
    assert kept["totalData"] == undone["kept"]
    assert {row["changedBy"] for row in kept["data"]} <= {newer}
    assert {row["upload_sequence"] for row in await _table(system)} == {await _sequence(system, newer)}
    assert (await system.client.get(f"/v1/employees?uploadId={old}")).json()["totalData"] == 0
    # Nobody who was inserted by the undone upload comes back by way of the other.
    assert other["inserted"] + other["updated"] == len(await _table(system))
    assert (await system.client.post(f"/v1/uploads/{newer}/undo")).status_code == 202
    await _until_undone(system, newer)
    assert await _table(system) == []
    assert await _counted(system) == 0
    again = await system.client.post(f"/v1/uploads/{newer}/undo")
    assert (again.status_code, again.json()["code"]) == (409, "already_undone")


async def _two_uploads(system: System, folder: Path) -> tuple[Table, str]:
    """The table after the first, and the second, which has updated two thirds of it and inserted as many."""
    await system.until_finished(await _send(system, folder, "Old", range(PEOPLE)))
    before = await _table(system)
    newer = await _send(system, folder, "Newer", range(PEOPLE // 3, PEOPLE * 5 // 3))
    upload = await system.until_finished(newer)
    assert (upload["inserted"], upload["updated"]) == (PEOPLE * 2 // 3, PEOPLE * 2 // 3)
    return before, newer


async def _send(system: System, folder: Path, name: str, people: Iterable[int], mode: Mode = "update") -> str:
    file = folder / f"{name}.csv"
    lines = [f"{name} {number},Initech,9876543210,person{number}@example.com\n" for number in people]
    file.write_bytes(HEADER + "".join(lines).encode())
    return await system.upload(file, mode)


async def _until_undone(system: System, upload_id: str) -> Json:
    upload: Json = {}

    async def is_undone() -> bool:
        nonlocal upload
        upload = await system.state(upload_id)
        return bool(upload["status"] == "undone")

    await eventually(is_undone, seconds=90)
    return upload


async def _has_ranges(system: System, upload_id: str, number: int) -> bool:
    query = "SELECT count(*) FROM upload_undos WHERE upload_id = $1"
    return bool(await system.database.fetchval(query, upload_id) >= number)


async def _table(system: System) -> Table:
    return await system.database.fetch("SELECT * FROM employees ORDER BY id")


async def _counted(system: System) -> int:
    return int((await system.client.get("/v1/employees?limit=1")).json()["totalData"])


async def _sequence(system: System, upload_id: str) -> int:
    return int(await system.database.fetchval("SELECT sequence FROM uploads WHERE id = $1", upload_id))
