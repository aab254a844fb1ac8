"""Finds the rows of an upload that an earlier run finished, so that they are not sent again."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from shared.errors import FileCode, FileProblem

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from shared.database.ledger import Ledger, LedgerEntry

PAGE_ENTRIES = 1000


def ledger_mismatch() -> FileProblem:
    return FileProblem(
        FileCode.LEDGER_MISMATCH,
        "What is on record as done of this file is not made of its rows, or has some of them twice, so its counts "
        "cannot be trusted. Upload the file again, with onDuplicate=update; please report this.",
    )


class FinishedChunks:
    """To be asked for rows in ascending order: then it reads each page of the ledger once, beside the file.

    It may miss an entry that is written later. That chunk is sent once more, and the consumer finds it done.
    """

    def __init__(self, engine: AsyncEngine, ledger: Ledger) -> None:
        self._engine = engine
        self._ledger = ledger
        self._page: deque[LedgerEntry] = deque()
        self._read_to = 0
        self._exhausted = False

    async def next_from(self, row_number: int) -> LedgerEntry | None:
        """The first entry at this row or later; one at this row is given once.

        Raises `FileProblem`: an entry begins among rows that are dealt with, so the ledger has them twice.
        """
        if not self._page and not self._exhausted:
            await self._read_page()
        if not self._page:
            return None
        if self._page[0].first_row < row_number:
            raise ledger_mismatch()
        return self._page.popleft() if self._page[0].first_row == row_number else self._page[0]

    async def _read_page(self) -> None:
        async with self._engine.connect() as connection:
            entries = await self._ledger.entries_from(connection, self._read_to + 1, limit=PAGE_ENTRIES)
        self._page.extend(entries)
        self._exhausted = len(entries) < PAGE_ENTRIES
        if entries:
            self._read_to = entries[-1].first_row
