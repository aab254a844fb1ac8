"""A stored file that is altered or gone ends its upload as `failed`, with the reason and every row accounted for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.failpoint_settings import slow_consumer
from tests.support.mixed_file import write_mixed_file
from tests.support.services import Services
from tests.support.system import Json, System
from tests.support.uploads import stored_files

pytestmark = pytest.mark.fault(19)

# Larger than what a producer reads ahead.
ROWS = 25_000


def alter(file: Path) -> None:
    """A digit of the last row, in place: the size stays."""
    with file.open("r+b") as content:
        content.seek(-3, 2)
        content.write(b"X")


def truncate(file: Path) -> None:
    with file.open("r+b") as content:
        content.truncate(file.stat().st_size * 3 // 4)


FAULTS = pytest.mark.parametrize(
    ("damage", "code"),
    [(alter, "file_changed"), (truncate, "file_changed"), (Path.unlink, "file_missing")],
    ids=["altered", "truncated", "gone"],
)


@pytest.fixture
def large_file(tmp_path: Path) -> Path:
    file = tmp_path / "large.csv"
    write_mixed_file(file, ROWS)
    return file


@FAULTS
async def test_file_damaged_before_it_is_read_ends_its_upload_as_failed(
    damage: Callable[[Path], None],
    code: str,
    upload_store_url: str,
    services: Services,
    system: System,
    large_file: Path,
) -> None:
    await services.start("api_service")
    upload_id = await system.upload(large_file)

    (stored,) = stored_files(upload_store_url)
    damage(stored)
    services.launch("producer_service")
    services.launch("consumer_service")

    upload = await system.until_finished(upload_id)
    await assert_failed_and_accounted_for(upload, code, system)
    assert (upload["rowsRead"] == 0) == (code == "file_missing")


@FAULTS
async def test_file_damaged_while_it_is_read_ends_its_upload_as_failed(
    damage: Callable[[Path], None],
    code: str,
    upload_store_url: str,
    services: Services,
    system: System,
    large_file: Path,
) -> None:
    services.launch("consumer_service", slow_consumer(0.04))
    services.launch("producer_service")
    await services.start("api_service")
    upload_id = await system.upload(large_file)
    await system.until_rows_done(upload_id, 1_000)

    (stored,) = stored_files(upload_store_url)
    damage(stored)

    upload = await system.until_finished(upload_id)
    await assert_failed_and_accounted_for(upload, code, system)
    assert upload["rowsRead"] >= 1_000


async def assert_failed_and_accounted_for(upload: Json, code: str, system: System) -> None:
    """P1, and that its counts are those of the tables: what was read before the damage was noticed stays."""
    assert (upload["status"], upload["problem"]["code"]) == ("failed", code)
    assert upload["problem"]["detail"]
    outcomes = ("inserted", "updated", "duplicates", "rejected", "unprocessed")
    assert upload["rowsRead"] == sum(upload[name] for name in outcomes)
    await system.until_letters_are_out()
    assert await system.database.fetchval("SELECT count(*) FROM employees") == upload["inserted"]
    assert await system.database.fetchval("SELECT count(*) FROM rejected_rows") == upload["rejected"]
    letters = {letter["rowNumber"] for letter in await system.letters(upload["id"])}
    assert len(letters) == upload["rejected"]
