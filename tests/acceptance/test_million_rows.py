"""`make test-long`: a million rows of mixed trouble, with and without ten kills, held to the reference row by row."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from tests.support.mixed_file import write_mixed_file
from tests.support.reference import Expected, read_top_to_bottom
from tests.support.seeded_random import seeded_random
from tests.support.services import Backends, Services
from tests.support.system import System

pytestmark = pytest.mark.long

ROWS: Final = 1_000_000
KILLS: Final = 10
MEMORY_MIB: Final = 160


class Million(NamedTuple):
    file: Path
    expected: Expected


@pytest.fixture(scope="module")
def million(tmp_path_factory: pytest.TempPathFactory) -> Million:
    """1% bad rows of every kind, 5% with the email of another row, near or far."""
    file = tmp_path_factory.mktemp("million") / "million.csv"
    write_mixed_file(file, ROWS, bad_share=0.01, duplicate_share=0.05)
    return Million(file, read_top_to_bottom(file))


@pytest.fixture
async def services(database_url: str, amqp_url: str, upload_store_url: str, tmp_path: Path) -> AsyncIterator[Services]:
    """As they come: with chunks of the usual size."""
    backends = Backends(database_url, amqp_url, upload_store_url)
    async with Services(backends, tmp_path / "logs", {}) as services:
        yield services


@pytest.mark.parametrize("consumers", [1, 2, 4])
async def test_million_rows_end_as_the_reference_says_in_bounded_memory(
    consumers: int, services: Services, system: System, million: Million
) -> None:
    await services.start_all(consumers=consumers)

    upload = await system.until_finished(await system.upload(million.file), seconds=600)

    peaks = {service.name: round(service.peak_memory_mib()) for service in services.all}
    print(f"{_rows_per_second(upload):,.0f} rows/s; peak MiB: {peaks}")  # noqa: T201 - the figures are the point
    assert await system.differences(upload, million.expected) == []
    assert max(peaks.values()) < MEMORY_MIB


@pytest.mark.parametrize("consumers", [2, 4])
async def test_million_rows_with_ten_kills_end_as_the_reference_says(
    consumers: int, services: Services, system: System, million: Million
) -> None:
    chance = seeded_random()
    await services.start_all(consumers=consumers)
    for service in services.all:
        service.restarts_when_dead = True

    upload_id = await system.upload(million.file)
    for rows in sorted(chance.sample(range(ROWS // 100, ROWS * 9 // 10), KILLS)):
        await system.until_rows_done(upload_id, rows, seconds=300)
        chance.choice(services.all).kill()

    upload = await system.until_finished(upload_id, seconds=600)
    print(f"{_rows_per_second(upload):,.0f} rows/s with {KILLS} kills")  # noqa: T201 - the figures are the point
    assert await system.differences(upload, million.expected, after_crash=True) == []


def _rows_per_second(upload: dict[str, Any]) -> float:
    started, finished = (datetime.fromisoformat(upload[name]) for name in ("startedAt", "finishedAt"))
    return float(upload["rowsRead"] / (finished - started).total_seconds())
