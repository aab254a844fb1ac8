"""What is seen of a file while it streams past: its size, its first part, whether it decodes, whether it has NULs."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO, Final

from shared.rows.line_vote import LineVote

# A header of 1 MiB, titles above it, and rows enough to see what its columns hold. A file whose first lines are as long
# is judged by so much, others by less. No more than the least is held while a file streams, since many may be on their
# way at once: what is longer is read again for the judgement.
HEAD_BYTES: Final = (1024 + 128) * 1024
LEAST_HEAD_BYTES: Final = 128 * 1024
_ROWS_BYTES: Final = 64 * 1024
_FIRST_LINES: Final = 20
# What is made of so few bytes need not be asked of the system anew each time (`shared.service.allocator`).
_VOTE_BYTES: Final = 32 * 1024
_line_end = re.compile(rb"\r\n|\r|\n")

_UTF16_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(slots=True)
class ByteCheck:
    """Fed with every block of the file in order, in blocks of any size; then `finish`, then judged.

    Memory is that of one decoded block, `LEAST_HEAD_BYTES` and some odd lines. Whoever judges by the head holds it
    first. `decodes` speaks of UTF-16 if the file starts with its byte order mark, else of UTF-8, of which `vote` says
    more; they and `has_nul` hold only after `finish`.
    """

    size: int = 0
    has_nul: bool = False
    is_utf16: bool = False
    # A byte order mark makes the first line one that is read.
    vote: LineVote = field(default_factory=lambda: LineVote("utf-8"))
    head_bytes: int = 0  # how long the head is, held or not
    _head: bytearray = field(default_factory=bytearray)
    _line_ends: int = 0  # of the first lines
    _first_lines_bytes: int = 0
    _ends_with_cr: bool = False  # which may be half a line end
    _is_known: bool = False
    _utf16_decoder: codecs.IncrementalDecoder | None = None
    _is_broken_utf16: bool = False

    @property
    def head(self) -> bytes:
        """The first part of the file: its first lines and 64 KiB more, but no more than `HEAD_BYTES`.

        Raises RuntimeError where it is long and was not held: to judge by the start of it would be wrong.
        """
        if len(self._head) < self.head_bytes:
            raise RuntimeError("the head of this file is judged by, and was not held")
        return bytes(self._head)

    @property
    def holds_head(self) -> bool:
        return len(self._head) >= self.head_bytes

    @property
    def start(self) -> bytes:
        """What is held of the head from the beginning: `LEAST_HEAD_BYTES` of it, or all."""
        return bytes(self._head[:LEAST_HEAD_BYTES])

    @property
    def head_is_whole(self) -> bool:
        return self.size == self.head_bytes

    def hold_head(self, file: BinaryIO) -> None:
        """Read all of it, from the start of the file that was seen."""
        self._head = bytearray(file.read(self.head_bytes))

    def let_head_go(self) -> None:
        """When all was seen: of the head nothing but a mark is held, until it is held again to judge by it."""
        self._head = self._head[: len(codecs.BOM_UTF8)]

    @property
    def decodes(self) -> bool:
        return not self._is_broken_utf16 if self.is_utf16 else self.vote.odd == 0

    @property
    def has_utf8_mark(self) -> bool:
        return self._head.startswith(codecs.BOM_UTF8)

    def update(self, block: bytes) -> None:
        before = self.size
        self.size += len(block)
        if before == self.head_bytes:
            self._keep(block[: HEAD_BYTES - before])
        if self._is_known:
            self._look_at(block)
        elif self.size >= len(codecs.BOM_UTF16_LE):
            # So far there was one byte at most: it waited in the head for the second half of a byte order mark.
            self._know_utf16()
            self._look_at(bytes(self._head[:before]) + block)

    def finish(self) -> None:
        if not self._is_known:
            self._know_utf16()
            self._look_at(self.start)
        if self.is_utf16:
            self._decode_utf16(b"", final=True)
        else:
            self.vote.finish()

    def _keep(self, block: bytes) -> None:
        if len(self._head) < LEAST_HEAD_BYTES:
            self._head += block[: LEAST_HEAD_BYTES - len(self._head)]
        self._seek_first_lines(block)
        self.head_bytes += len(block)
        if self._line_ends == _FIRST_LINES:
            self.head_bytes = min(self.head_bytes, max(LEAST_HEAD_BYTES, self._first_lines_bytes + _ROWS_BYTES))

    def _seek_first_lines(self, block: bytes) -> None:
        text = b"\r" + block if self._ends_with_cr else block
        begin = self.head_bytes - self._ends_with_cr
        self._ends_with_cr = text.endswith(b"\r")
        until = len(text) - self._ends_with_cr
        for found in islice(_line_end.finditer(text, 0, until), _FIRST_LINES - self._line_ends):
            self._line_ends += 1
            self._first_lines_bytes = begin + found.end()

    def _know_utf16(self) -> None:
        self._is_known = True
        self.is_utf16 = self._head.startswith(_UTF16_MARKS)
        if self.is_utf16:
            self._utf16_decoder = codecs.getincrementaldecoder("utf-16")()

    def _look_at(self, block: bytes) -> None:
        # In UTF-16 every other byte of English is zero, so there only the decoded character counts.
        if self.is_utf16:
            self._decode_utf16(block)
            return
        if b"\0" in block:
            self.has_nul = True
        for start in range(0, len(block), _VOTE_BYTES):
            self.vote.update(block[start : start + _VOTE_BYTES])

    def _decode_utf16(self, block: bytes, *, final: bool = False) -> None:
        if self._is_broken_utf16 or self._utf16_decoder is None:
            return
        try:
            text = self._utf16_decoder.decode(block, final)
        except UnicodeDecodeError:
            self._is_broken_utf16 = True
        else:
            if "\0" in text:
                self.has_nul = True
