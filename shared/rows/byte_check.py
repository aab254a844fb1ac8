"""What is seen of a file while it streams past: its size, its first part, whether it decodes, whether it has NULs."""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field
from typing import Final

HEAD_BYTES: Final = 64 * 1024

_UTF16_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(slots=True)
class ByteCheck:
    """Fed with every block of the file in order, in blocks of any size; then `finish`, then judged.

    Memory is that of one decoded block and the head. `decodes` speaks of UTF-16 if the file starts with its byte
    order mark, else of UTF-8; it and `has_nul` hold only after `finish`.
    """

    size: int = 0
    decodes: bool = True
    has_nul: bool = False
    is_utf16: bool = False
    _head: bytearray = field(default_factory=bytearray)
    _decoder: codecs.IncrementalDecoder | None = None

    @property
    def head(self) -> bytes:
        """The first 64 KiB of the file."""
        return bytes(self._head)

    @property
    def head_is_whole(self) -> bool:
        return self.size <= HEAD_BYTES

    def update(self, block: bytes) -> None:
        before = self.size
        self.size += len(block)
        if before < HEAD_BYTES:
            self._head += block[: HEAD_BYTES - before]
        if self._decoder is not None:
            self._decode(block)
        elif self.size >= len(codecs.BOM_UTF16_LE):
            # So far there was one byte at most: it waited in the head for the second half of a byte order mark.
            self._choose_decoder()
            self._decode(bytes(self._head[:before]) + block)

    def finish(self) -> None:
        if self._decoder is None:
            self._choose_decoder()
            self._decode(self.head)
        self._decode(b"", final=True)

    def _choose_decoder(self) -> None:
        self.is_utf16 = self._head.startswith(_UTF16_MARKS)
        self._decoder = codecs.getincrementaldecoder("utf-16" if self.is_utf16 else "utf-8")()

    def _decode(self, block: bytes, *, final: bool = False) -> None:
        # In UTF-16 every other byte of English is zero, so there only the decoded character counts.
        if not self.is_utf16 and b"\0" in block:
            self.has_nul = True
        if not self.decodes or self._decoder is None:
            return
        try:
            text = self._decoder.decode(block, final)
        except UnicodeDecodeError:
            self.decodes = False
        else:
            if self.is_utf16 and "\0" in text:
                self.has_nul = True
