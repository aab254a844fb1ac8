"""Rows that the ledger has are found a page at a time, beside the file."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from producer_service.uploads import finished_chunks
from producer_service.uploads.finished_chunks import FinishedChunks
from shared.database.ledger import LedgerEntry, insert_entry, ledger_of
from shared.errors import FileCode, FileProblem
from shared.messages import ChunkCounts
from tests.integration.producer_service.conftest import AddUpload

COUNTS = ChunkCounts(inserted=1, rejected=1, rejected_by={"missing_value": 1})


@pytest.mark.parametrize("known", [[], [1], [3, 5], list(range(1, 21, 2)), [1, 3, 17, 19], [7, 9, 11]])
async def test_each_chunk_of_a_file_is_found_if_the_ledger_has_it(
    known: list[int], engine: AsyncEngine, add_upload: AddUpload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finished_chunks, "PAGE_ENTRIES", 3)
    upload_id, other = await add_upload(), await add_upload()
    await _write(engine, upload_id, known)
    await _write(engine, other, range(1, 40))
    chunks = FinishedChunks(engine, ledger_of(upload_id))

    for first_row in range(1, 21, 2):
        following = next((row for row in known if row >= first_row), None)
        expected = None if following is None else LedgerEntry(following, 2, 10, COUNTS)
        assert await chunks.next_from(first_row) == expected


@pytest.mark.fault(32)
async def test_rows_that_the_ledger_has_twice_are_noticed(engine: AsyncEngine, add_upload: AddUpload) -> None:
    upload_id = await add_upload()
    await _write(engine, upload_id, [1, 2])
    chunks = FinishedChunks(engine, ledger_of(upload_id))
    assert await chunks.next_from(1) is not None

    with pytest.raises(FileProblem) as raised:
        await chunks.next_from(3)

    assert raised.value.code is FileCode.LEDGER_MISMATCH


async def test_ledger_is_read_a_page_at_a_time_and_never_twice(
    engine: AsyncEngine, add_upload: AddUpload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finished_chunks, "PAGE_ENTRIES", 3)
    upload_id = await add_upload()
    await _write(engine, upload_id, range(1, 15, 2))
    statements: list[str] = []
    event.listen(engine.sync_engine, "before_cursor_execute", lambda *arguments: statements.append(str(arguments[2])))
    chunks = FinishedChunks(engine, ledger_of(upload_id))

    for first_row in range(1, 41, 2):
        await chunks.next_from(first_row)

    # Three, three, and one that is the last because it is no full page.
    assert len(statements) == 3


async def _write(engine: AsyncEngine, upload_id: uuid.UUID, first_rows: Iterable[int]) -> None:
    async with engine.begin() as connection:
        for first_row in first_rows:
            await insert_entry(connection, upload_id, LedgerEntry(first_row, 2, 10, COUNTS), slot=0)
