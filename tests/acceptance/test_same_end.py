"""An upload that nothing disturbs ends as the reference says, whatever the mode and however many consumers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.mixed_file import write_mixed_file
from tests.support.reference import Mode, read_top_to_bottom
from tests.support.services import Services
from tests.support.system import System

ORIGINAL_EXAMPLE = Path(__file__).parents[3] / "shared" / "data" / "original-example.csv"


@pytest.mark.parametrize("consumers", [1, 3])
@pytest.mark.parametrize("mode", ["skip", "update", "reject"])
async def test_table_counts_report_and_dead_letters_are_those_of_one_reader_from_top_to_bottom(
    mode: Mode, consumers: int, services: Services, system: System, tmp_path: Path
) -> None:
    before, file = tmp_path / "before.csv", tmp_path / "mixed.csv"
    write_mixed_file(before, 2_000, bad_share=0, duplicate_share=0.02, seed=3)
    write_mixed_file(file, 20_000, bad_share=0.01, duplicate_share=0.04, seed=consumers)
    known = read_top_to_bottom(before)
    expected = read_top_to_bottom(file, mode, known.employees)
    for _ in range(consumers):
        services.launch("consumer_service")
    services.launch("producer_service")
    await services.start("api_service", {"ROLLCALL_API_CHUNK_ROWS": "250"})

    first = await system.until_finished(await system.upload(before))
    assert await system.differences(first, known) == []
    upload = await system.until_finished(await system.upload(file, mode))

    assert await system.differences(upload, expected) == []


@pytest.mark.skipif(not ORIGINAL_EXAMPLE.exists(), reason="the original example is not part of the checkout")
async def test_original_example_is_inserted_whole_and_is_all_duplicates_the_second_time(
    services: Services, system: System
) -> None:
    expected = read_top_to_bottom(ORIGINAL_EXAMPLE)
    again = read_top_to_bottom(ORIGINAL_EXAMPLE, "skip", expected.employees)
    await services.start_all(consumers=1)

    first = await system.until_finished(await system.upload(ORIGINAL_EXAMPLE))
    assert first["inserted"] == 38
    assert await system.differences(first, expected) == []

    second = await system.until_finished(await system.upload(ORIGINAL_EXAMPLE))
    assert second["duplicates"] == 38
    assert await system.differences(second, again) == []
