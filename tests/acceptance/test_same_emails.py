"""Two uploads with the same emails at the same time, the one in the opposite order of the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.checker import table_differences
from tests.support.failpoint_settings import row_that_raises
from tests.support.mixed_file import HEADER, other_cells, person
from tests.support.reference import Expected, ExpectedEmployee, Mode, read_top_to_bottom
from tests.support.services import Services
from tests.support.system import Json, System

# A company that makes its chunk fail, so that this is taken row by row: in the order of the file, not of the emails.
FAILING = "Failing & Sons"
FAILING_EVERY = 100
# Row by row they take so long that two that begin together, from either end, must meet.
ONE_CHUNK = 500
# A deadlock is ended by Postgres within a second or two. That somebody waits for a whole chunk of the other, on a busy
# machine for longer than services usually do, is none.
PATIENT = {"ROLLCALL_LOCK_TIMEOUT_SECONDS": "50"}


class Pair(NamedTuple):
    """What each of the two files would come to alone."""

    files: tuple[Path, Path]
    expected: tuple[Expected, Expected]


def write_pair(folder: Path, people: int, mode: Mode, *, failing_every: int | None = None) -> Pair:
    """The same people, but for where they work; the second file has the last first."""
    files = (folder / "forwards.csv", folder / "backwards.csv")
    numbers = range(1, people + 1)
    for file, order in zip(files, (numbers, reversed(numbers)), strict=True):
        lines = [
            other_cells(number) + ",".join(person(number)._replace(company=_company(file, row, failing_every)))
            for row, number in enumerate(order, 1)
        ]
        file.write_text(HEADER + "\n".join(lines) + "\n")
    failing = dict.fromkeys(range(failing_every, people + 1, failing_every) if failing_every else (), "internal_error")
    first, second = (read_top_to_bottom(file, mode, failing_rows=failing) for file in files)
    return Pair(files, (first, second))


def _company(file: Path, row: int, failing_every: int | None) -> str:
    return FAILING if failing_every and row % failing_every == 0 else file.stem


@pytest.mark.fault(17)
@pytest.mark.parametrize("mode", ["skip", "update"])
async def test_two_uploads_of_the_same_people_in_opposite_order_end_without_a_deadlock(
    mode: Mode, services: Services, system: System, tmp_path: Path
) -> None:
    pair = write_pair(tmp_path, 6_000, mode)
    for _ in range(4):
        services.launch("consumer_service", PATIENT)

    uploads = await _upload_both(services, system, pair, mode)

    assert await _differences(system, pair, uploads, mode) == []
    assert await _total(services, "rollcall_consumer_conflicts_total") == 0
    assert await _total(services, "rollcall_consumer_holds_total") == 0


@pytest.mark.fault(17)
async def test_two_uploads_that_are_taken_row_by_row_from_opposite_ends_end_without_a_deadlock(
    services: Services, system: System, tmp_path: Path
) -> None:
    pair = write_pair(tmp_path, ONE_CHUNK, "update", failing_every=FAILING_EVERY)
    for _ in range(2):
        await services.start("consumer_service", {**PATIENT, **row_that_raises(FAILING)})

    uploads = await _upload_both(services, system, pair, "update", chunk_rows=ONE_CHUNK)

    assert await _differences(system, pair, uploads, "update") == []
    assert await _total(services, "rollcall_consumer_conflicts_total") == 0
    assert await _total(services, "rollcall_consumer_holds_total") == 0


async def _total(services: Services, metric: str) -> float:
    return sum([await consumer.metric(metric) for consumer in services.of("consumer_service")])


async def _upload_both(
    services: Services, system: System, pair: Pair, mode: Mode, *, chunk_rows: int = 100
) -> list[Json]:
    """Finished. Both were accepted before a producer began on either."""
    await services.start("api_service", {"ROLLCALL_API_CHUNK_ROWS": str(chunk_rows)})
    uploads = [await system.upload(file, mode) for file in pair.files]
    services.launch("producer_service")
    return [await system.until_finished(upload) for upload in uploads]


async def _differences(system: System, pair: Pair, uploads: Sequence[Json], mode: Mode) -> list[str]:
    differences = await table_differences(system.database, await _both(system, pair, mode))
    for upload, expected in zip(uploads, pair.expected, strict=True):
        outcomes = [upload[name] for name in ("inserted", "updated", "duplicates", "rejected")]
        if (upload["rowsRead"], upload["rejected"]) != (expected.rows_read, len(expected.rejects)):
            differences.append(f"{upload['filename']}: {upload['rowsRead']} rows, {upload['rejected']} rejected")
        if sum(outcomes) != upload["rowsRead"] or upload["unprocessed"]:
            differences.append(f"{upload['filename']}: unaccounted: {outcomes} of {upload['rowsRead']}")
    inserted = sum(upload["inserted"] for upload in uploads)
    if inserted != await system.database.fetchval("SELECT count(*) FROM employees"):
        differences.append(f"inserted: {inserted}")
    return differences


async def _both(system: System, pair: Pair, mode: Mode) -> Expected:
    """The table: of `update` uploads that of the later; else, of each employee, whoever came first."""
    first, second = pair.expected
    employees: dict[str, ExpectedEmployee] = first.employees | second.employees
    if mode == "skip":
        firsts = await system.database.fetch(
            "SELECT lower(email) FROM employees AS e JOIN uploads AS u ON u.sequence = e.upload_sequence"
            " WHERE u.filename = $1",
            pair.files[0].name,
        )
        employees |= {row[0]: first.employees[row[0]] for row in firsts}
    return Expected(first.columns, employees)
