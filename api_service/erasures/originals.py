"""Whether what was sent names people: a workbook, a packed file, or what nobody can read.

A workbook may have more sheets than the one that was read, comments and a history. So its parts are looked through as
text, whatever they are for; a name that is found in one more than there is costs only the original, whose text stays.
"""

from __future__ import annotations

import contextlib
import gzip
import html
import re
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, BinaryIO, Final, cast

from shared.rows.named_people import NamedPeople, folded

if TYPE_CHECKING:
    from collections.abc import Iterable

_BLOCK_BYTES: Final = 256 * 1024
# Longer than any email, however it is marked up.
_OVERLAP: Final = 4096
_GZIP: Final = b"\x1f\x8b"
_ZIP: Final = b"PK"
_tag = re.compile(r"<[^<>]*>")
_ENCODINGS: Final = ("utf-8", "utf-16-le", "utf-16-be")


def original_names(open_original: Callable[[], BinaryIO], people: NamedPeople, sign: str) -> bool:
    """Blocking. What is damaged is taken to name them: it was read once, and nobody can look now."""
    with contextlib.closing(open_original()) as stream:
        beginning = stream.peek(4)[:4] if hasattr(stream, "peek") else b""
        try:
            return any(_names(block, people, sign) for block in _blocks(stream, beginning))
        except (zipfile.BadZipFile, EOFError, zlib.error, gzip.BadGzipFile, RuntimeError, NotImplementedError):
            return True


def _blocks(stream: BinaryIO, beginning: bytes) -> Iterator[bytes]:
    if beginning.startswith(_GZIP):
        with gzip.open(stream) as unpacked:
            yield from _overlapping(cast("IO[bytes]", unpacked))
    elif beginning.startswith(_ZIP):
        with zipfile.ZipFile(_seekable(stream)) as parts:
            for name in parts.namelist():
                yield name.encode()
                with parts.open(name) as part:
                    yield from _overlapping(part)
    else:
        yield from _overlapping(stream)


def _seekable(stream: BinaryIO) -> IO[bytes]:
    """A workbook is no larger than may be held on a disk for a moment; a stored object cannot be sought in."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - it goes with the archive
    while block := stream.read(_BLOCK_BYTES):
        file.write(block)
    file.seek(0)
    return cast("IO[bytes]", file)


def _overlapping(stream: IO[bytes] | BinaryIO) -> Iterator[bytes]:
    tail = b""
    while block := stream.read(_BLOCK_BYTES):
        yield tail + block
        tail = (tail + block)[-_OVERLAP:]


def _names(block: bytes, people: NamedPeople, sign: str) -> bool:
    return any(sign in folded(text) and people.are_named_in(text) for text in _texts(block))


def _texts(block: bytes) -> Iterable[str]:
    """As what an old workbook, an XML part or a text may have written it, also in the midst of a character."""
    for encoding in _ENCODINGS:
        text = block.decode(encoding, "ignore")
        yield text
        if encoding == "utf-8":
            yield html.unescape(_tag.sub("", text))
        else:
            yield block[1:].decode(encoding, "ignore")
