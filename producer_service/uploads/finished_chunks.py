"""Finds the chunks of an upload that an earlier run finished, so that they are not sent again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.database import ledger

if TYPE_CHECKING:
    import uuid

    from sqlalchemy.ext.asyncio import AsyncEngine

    from shared.database.ledger import LedgerEntry

PAGE_ENTRIES = 1000


class FinishedChunks:
    """To be asked for first rows in ascending order: then it reads each page of the ledger once, beside the file.

    It may miss an entry that is written later. That chunk is sent once more, and the consumer finds it done.
    """

    def __init__(self, engine: AsyncEngine, upload_id: uuid.UUID) -> None:
        self._engine = engine
        self._upload_id = upload_id
        self._page: dict[int, LedgerEntry] = {}
        self._read_to = 0
        self._exhausted = False

    async def find(self, first_row: int) -> LedgerEntry | None:
        while first_row > self._read_to and not self._exhausted:
            async with self._engine.connect() as connection:
                entries = await ledger.entries_from(connection, self._upload_id, self._read_to + 1, limit=PAGE_ENTRIES)
            self._page = {entry.first_row: entry for entry in entries}
            self._exhausted = len(entries) < PAGE_ENTRIES
            if entries:
                self._read_to = entries[-1].first_row
        return self._page.get(first_row)
