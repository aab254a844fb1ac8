"""What the ledger had of an upload before this run began, read along with the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.database import ledger

if TYPE_CHECKING:
    import uuid

    from sqlalchemy.ext.asyncio import AsyncEngine

    from shared.database.ledger import LedgerEntry

PAGE_ENTRIES = 1000


class FinishedChunks:
    """Asked for first rows in ascending order, it reads the ledger a page at a time, and never twice.

    An entry that is written later may be missed: its chunk is then sent once more, and found done.
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
