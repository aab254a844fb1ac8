"""What is known of a file after it has streamed past, however its bytes were cut."""

from __future__ import annotations

import io
import re
import tracemalloc

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.rows.byte_check import HEAD_BYTES, LEAST_HEAD_BYTES, ByteCheck
from tests.support.csv_files import check_bytes

_sizes = st.lists(st.integers(1, 7), min_size=1, max_size=5).map(tuple)
_texts = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\0\ufeff"), max_size=60)


def decodes(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


@settings(derandomize=True, deadline=None, max_examples=400)
@given(st.binary(max_size=80) | _texts.map(str.encode), _sizes)
@example(b"", (1,))
@example(b"\xff", (1,))
@example(b"\xc3", (1,))
def test_utf8_is_told_from_other_bytes_in_any_chunking(content: bytes, sizes: tuple[int, ...]) -> None:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return
    check = check_bytes(content, sizes)
    assert (check.size, check.head) == (len(content), content)
    assert (check.decodes, check.is_utf16) == (decodes(content, "utf-8"), False)
    assert check.has_nul == (b"\0" in content)


@settings(derandomize=True, deadline=None, max_examples=400)
@given(st.sampled_from([(b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")]), _texts, st.binary(max_size=3), _sizes)
def test_utf16_is_known_by_its_mark_in_any_chunking(
    mark: tuple[bytes, str], text: str, rest: bytes, sizes: tuple[int, ...]
) -> None:
    content = mark[0] + text.encode(mark[1]) + rest
    check = check_bytes(content, sizes)
    assert check.is_utf16
    assert check.decodes == decodes(content, "utf-16")
    assert check.has_nul or not check.decodes or "\0" not in content.decode("utf-16")


def test_the_zero_bytes_of_utf16_are_no_nuls() -> None:
    assert not check_bytes("name".encode("utf-16")).has_nul
    assert check_bytes("na\0me".encode("utf-16")).has_nul


@pytest.mark.parametrize("block_size", [1000, HEAD_BYTES - 1, HEAD_BYTES, HEAD_BYTES + 1, 1_000_000])
def test_the_head_is_the_first_part_whatever_the_blocks(block_size: int) -> None:
    content = b"x" * HEAD_BYTES * 2
    check = check_bytes(content, (block_size,))
    assert check.head == content[:HEAD_BYTES]
    assert not check.head_is_whole
    assert check_bytes(content[:HEAD_BYTES], (block_size,)).head_is_whole


def test_a_bad_byte_and_a_nul_are_noticed_beyond_the_head() -> None:
    content = b"x" * 2 * HEAD_BYTES
    assert check_bytes(content).decodes
    assert not check_bytes(content + b"\xe9").decodes
    assert check_bytes(content + b"\0").has_nul
    assert check_bytes(content + b"\xe9 \0").has_nul


def test_of_a_file_of_short_lines_less_is_kept() -> None:
    content = b"a,b,c\r\n" * 200_000
    for block_size in (1000, 1_000_000):
        check = check_bytes(content, (block_size,))
        assert check.head == content[:LEAST_HEAD_BYTES]
        assert not check.head_is_whole


def test_of_long_lines_so_much_is_kept_that_rows_come_after_them() -> None:
    content = (b"x" * 30_000 + b"\n") * 60
    assert check_bytes(content).head == content[: 20 * 30_001 + 64 * 1024]


def test_memory_does_not_grow_with_the_file() -> None:
    check = ByteCheck()
    block = "Zoë,\n".encode() * 5_000
    check.update(block)
    tracemalloc.start()
    for _ in range(200):
        check.update(block)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert check.size == 201 * len(block)
    # Of lines as short as these each is an object of its own for a moment.
    assert peak < 20 * len(block)


@pytest.mark.parametrize("line", [b"a,b\n", b"x" * 300_000 + b"\r\n"], ids=["short lines", "long lines"])
@pytest.mark.parametrize("size", [1000, 3 * 1024 * 1024], ids=["small", "large"])
def test_no_more_than_the_least_is_held_of_a_head_but_while_it_is_judged(line: bytes, size: int) -> None:
    content = (line * (size // len(line) + 1))[:size]
    check = ByteCheck()
    for begin in range(0, size, 50_001):
        check.update(content[begin : begin + 50_001])
        assert len(check._head) <= LEAST_HEAD_BYTES  # what it takes of memory is the point
    check.finish()
    seen = (check.head_is_whole, check.head_bytes)
    assert seen[0] == (size == seen[1])

    assert check.start == content[:LEAST_HEAD_BYTES]
    assert check.holds_head == (seen[1] <= LEAST_HEAD_BYTES)
    for _ in range(2):
        check.hold_head(io.BytesIO(content))
        assert check.holds_head
        assert check.head == content[: seen[1]]
        check.let_head_go()
        assert not check.holds_head
        with pytest.raises(RuntimeError):
            assert check.head
    assert (check.head_is_whole, check.head_bytes) == seen


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_mark_is_known_of_a_head_that_was_let_go(mark: bytes) -> None:
    check = check_bytes(mark + b"a,b\n")
    check.let_head_go()
    assert check.has_utf8_mark == bool(mark)
    assert len(check._head) <= 3


@pytest.mark.slow
@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"x" * 9_000]), min_size=60, max_size=90), _sizes)
def test_head_is_as_long_whatever_the_blocks(pieces: list[bytes], sizes: tuple[int, ...]) -> None:
    content = b"".join(pieces) + b"x" * 300_000
    one = check_bytes(content, (len(content),))
    assert check_bytes(content, tuple(size * 1_000 for size in sizes)).head_bytes == one.head_bytes
    ends = [found.end() for found in re.finditer(rb"\r\n|\r|\n", content)]
    until = ends[19] if len(ends) >= 20 else len(content)
    assert one.head_bytes == min(max(LEAST_HEAD_BYTES, until + 64 * 1024), len(content))
