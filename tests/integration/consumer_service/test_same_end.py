"""P4: the employees and the counts are those of one worker reading the file top to bottom, whatever the order."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumer_service.chunk_handler import ChunkHandler
from shared.messages import ChunkRequest
from shared.rows.fields import KEY
from tests.integration.consumer_service.conftest import AddUpload, MakeHandler
from tests.support import effects
from tests.support.chunks import chunk, row
from tests.support.effects import Counts

Mode = Literal["skip", "update"]
Table = dict[str, tuple[str | None, ...]]

_real_database = settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    database=None,
    # Each example takes emails and uploads of its own, so one database serves them all.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
_emails = st.lists(st.sampled_from(["ada", "Ada", "ADA", "bob", "BoB", "cy"]), min_size=1, max_size=14)


@dataclass(frozen=True)
class Run:
    """A file, and how its chunks reach the consumers."""

    emails: list[str]
    known_before: list[str]
    chunk_rows: int
    consumers: int
    seed: int

    def deliveries(self, chunks: Sequence[ChunkRequest]) -> deque[ChunkRequest]:
        """Every chunk once or twice, in any order."""
        order = random.Random(self.seed)
        delivered = [*chunks, *order.sample(chunks, order.randint(0, len(chunks)))]
        order.shuffle(delivered)
        return deque(delivered)


_runs = st.builds(
    Run,
    emails=_emails,
    known_before=st.lists(st.sampled_from(["ada", "BOB", "dee"]), unique=True),
    chunk_rows=st.integers(1, 5),
    consumers=st.sampled_from([1, 2, 4]),
    seed=st.integers(0, 2**16),
)


@pytest.mark.parametrize("mode", ["skip", "update"])
@given(run=_runs)
@_real_database
async def test_any_order_of_deliveries_ends_as_the_file_read_top_to_bottom(
    mode: Mode, run: Run, make_handler: MakeHandler, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    domain = f"@{uuid.uuid4().hex}.example"
    before = _rows(run.known_before, domain, "Before")
    await _deliver(deque([chunk(await add_upload(), before)]) if before else deque(), [make_handler()])
    upload_id = await add_upload(on_duplicate=mode)
    cells = _rows(run.emails, domain, "Row")

    deliveries = run.deliveries(_chunks(upload_id, cells, run.chunk_rows))
    await _deliver(deliveries, [make_handler() for _ in range(run.consumers)])

    expected, fates = _top_to_bottom(before, cells, mode)
    assert await effects.employees(database, domain) == expected
    assert await effects.ledger_counts(database, upload_id) == _counts(fates)
    assert await effects.fates(database, upload_id) == fates
    counted, there = await effects.counted_employees(database)
    assert counted == there


@given(run=_runs)
@_real_database
async def test_reject_mode_turns_away_every_email_that_stood_in_the_file_or_table_before(
    run: Run, make_handler: MakeHandler, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    domain = f"@{uuid.uuid4().hex}.example"
    before = _rows(run.known_before, domain, "Before")
    await _deliver(deque([chunk(await add_upload(), before)]) if before else deque(), [make_handler()])
    upload_id = await add_upload(on_duplicate="reject")
    cells = _rows(run.emails, domain, "Row")

    # A producer sends one chunk at a time in this mode; each may still be delivered twice.
    chunks = _chunks(upload_id, cells, run.chunk_rows)
    await _deliver(deque(each for one in chunks for each in (one, one)), [make_handler()])

    expected, as_skipped = _top_to_bottom(before, cells, "skip")
    fates = {number: "rejected" if fate == "duplicate" else fate for number, fate in as_skipped.items()}
    assert await effects.employees(database, domain) == expected
    assert await effects.ledger_counts(database, upload_id) == _counts(fates)
    assert await effects.fates(database, upload_id) == fates
    assert set((await effects.codes(database, upload_id)).values()) <= {"duplicate_email"}
    assert list(await effects.codes(database, upload_id)) == _repeated(before, cells)


@pytest.mark.parametrize("modes", [("update", "update"), ("skip", "update"), ("update", "skip"), ("skip", "skip")])
async def test_two_uploads_at_once_with_the_same_emails_in_opposite_order_are_both_accounted(
    modes: tuple[Mode, Mode], make_handler: MakeHandler, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    emails = [f"person{number}" for number in range(120)]
    first, second = [await add_upload(on_duplicate=mode) for mode in modes]
    chunks_of_first = _chunks(first, _rows(emails, "@example.com", "First"), 10)
    chunks_of_second = _chunks(second, _rows(emails[::-1], "@example.com", "Second"), 15)

    await asyncio.gather(
        _deliver(deque(chunks_of_first), [make_handler(), make_handler()]),
        _deliver(deque(chunks_of_second), [make_handler(), make_handler()]),
    )

    table = await effects.employees(database)
    assert len(table) == len(emails)
    for upload_id in (first, second):
        counts = await effects.ledger_counts(database, upload_id)
        assert counts.rows == len(emails) == counts.inserted + counts.updated + counts.duplicates
        assert _counts(await effects.fates(database, upload_id)) == counts
    if "update" in modes:
        winner = "Second" if modes[1] == "update" else "First"
        assert {str(employee[0]).split()[0] for employee in table.values()} == {winner}
    counted, there = await effects.counted_employees(database)
    assert counted == there == len(emails)


async def _deliver(deliveries: deque[ChunkRequest], handlers: Sequence[ChunkHandler]) -> None:
    """Each handler takes the next delivery when it is free, as consumers with prefetch 1 do; some of it row by row."""

    async def consume(handler: ChunkHandler) -> None:
        while deliveries:
            await handler.handle(deliveries.popleft(), careful=len(deliveries) % 3 == 2)

    await asyncio.gather(*(consume(handler) for handler in handlers))


def _rows(emails: Sequence[str], domain: str, name: str) -> list[list[str]]:
    """Each row differs from every other in its name, so that the table shows which one won."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    return [
        row(
            email + domain,
            name=f"{name} {letters[number // 26]}{letters[number % 26]}",
            mobile=f"{9876543210 + number}",
        )
        for number, email in enumerate(emails)
    ]


