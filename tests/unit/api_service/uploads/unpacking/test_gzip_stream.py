"""What gzip holds comes out whole and in bounds, or the file is refused with what happened to it."""

from __future__ import annotations

import gzip
import random
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_service.uploads.unpacking.gzip_stream import ALWAYS_ALLOWED_BYTES, BLOCK_BYTES, LARGEST_RATIO, gunzipped
from shared.errors import FileCode, FileProblem

RANDOM = random.Random(7).randbytes(700_000)


async def blocks_of(content: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def unpacked(packed: bytes, *, size: int = 64 * 1024, most_bytes: int = 1 << 30) -> bytes:
    pieces = [piece async for piece in gunzipped(blocks_of(packed, size), len(packed), most_bytes=most_bytes)]
    assert all(0 < len(piece) <= BLOCK_BYTES for piece in pieces)
    return b"".join(pieces)


@settings(deadline=None, max_examples=60)
@given(
    members=st.lists(st.binary(max_size=300), min_size=1, max_size=4),
    size=st.integers(1, 400),
    filling=st.sampled_from([0, 1, 600]),
)
async def test_members_come_out_one_after_the_other_however_they_are_cut(
    members: list[bytes], size: int, filling: int
) -> None:
    packed = b"".join(map(gzip.compress, members)) + bytes(filling)
    assert await unpacked(packed, size=size) == b"".join(members)


@pytest.mark.parametrize("content", [RANDOM, RANDOM[:1000] * 700, bytes(BLOCK_BYTES), bytes(BLOCK_BYTES) + b"x"])
async def test_more_than_a_block_comes_out_whole(content: bytes) -> None:
    packed = gzip.compress(content) + gzip.compress(RANDOM)
    assert await unpacked(packed) == content + RANDOM


@pytest.mark.parametrize("cut", [1, 8, 9, 300_000])
async def test_file_that_was_cut_off_is_refused(cut: int) -> None:
    with pytest.raises(FileProblem, match="ends too early") as refusal:
        await unpacked(gzip.compress(RANDOM)[:-cut])
    assert refusal.value.code is FileCode.DAMAGED_FILE


async def test_file_that_was_altered_is_refused() -> None:
    packed = bytearray(gzip.compress(RANDOM))
    packed[-5] ^= 1
    with pytest.raises(FileProblem, match="is damaged") as refusal:
        await unpacked(bytes(packed))
    assert refusal.value.code is FileCode.DAMAGED_FILE


@pytest.mark.parametrize("tail", [b"name,email\n", b"\n", b"\0\0x"])
async def test_what_follows_the_end_is_never_dropped_silently(tail: bytes) -> None:
    with pytest.raises(FileProblem, match="Behind the end") as refusal:
        await unpacked(gzip.compress(b"name,email\n") + tail)
    assert refusal.value.code is FileCode.DAMAGED_FILE


async def test_more_than_the_limit_is_refused_before_it_is_unpacked() -> None:
    with pytest.raises(FileProblem, match="more than 500000 bytes") as refusal:
        await unpacked(gzip.compress(RANDOM), most_bytes=500_000)
    assert refusal.value.code is FileCode.TOO_LARGE_UNPACKED


async def test_better_packed_than_any_table_is_refused_and_a_small_file_is_not() -> None:
    assert await unpacked(gzip.compress(bytes(ALWAYS_ALLOWED_BYTES))) == bytes(ALWAYS_ALLOWED_BYTES)
    content = bytes(20 << 20)
    packed = gzip.compress(content)
    assert len(content) > LARGEST_RATIO * len(packed)
    with pytest.raises(FileProblem, match="200 times") as refusal:
        await unpacked(packed)
    assert refusal.value.code is FileCode.TOO_LARGE_UNPACKED
