"""Lines that decode and lines that do not, counted alike however the bytes are cut, in constant memory."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.rows import line_vote
from shared.rows.line_vote import LineVote, OddByte

_sizes = st.lists(st.integers(1, 9), min_size=1, max_size=5).map(tuple)
_pieces = st.sampled_from(
    [b"\n", b"\r", b"\r\n", b"a,", "é".encode(), "日本".encode(), b"\xe9", b"\xff", b"\x81", "\ufffd".encode(), b" "]
)


def vote(content: bytes, codec: str = "utf-8", sizes: tuple[int, ...] = (65536,)) -> LineVote:
    counted = LineVote(codec)
    at = step = 0
    while at < len(content):
        size = sizes[step % len(sizes)]
        counted.update(content[at : at + size])
        at += size
        step += 1
    counted.finish()
    return counted


def decodes(line: bytes, codec: str) -> bool:
    try:
        line.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.lists(_pieces, max_size=30).map(b"".join), _sizes, st.sampled_from(["utf-8", "cp1252", "cp932", "gb18030"]))
def test_every_line_with_a_foreign_byte_votes_by_itself(content: bytes, sizes: tuple[int, ...], codec: str) -> None:
    counted = vote(content, codec, sizes)
    lines = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    foreign = [line for line in lines if not line.isascii()]
    odd = [
        line for line in foreign if not decodes(line, codec) or (codec == "gb18030" and "\ufffd" in line.decode(codec))
    ]
    assert (counted.read, counted.odd) == (len(foreign) - len(odd), len(odd))
    assert counted.odd_lines == odd
    broken = [number for number, line in enumerate(lines, 1) if not decodes(line, codec)]
    assert (counted.first_odd.line_number if counted.first_odd else None) == (broken[0] if broken else None)


@settings(deadline=None, max_examples=300)
@given(st.lists(_pieces, max_size=30).map(b"".join), _sizes)
# It ends where a piece does.
@example(b"\xef\xbf\xbd\x81\x81", (1,))
def test_a_line_that_is_judged_in_pieces_votes_as_a_whole_one(content: bytes, sizes: tuple[int, ...]) -> None:
    whole = vote(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_vote, "_UTF8_PIECE_BYTES", 4)
        pieces = vote(content, sizes=sizes)
    assert (pieces.read, pieces.odd, pieces.first_odd) == (whole.read, whole.odd, whole.first_odd)


def test_the_first_odd_byte_is_named_by_its_line_and_offset() -> None:
    content = "name\r\nZoë\r\n\r\n".encode() + b"Zo\xeb\nZo\xeb\n"
    assert [vote(content, sizes=(size,)).first_odd for size in (1, 7, 99)] == [OddByte(4, 16)] * 3


def test_odd_lines_are_kept_from_the_whole_file_and_not_more_than_a_few() -> None:
    content = b"".join(b"%d \xe9\n" % number for number in range(100_000))
    kept = vote(content).odd_lines
    assert kept == vote(content, sizes=(1000, 37)).odd_lines
    assert 100 < len(kept) <= 256
    numbers = [int(line.split()[0]) for line in kept]
    assert numbers[0] == 0
    assert numbers[-1] > 99_000


@pytest.mark.parametrize("piece", [b"\xe9" * 1000, b"\xe9 " * 500, b"x" * 1000, "é".encode() * 500])
def test_an_endless_line_is_one_line_and_is_not_held(piece: bytes) -> None:
    counted = LineVote("utf-8")
    tracemalloc.start()
    for _ in range(5000):
        counted.update(piece)
    counted.update(b"\n\xe9\n")
    counted.finish()
    # Many files stream past at a time.
    assert tracemalloc.get_traced_memory()[1] < 256 << 10
    tracemalloc.stop()
    foreign = not piece.isascii()
    assert counted.read + counted.odd == 1 + foreign
    assert counted.odd == 1 + (foreign and not decodes(piece, "utf-8"))


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 4097, 65536])
def test_no_character_of_an_endless_line_is_cut(size: int) -> None:
    content = "é日本🙂x".encode() * 20_000
    counted = vote(content + b"\n", sizes=(size,))
    assert (counted.read, counted.odd) == (1, 0)
    counted = vote(content + b"\xff" + content, sizes=(size,))
    assert (counted.read, counted.odd, counted.first_odd) == (0, 1, OddByte(1, len(content)))


@pytest.mark.parametrize("end", [b"x" * 200_000, b"\xe9" * 200_000])
@pytest.mark.parametrize("start", [b"Zo\xeb,", b"Zoe,"])
def test_of_a_long_odd_line_its_start_is_kept(start: bytes, end: bytes) -> None:
    content = b"one\nZo\xeb\n" + start + end + b"\ntwo\n"
    foreign = not (start + end).isascii()
    for size in (4097, 300_000):
        counted = vote(content, sizes=(size,))
        assert counted.odd == 1 + foreign
        assert [line[: len(start)] for line in counted.odd_lines] == [b"Zo\xeb"] + [start] * foreign
