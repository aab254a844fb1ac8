"""Unpacks gzip as it streams, never further than may be."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from typing import Final

from shared.errors import FileCode, FileProblem

# How many times its size a file may have unpacked. Tables of people are packed to a fifth or a tenth.
LARGEST_RATIO: Final = 200
# So small a file may be packed better.
ALWAYS_ALLOWED_BYTES: Final = 64 * 1024
BLOCK_BYTES: Final = 256 * 1024

_GZIP_WINDOW: Final = 31


async def gunzipped(blocks: AsyncIterator[bytes], packed_bytes: int, *, most_bytes: int) -> AsyncIterator[bytes]:
    """What the members of a gzip file hold, one after the other, in blocks of at most 256 KiB.

    Raises FileProblem: too_large_unpacked as soon as there are more than `most_bytes` or 200 times the file's, and
    damaged_file for what is cut off, altered, or followed by something else than zeros.
    """
    most = min(most_bytes, max(LARGEST_RATIO * packed_bytes, ALWAYS_ALLOWED_BYTES))
    unpacked = 0
    members = 0
    member: zlib._Decompress | None = None
    async for block in blocks:
        packed = block
        may_hold_more = False
        while packed or may_hold_more:
            if member is None:
                # Tapes and some programs fill the last block up.
                packed = packed.lstrip(b"\0") if members else packed
                if not packed:
                    break
                member = zlib.decompressobj(_GZIP_WINDOW)
            try:
                piece = await asyncio.to_thread(member.decompress, packed, BLOCK_BYTES)
            except zlib.error:
                raise _damaged(members) from None
            unpacked += len(piece)
            if unpacked > most:
                raise _too_large(most, most_bytes)
            if piece:
                yield piece
            # Of a block that came out full the rest may wait inside, with nothing left to be put in.
            may_hold_more = len(piece) == BLOCK_BYTES and not member.eof
            packed = member.unused_data if member.eof else member.unconsumed_tail
            if member.eof:
                member = None
                members += 1
    if member is not None and members:
        # Of so few bytes that they may have been the beginning of a member.
        raise _damaged(members)
    if not members:
        raise FileProblem(
            FileCode.DAMAGED_FILE, "The gzip file ends too early: it was cut off on its way. Pack it and send it again."
        )


def _damaged(members: int) -> FileProblem:
    detail = "The gzip file is damaged: what is in it does not unpack. Pack it and send it again."
    if members:
        detail = "Behind the end of what is compressed the gzip file has something else, or is cut off. Pack it anew."
    return FileProblem(FileCode.DAMAGED_FILE, detail)


def _too_large(most: int, most_bytes: int) -> FileProblem:
    reason = f"{most_bytes} bytes" if most == most_bytes else f"{LARGEST_RATIO} times as many bytes as it has now"
    return FileProblem(
        FileCode.TOO_LARGE_UNPACKED,
        f"Unpacked, the file has more than {reason}. Send it in parts, or as it is without compression if it is right.",
    )
