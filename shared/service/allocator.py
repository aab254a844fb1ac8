"""How the C library keeps memory that was freed: a service whose requests are large for a moment gives it back."""

from __future__ import annotations

import ctypes
from typing import Final

# Of glibc's malloc.h; another C library has no such function, or knows no such parameter.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
# Above the blocks of a file and of most chunks, which come and go all the time: to have each mapped anew took a fifth
# of the producer's time, and as much of the API's while an upload comes in.
_LARGE_BYTES: Final = 1024 * 1024


def give_large_blocks_back() -> None:
    """For a process that answers requests. Left alone, glibc takes large blocks from its heap once one was freed, and
    what is small and lasts between them keeps the heap as large as it ever was."""
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        library.mallopt(_M_TRIM_THRESHOLD, 2 * _LARGE_BYTES)
        library.mallopt(_M_ARENA_MAX, 2)
