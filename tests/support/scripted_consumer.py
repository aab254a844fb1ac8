"""Stands in for a consumer: as its test says it writes the ledger, answers, does both, or neither."""

from __future__ import annotations

import uuid
from collections import Counter

from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database.ledger import LedgerEntry, insert_entry
from shared.messages import ChunkCounts, ChunkReply, ChunkRequest


class ScriptedConsumer:
    """Counts every row as inserted, but those whose first cell is `bad`; no employee is written."""

    def __init__(self, engine: AsyncEngine, *, writes: bool = True, answers: bool = True, closed: bool = False) -> None:
        self._engine = engine
        self.writes = writes
        self.answers = answers
        self.closed = closed
        self.chunks: list[ChunkRequest] = []

    async def __call__(self, chunk: ChunkRequest) -> ChunkReply | None:
        self.chunks.append(chunk)
        rejected = sum(cells[0] == "bad" for cells in chunk.rows)
        counts = ChunkCounts(
            inserted=len(chunk.rows) - rejected,
            rejected=rejected,
            rejected_by={"missing_value": rejected} if rejected else {},
        )
        if self.writes:
            async with self._engine.begin() as connection:
                entry = LedgerEntry(chunk.first_row, len(chunk.rows), chunk.byte_count, counts)
                await insert_entry(connection, chunk.upload_id, entry, slot=0)
        if not self.answers:
            return None
        return ChunkReply(
            upload_id=chunk.upload_id,
            first_row=chunk.first_row,
            outcome="closed" if self.closed else "done",
            row_count=len(chunk.rows),
            byte_count=chunk.byte_count,
            counts=ChunkCounts() if self.closed else counts,
        )

    def first_rows(self, upload_id: uuid.UUID) -> list[int]:
        """Of the chunks that came for this upload, in order of arrival."""
        return [chunk.first_row for chunk in self.chunks if chunk.upload_id == upload_id]

    def deliveries(self) -> Counter[int]:
        """The number of deliveries of each chunk, by its first row."""
        return Counter(chunk.first_row for chunk in self.chunks)
