"""Keeps the chunks of one upload that are sent and not answered, and adds up the answers."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING

from producer_service.uploads.upload_state import Progress
from shared.messages import ChunkCounts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from producer_service.uploads.chunk_reader import FileChunk
    from producer_service.uploads.chunk_room import FileRoom
    from producer_service.uploads.send_window import WindowShare
    from shared.database.ledger import LedgerEntry


class PendingChunks:
    """Each chunk is added once and settled once, however many replies and ledger entries tell of it."""

    def __init__(self, share: WindowShare, room: FileRoom, *, republish_seconds: float) -> None:
        self._share = share
        self._room = room
        # Memory that is taken for the chunk which is being cut, and held for those that wait for their answers.
        self._taken = 0
        self._held: dict[int, int] = {}
        self._republish_seconds = republish_seconds
        self._chunks: dict[int, FileChunk] = {}
        self._due: dict[int, float] = {}
        self._answer_seconds: dict[int, float] = {}
        self._empty = asyncio.Event()
        self._empty.set()
        self._bytes_done = 0
        self._counts: Counter[str] = Counter()
        self._rejected_by: Counter[str] = Counter()
        self.last_answer = time.monotonic()
        # Set once an answer is about another number of rows than was sent: the ledger has other borders than this run.
        self.borders_differ = False

    async def wait_for_room(self) -> None:
        """Wait for a place in the send window and for memory, for the next `add` or to be left by `leave_room`."""
        await self._share.acquire()
        try:
            self._taken = await self._room.take()
        except BaseException:
            self._share.release()
            raise

    def keep_room_for(self, chunk: FileChunk) -> None:
        """Give back what was needed only to cut it."""
        kept = min(self._taken, len(chunk.body))
        self._room.give_back(self._taken - kept)
        self._taken = kept

    def leave_room(self) -> None:
        self._room.give_back(self._taken)
        self._taken = 0
        self._share.release()

    def add(self, chunk: FileChunk) -> None:
        self._held[chunk.first_row], self._taken = self._taken, 0
        self._chunks[chunk.first_row] = chunk
        self._answer_seconds[chunk.first_row] = self._republish_seconds
        self._empty.clear()

    def sent(self, first_row: int) -> None:
        """The broker has the chunk, so its time to be answered begins."""
        if first_row in self._chunks:
            self._due[first_row] = time.monotonic() + self._answer_seconds[first_row]

    def settle(self, first_row: int, row_count: int, byte_count: int, counts: ChunkCounts) -> bool:
        """False for a chunk that was settled before, or never sent by us, or not of these rows."""
        self.last_answer = time.monotonic()
        chunk = self._chunks.get(first_row)
        if chunk is None:
            return False
        if chunk.row_count != row_count:
            self.borders_differ = True
            return False
        del self._chunks[first_row]
        self._due.pop(first_row, None)
        self._answer_seconds.pop(first_row, None)
        self.count(byte_count, counts)
        self._room.give_back(self._held.pop(first_row))
        self._share.release()
        if not self._chunks:
            self._empty.set()
        return True

    def count(self, byte_count: int, counts: ChunkCounts) -> None:
        """Add a chunk to the progress; also one that an earlier run finished."""
        self._bytes_done += byte_count
        self._counts.update(
            inserted=counts.inserted, updated=counts.updated, duplicates=counts.duplicates, rejected=counts.rejected
        )
        self._rejected_by.update(counts.rejected_by)

    @property
    def rejected(self) -> int:
        """Of the chunks that were settled, or finished by an earlier run."""
        return self._counts["rejected"]

    def settle_all(self, entries: Iterable[LedgerEntry]) -> int:
        return sum(self.settle(entry.first_row, entry.row_count, entry.byte_count, entry.counts) for entry in entries)

    def overdue(self) -> list[FileChunk]:
        """Chunks to be sent again. Each may then take twice as long until it is overdue once more."""
        now = time.monotonic()
        late = [first_row for first_row, due in self._due.items() if due <= now]
        for first_row in late:
            self._answer_seconds[first_row] *= 2
            del self._due[first_row]
        return [self._chunks[first_row] for first_row in late]

    def make_all_overdue(self) -> None:
        """Chunks that were sent and are not settled are to be sent again now."""
        self._due = dict.fromkeys(self._due, time.monotonic())

    def first_rows(self) -> list[int]:
        return list(self._chunks)

    def is_waiting_for(self, first_row: int) -> bool:
        return first_row in self._chunks

    def abandon(self) -> None:
        """Wait for no answer any more, because the upload is to end early or this run of it ends."""
        for _ in range(len(self._chunks)):
            self._share.release()
        self._room.give_back(sum(self._held.values()))
        self._held.clear()
        self._chunks.clear()
        self._due.clear()
        self._answer_seconds.clear()
        self._empty.set()

    async def wait_until_empty(self) -> None:
        await self._empty.wait()

    def progress(self, rows_read: int, blank_rows: int | None = None) -> Progress:
        counts = ChunkCounts(**self._counts, rejected_by=dict(self._rejected_by))
        return Progress(rows_read, self._bytes_done, counts, blank_rows)