def _chunks(upload_id: uuid.UUID, cells: Sequence[list[str]], size: int) -> list[ChunkRequest]:
    return [chunk(upload_id, cells[start : start + size], first_row=start + 1) for start in range(0, len(cells), size)]


def _top_to_bottom(before: Sequence[list[str]], cells: Sequence[list[str]], mode: Mode) -> tuple[Table, dict[int, str]]:
    """One worker, one row after another: the table, and what became of each row."""
    table: Table = {}
    for cells_before in before:
        table.setdefault(cells_before[KEY].lower(), tuple(cells_before))
    known = set(table)
    stands_as: dict[str, int] = {}
    fates: dict[int, str] = {}
    for number, row_cells in enumerate(cells, 1):
        key = row_cells[KEY].lower()
        fates[number] = "duplicate"
        if mode == "update" or key not in table:
            if key in stands_as:
                fates[stands_as[key]] = "duplicate"
            fates[number] = "updated" if key in known else "inserted"
            table[key] = tuple(row_cells)
            stands_as[key] = number
    return table, fates


def _counts(fates: dict[int, str]) -> Counts:
    of = Counter(fates.values())
    return Counts(len(fates), of["inserted"], of["updated"], of["duplicate"], of["rejected"])


def _repeated(before: Sequence[list[str]], cells: Sequence[list[str]]) -> list[int]:
    """The numbers of the rows whose email was there before them."""
    seen = {each[KEY].lower() for each in before}
    repeated = []
    for number, each in enumerate(cells, 1):
        if each[KEY].lower() in seen:
            repeated.append(number)
        seen.add(each[KEY].lower())
    return repeated
