"""How the C library keeps memory that was freed: a service whose requests are large for a moment gives it back."""

from __future__ import annotations

import ctypes
from typing import Final

# Of glibc's malloc.h; another C library has no such function, or knows no such parameter.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
# Above the blocks of a file and of most chunks, which come and go all the time in a producer: to have each mapped anew
# took a fifth of its time.
CHUNKS: Final = 1024 * 1024
# Below them: what many clients send at once is gone at once, and little of it lasts between.
BLOCKS: Final = 64 * 1024


def give_large_blocks_back(large_bytes: int) -> None:
    """For a process that answers requests: what is larger comes from the system by itself, and goes back to it.

    Left alone, glibc takes large blocks from its heap once one was freed, and what is small and lasts between them
    keeps the heap as large as it ever was.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(_M_MMAP_THRESHOLD, large_bytes)
        library.mallopt(_M_TRIM_THRESHOLD, 2 * large_bytes)
        library.mallopt(_M_ARENA_MAX, 2)
