"""The memory of a producer for chunks: one that is cut needs some, and holds what it weighs until it is answered."""

from __future__ import annotations

from typing import Final

from shared.service.byte_budget import ByteBudget

MEBIBYTE: Final = 1024 * 1024

# A chunk that is cut stands there as rows and as a message, each of which can be half as large again as a chunk should
# be, for the record that filled it.
CUT_BYTES: Final = 8 * MEBIBYTE
ROOM_BYTES: Final = 20 * MEBIBYTE
# Small files have room of their own, so that none waits for large ones. A message can be some times its part of a file.
SMALL_FILE_BYTES: Final = 64 * 1024
SMALL_ROOM_BYTES: Final = 4 * MEBIBYTE


class ChunkRoom:
    """Of one producer. There is no end to waiting: chunks that are out are answered some time, and give room."""

    def __init__(self, room_bytes: int = ROOM_BYTES) -> None:
        self._large = ByteBudget(room_bytes, longest_line=1_000_000, wait_seconds=None)
        self._small = ByteBudget(SMALL_ROOM_BYTES, longest_line=1_000_000, wait_seconds=None)

    def of_file(self, byte_count: int) -> FileRoom:
        if byte_count <= SMALL_FILE_BYTES:
            return FileRoom(self._small, 8 * SMALL_FILE_BYTES)
        return FileRoom(self._large, CUT_BYTES)


class FileRoom:
    """The part of the room that one upload has. Every `take` is answered by giving all of it back."""

    def __init__(self, budget: ByteBudget, cut_bytes: int) -> None:
        self._budget = budget
        self._cut_bytes = cut_bytes

    async def take(self) -> int:
        """For one chunk, before it is cut; so many bytes are to be given back."""
        return await self._budget.take(self._cut_bytes)

    def give_back(self, size: int) -> None:
        self._budget.give_back(size)
