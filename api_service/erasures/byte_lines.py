"""The physical lines of a stored text as bytes, of which those that are to be masked are rewritten, and no other byte.

Lines are counted as the readers count them. Where line ends can be seen in the bytes themselves, nothing else of the
text is decoded: what no encoding can read stays what it is.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO, Final, NamedTuple

_BLOCK_BYTES: Final = 64 * 1024
# Of a line without an end no more is held at a time.
_LONGEST_PIECE: Final = 1024 * 1024
_LINE_END: Final = "\r\n"
_MARKS: Final = {
    "utf-8-sig": ((codecs.BOM_UTF8, "utf-8"), (b"", "utf-8")),
    "utf-16": ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"), (b"", "utf-16-le")),
    "utf-32": ((codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"), (b"", "utf-32-le")),
}


class Line(NamedTuple):
    """A physical line with its end, or a piece of one that is very long; `number` is the line's."""

    number: int
    content: bytes


class ByteLines:
    """Of one text. `mark` is its byte order mark, which is no part of its first line."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self._stream = stream
        self.mark = b""
        name = codecs.lookup(encoding).name
        beginning = stream.read(4)
        for mark, codec in _MARKS.get(name, ((b"", name),)):
            if beginning.startswith(mark):
                self.mark, self._codec = mark, codec
                break
        self._beginning = beginning[len(self.mark) :]
        self._shows_line_ends = _LINE_END.encode(self._codec) == b"\r\n"
        self._errors = "surrogatepass" if self._codec.startswith(("utf-16", "utf-32")) else "surrogateescape"

    def __iter__(self) -> Iterator[Line]:
        pieces = self._pieces() if self._shows_line_ends else self._decoded_pieces()
        number = 1
        for content in pieces:
            yield Line(number, content)
            number += self._ends_a_line(content)

    def decode(self, line: Line) -> str:
        return line.content.decode(self._codec, "replace")

    def encode(self, text: str) -> bytes:
        return text.encode(self._codec, "replace")

    def _ends_a_line(self, content: bytes) -> bool:
        if self._shows_line_ends:
            return content.endswith((b"\n", b"\r"))
        return self.decode(Line(0, content)).endswith(("\n", "\r"))

    def _blocks(self) -> Iterator[bytes]:
        yield self._beginning
        while block := self._stream.read(_BLOCK_BYTES):
            yield block

    def _pieces(self) -> Iterator[bytes]:
        tail = b""
        for block in self._blocks():
            lines = (tail + block).splitlines(keepends=True)
            # A CR at the end may be half of a line end.
            tail = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
            yield from lines
            if len(tail) > _LONGEST_PIECE:
                yield tail[:-1]
                tail = tail[-1:]
        yield from tail.splitlines(keepends=True)

    def _decoded_pieces(self) -> Iterator[bytes]:
        decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(self._codec)(self._errors), translate=False)
        tail = ""
        for block in chain(filter(None, self._blocks()), [b""]):
            text = tail + decoder.decode(block, final=not block)
            lines = list(io.StringIO(text, newline=""))
            tail = lines.pop() if lines and lines[-1][-1] not in _LINE_END and block else ""
            yield from (line.encode(self._codec, self._errors) for line in lines)
            if len(tail) > _LONGEST_PIECE:
                yield tail.encode(self._codec, self._errors)
                tail = ""
