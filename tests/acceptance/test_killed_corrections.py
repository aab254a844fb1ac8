"""Corrections whose processes die, or lose broker and database, end as if the file had been right from the start."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import httpx2
import pytest

from shared.amqp.topology import DEAD_LETTERS_QUEUE
from tests.acceptance.conftest import SMALL_CHUNKS
from tests.support.broker import open_broker
from tests.support.failpoint_settings import API, CONSUMER, killing_api, killing_consumer
from tests.support.jobs import order_redrive, until_ended
from tests.support.plain_http import plain_client
from tests.support.reference import Expected, read_top_to_bottom
from tests.support.services import KILLED, Backends, Services
from tests.support.system import System
from tests.support.tcp_proxy import TcpProxy, tcp_proxy
from tests.support.uploads import HEADER
from tests.support.waiting import eventually

pytestmark = pytest.mark.fault(44)

ROWS = 1_200
BAD = 300
Json = dict[str, Any]
Report = list[list[str]]


class Broken(NamedTuple):
    """An upload with 300 rejects, their report, and what there is to be when all are corrected."""

    upload_id: str
    report: Report
    expected: Expected


async def broken_upload(services: Services, system: System, folder: Path) -> Broken:
    """Every fourth row lacks the sign of its email. Corrected, some have the email of a row behind them."""

    def line(number: int, at: str) -> bytes:
        email = f"p{number if number % 40 else number + 21}{at}example.com"
        return f"P {number},Acme,+4930555{number:04},{email}\n".encode()

    bad, good = folder / "bad.csv", folder / "good.csv"
    bad.write_bytes(HEADER + b"".join(line(number, "@" if number % 4 else " at ") for number in range(ROWS)))
    good.write_bytes(HEADER + b"".join(line(number, "@") for number in range(ROWS)))
    upload = await system.until_finished(await system.upload(bad))
    assert upload["rejected"] == BAD
    await system.until_letters_are_out()
    answer = await system.client.get(f"/v1/uploads/{upload['id']}/rejects.csv")
    report = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    return Broken(upload["id"], report, read_top_to_bottom(good))


def corrected(report: Report, *, parts: int = 1, part: int = 0) -> bytes:
    """The report with every so many-th row mended."""
    text = io.StringIO()
    rows = [
        [cell.replace(" at ", "@") for cell in row] if at % parts == part else row for at, row in enumerate(report[1:])
    ]
    csv.writer(text).writerows([report[0], *rows])
    return text.getvalue().encode()


async def send(client: httpx2.AsyncClient, upload_id: str, content: bytes) -> None:
    """It may be that nobody is left to answer."""
    try:
        answer = await client.post(f"/v1/uploads/{upload_id}/corrections", files={"employee_data": ("r.csv", content)})
    except httpx2.TransportError:
        return
    assert answer.status_code == 202, answer.text


async def until_corrected(system: System, rejects: int) -> None:
    async def settled() -> bool:
        unfinished = await system.database.fetchval("SELECT count(*) FROM corrections WHERE finished_at IS NULL")
        standing = await system.database.fetchval("SELECT count(*) FROM rejected_rows")
        return bool(unfinished == 0 and standing == rejects)

    await eventually(settled, seconds=90)


async def until_as_expected(system: System, broken: Broken) -> None:
    async def letters_are_gone() -> bool:
        return await system.broker.has_ready(DEAD_LETTERS_QUEUE, 0)

    await eventually(letters_are_gone, seconds=60)
    assert await system.differences(await system.state(broken.upload_id), broken.expected) == []


async def test_corrections_go_on_wherever_the_api_or_a_consumer_dies_and_correct_each_row_once(
    services: Services, system: System, tmp_path: Path
) -> None:
    await services.start_all(consumers=1)
    broken = await broken_upload(services, system, tmp_path)
    deaths: list[tuple[str, Callable[[], dict[str, str]]]] = [
        ("api", lambda: killing_api("api.corrections_stored")),
        ("api", lambda: killing_api("api.correction_window_sent")),
        ("api", lambda: killing_api("api.correction_window_done")),
        ("consumer", lambda: killing_consumer("consumer.redrive_inside_transaction", after=1)),
        ("consumer", lambda: killing_consumer("consumer.redrive_committed", after=0)),
    ]
    for part, (who, dying) in enumerate(deaths):
        victim = services.api if who == "api" else services.consumer
        await victim.terminate()
        await victim.restart(dying())
        await send(system.client, broken.upload_id, corrected(broken.report, parts=6, part=part))
        assert await victim.ended() == KILLED, part
        await victim.restart({API: "", CONSUMER: ""})
        await until_corrected(system, BAD - (part + 1) * BAD // 6)

    await services.api.terminate()
    await services.api.restart(killing_api("api.correction_stored"))
    row, number = broken.report[6], broken.report[0].index("row_number")
    address = f"/v1/uploads/{broken.upload_id}/rejects/{row[number]}"
    with pytest.raises(httpx2.TransportError):
        await system.client.patch(address, json={"cells": {"email": row[3].replace(" at ", "@")}})
    assert await services.api.ended() == KILLED
    await services.api.restart({API: ""})
    await until_corrected(system, BAD // 6 - 1)
    await send(system.client, broken.upload_id, corrected(broken.report))
    await until_corrected(system, 0)
    await until_as_expected(system, broken)


async def test_corrections_and_a_redrive_of_the_same_rows_at_once_move_each_once(
    services: Services, system: System, tmp_path: Path
) -> None:
    await services.start_all(consumers=2)
    broken = await broken_upload(services, system, tmp_path)
    half = corrected(broken.report, parts=2)
    job, *_ = await asyncio.gather(
        order_redrive(system.client, all=True),
        send(system.client, broken.upload_id, half),
        send(system.client, broken.upload_id, half),
    )
    assert (await until_ended(system.client, job, seconds=60))["done"] == BAD

    async def counted() -> dict[str | None, int]:
        query = "SELECT outcome, count(*) FROM corrected_rows GROUP BY outcome"
        return {row["outcome"]: row["count"] for row in await system.database.fetch(query)}

    async def all_known() -> bool:
        return None not in await counted()

    await eventually(all_known, seconds=60)
    counts = await counted()
    standing = await system.database.fetchval("SELECT count(*) FROM rejected_rows")
    assert BAD - standing == sum(counts.get(name, 0) for name in ("inserted", "duplicate"))
    assert set(counts) <= {"inserted", "duplicate", "row_changed", "no_reject"}

    await send(system.client, broken.upload_id, corrected(broken.report))
    await until_corrected(system, 0)
    await until_as_expected(system, broken)


class TestWithoutBrokerAndDatabase:
    @pytest.fixture
    async def proxies(self, database_url: str, amqp_url: str) -> AsyncIterator[tuple[TcpProxy, TcpProxy]]:
        async with tcp_proxy(database_url) as database, tcp_proxy(amqp_url) as broker:
            yield database, broker

    @pytest.fixture
    async def services(
        self, proxies: tuple[TcpProxy, TcpProxy], upload_store_url: str, tmp_path: Path
    ) -> AsyncIterator[Services]:
        database, broker = proxies
        backends = Backends(database.url, broker.url, upload_store_url)
        async with Services(backends, tmp_path / "logs", SMALL_CHUNKS, warm=True) as services:
            yield services

    @pytest.fixture
    async def system(self, services: Services, database_url: str, amqp_url: str) -> AsyncIterator[System]:
        """With connections of its own, past the proxies."""
        database = await asyncpg.connect(database_url)
        client = plain_client(services.api_url, timeout=120)
        async with open_broker(amqp_url) as broker, client:
            system = System(services, client, broker, amqp_url, database_url, database)
            yield system
            assert await system.leftovers() == []
        await database.close()

    async def test_corrections_wait_for_broker_and_database_and_go_on_by_themselves(
        self, services: Services, system: System, proxies: tuple[TcpProxy, TcpProxy], tmp_path: Path
    ) -> None:
        await services.start_all(consumers=2)
        broken = await broken_upload(services, system, tmp_path)
        for part, proxy in enumerate(proxies):
            await send(system.client, broken.upload_id, corrected(broken.report, parts=2, part=part))
            proxy.cut()

            async def not_ready() -> bool:
                return await services.consumer.says_not_ready()

            await eventually(not_ready, seconds=30)
            await proxy.open()
            await until_corrected(system, BAD - (part + 1) * BAD // 2)
        await until_as_expected(system, broken)
