"""A file without a single good row ends like any other, and takes no more memory for being long."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.support.mixed_file import write_mixed_file
from tests.support.reference import read_top_to_bottom
from tests.support.services import Services
from tests.support.system import System

CHUNK_ROWS: Final = 250
# More chunks than the producer's window: what can be in memory at a time is, with the small file too.
SMALL_ROWS: Final = 5_000
ROWS: Final = 30_000
GROWTH_MIB: Final = 16


@pytest.mark.long
@pytest.mark.fault(24)
async def test_file_in_which_every_row_is_bad_ends_with_each_among_the_dead_letters_in_bounded_memory(
    services: Services, system: System, tmp_path: Path
) -> None:
    small, large = tmp_path / "small.csv", tmp_path / "large.csv"
    write_mixed_file(small, SMALL_ROWS, bad_share=1)
    write_mixed_file(large, ROWS, bad_share=1, seed=2)
    for _ in range(2):
        services.launch("consumer_service")
    services.launch("producer_service")
    await services.start("api_service", {"ROLLCALL_API_CHUNK_ROWS": str(CHUNK_ROWS)})

    first = await system.until_finished(await system.upload(small))
    assert await system.differences(first, read_top_to_bottom(small)) == []
    before = {service.name: service.peak_memory_mib() for service in services.all}
    upload = await system.until_finished(await system.upload(large), seconds=180)

    assert (upload["rowsRead"], upload["rejected"]) == (ROWS, ROWS)
    assert await system.differences(upload, read_top_to_bottom(large)) == []
    growth = {service.name: round(service.peak_memory_mib() - before[service.name], 1) for service in services.all}
    print(f"grown by MiB: {growth}")  # noqa: T201 - the figures are the point
    assert max(growth.values()) < GROWTH_MIB
