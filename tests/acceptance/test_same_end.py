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


@pytest.mark.parametrize(
    ("mode", "optional"),
    [
        ("skip", ("company_name", "mobile_no")),
        ("update", ("company_name", "mobile_no")),
        ("update", ("employee_name", "company_name", "mobile_no")),
    ],
)
async def test_file_that_leaves_optional_cells_empty_ends_as_read_from_top_to_bottom_behind_one_that_is_under_way(
    mode: Mode, optional: tuple[str, ...], services: Services, system: System, tmp_path: Path
) -> None:
    """The file before brings half of its people, and whoever lacks a name needs one of them."""
    before, file = tmp_path / "before.csv", tmp_path / "mixed.csv"
    write_mixed_file(before, 4_000, bad_share=0, duplicate_share=0.02, seed=3)
    write_mixed_file(file, 8_000, bad_share=0.01, duplicate_share=0.1, seed=5, lacking=optional)
    known = read_top_to_bottom(before)
    expected = read_top_to_bottom(file, mode, known.employees, optional=optional)
    for _ in range(3):
        services.launch("consumer_service")
    services.launch("producer_service")
    await services.start("api_service", {"ROLLCALL_API_CHUNK_ROWS": "250"})

    first_id = await system.upload(before)
    waits = "employee_name" in optional
    if not waits:
        # Who inserts and who updates shows in the counts, if both are under way at once.
        await system.until_finished(first_id)
    upload = await system.until_finished(await system.upload(file, mode, optional=",".join(optional)))

    assert upload["optional"] == list(optional)
    assert await system.differences(upload, expected) == []
    assert ("unknown_email" in upload["rejectedBy"]) == waits


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
