"""How many lines with non-ASCII bytes an encoding reads, and how many it does not; in constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import compress
from operator import ne
from typing import Final, NamedTuple

# Of a line that goes on and on no more is held at once. Files stream past a vote on UTF-8, many at a time; a vote on
# another encoding is taken of a stored file, and finds a place to cut only where a line has a space or a comma.
_UTF8_PIECE_BYTES: Final = 32 * 1024
_PIECE_BYTES: Final = 1024 * 1024
_UTF8_CHARACTER_BYTES: Final = 4
# Odd lines are kept from the whole file: all of the first, then every second, every fourth and so on.
_MOST_KEPT: Final = 256
_KEPT_BYTES: Final = 512
_REPLACEMENT: Final = "\ufffd"


class OddByte(NamedTuple):
    """The first byte of the file that does not decode: its physical line from 1, and its offset from 0."""

    line_number: int
    offset: int


@dataclass(slots=True)
class LineVote:
    """Fed with every block of the file in order; then `finish`, then read.

    The codec must be one in which a byte below 0x80 that begins a character is ASCII, so that lines can be told before
    they are decoded. A line votes if it has a byte from 0x80 on: `read` counts those that decode, `odd` the others.
    """

    codec: str
    read: int = 0
    odd: int = 0
    first_odd: OddByte | None = None
    odd_lines: list[bytes] = field(default_factory=list)
    _keep_every: int = 1
    _pending: bytes = b""
    # The start of the line that `_pending` goes on with, where pieces of it are judged already, and what they had.
    _pending_start: bytes | None = None
    _pending_is_foreign: bool = False
    _pending_is_odd: bool = False
    _lines_passed: int = 0
    _bytes_passed: int = 0

    @property
    def _is_utf8(self) -> bool:
        return self.codec.startswith("utf-8")

    @property
    def is_lost(self) -> bool:
        return self.odd > self.read

    def update(self, block: bytes) -> None:
        text = self._pending + block
        # A CR at the end may be half a line end.
        until = len(text) - text.endswith(b"\r")
        end = max(text.rfind(b"\n", 0, until), text.rfind(b"\r", 0, until)) + 1
        self._pending = text[end:]
        if end:
            self._judge(text[:end])
        if len(self._pending) > (_UTF8_PIECE_BYTES if self._is_utf8 else _PIECE_BYTES):
            self._judge_piece()

    def finish(self) -> None:
        if self._pending or self._pending_start is not None:
            self._judge(self._pending + b"\n")
            self._pending = b""

    def _judge(self, text: bytes) -> None:
        """Count whole lines."""
        if text.isascii() and not self._pending_is_foreign:
            self._pending_start = None
            self._pass(text)
            return
        odd = self._odd_ones(text)
        lines = text.splitlines()
        foreign = len(lines) - sum(map(bytes.isascii, lines))
        if self._pending_start is not None:
            foreign += self._pending_is_foreign and lines[0].isascii()
            end_is_odd = odd[:1] == lines[:1]
            if end_is_odd or self._pending_is_odd:
                odd[:end_is_odd] = [self._pending_start]
        self._pending_start = None
        self._pending_is_foreign = self._pending_is_odd = False
        self._keep(odd)
        self.odd += len(odd)
        self.read += foreign - len(odd)
        self._pass(text, len(lines))

    def _judge_piece(self) -> None:
        """Judge the beginning of an endless line, and forget it."""
        end = self._piece_end()
        piece, self._pending = self._pending[:end], self._pending[end:]
        if self._pending_start is None:
            self._pending_start = piece[:_KEPT_BYTES]
        self._pending_is_foreign |= not piece.isascii()
        self._pending_is_odd |= bool(self._odd_ones(piece))
        self._bytes_passed += len(piece)

    def _piece_end(self) -> int:
        length = len(self._pending)
        if self._is_utf8:
            # The last character may go on in the next block.
            last = range(length - 1, length - 1 - _UTF8_CHARACTER_BYTES, -1)
            return next((at for at in last if self._pending[at] & 0xC0 != 0x80), length)
        return max(self._pending.rfind(b" "), self._pending.rfind(b",")) + 1 or length

    def _pass(self, text: bytes, line_count: int | None = None) -> None:
        if self.first_odd is None:
            self._lines_passed += _line_ends(text) if line_count is None else line_count
        self._bytes_passed += len(text)

    def _odd_ones(self, lines: bytes) -> list[bytes]:
        try:
            lines.decode(self.codec)
        except UnicodeDecodeError as error:
            if self.first_odd is None:
                line_number = self._lines_passed + _line_ends(lines[: error.start]) + 1
                self.first_odd = OddByte(line_number, self._bytes_passed + error.start)
            return list(self._lines_that_differ(lines))
        return []

    def _lines_that_differ(self, lines: bytes) -> Iterator[bytes]:
        apart = lines.replace(b"\r", b"\n").split(b"\n")
        if self._is_utf8:
            read = lines.decode("utf-8", "ignore").encode().replace(b"\r", b"\n").split(b"\n")
            return compress(apart, map(ne, apart, read))
        text = lines.decode(self.codec, "replace").replace("\r", "\n").split("\n")
        return compress(apart, [_REPLACEMENT in line for line in text])

    def _keep(self, odd: list[bytes]) -> None:
        chosen = odd[-self.odd % self._keep_every :: self._keep_every]
        self.odd_lines += [line[:_KEPT_BYTES] for line in chosen]
        while len(self.odd_lines) > _MOST_KEPT:
            self.odd_lines = self.odd_lines[::2]
            self._keep_every *= 2


def _line_ends(text: bytes) -> int:
    if b"\r" not in text:
        return text.count(b"\n")
    return text.count(b"\n") + text.count(b"\r") - text.count(b"\r\n")
