"""Where an upload's bytes come from, and the multipart body that they go out in, a block at a time."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Final, cast

# A path, what it holds, a file that is open, or blocks of bytes as they come.
Source = str | os.PathLike[str] | bytes | BinaryIO | Iterable[bytes] | AsyncIterable[bytes]
# Is told the bytes of the file that went out, and how many they will be where that is known.
OnBytes = Callable[[int, int | None], None]

FILE_FIELD: Final = "employee_data"
BLOCK_BYTES: Final = 128 * 1024


class SourceChanged(OSError):
    """The file became shorter while it was sent."""


class UploadSource:
    """One source. `size` is None where nobody knows it; a source `is_repeatable` that can be read once more."""

    def __init__(self, source: Source, filename: str | None = None) -> None:
        self._source: Source = source
        self._start = 0
        self.size: int | None = None
        self.is_repeatable = True
        name: object = None
        if isinstance(source, str | os.PathLike):
            name = os.fspath(source)
            self.size = Path(source).stat().st_size if Path(source).is_file() else None
            self.is_repeatable = self.size is not None
        elif isinstance(source, bytes | bytearray | memoryview):
            self.size = len(source)
        elif hasattr(source, "read"):
            name = getattr(source, "name", None)
            self._look_at_file(cast("BinaryIO", source))
        else:
            self.is_repeatable = False
        self.filename = filename or (Path(name).name if isinstance(name, str) else "") or "employees.csv"

    def _look_at_file(self, file: BinaryIO) -> None:
        try:
            self._start = file.tell()
            self.size = file.seek(0, io.SEEK_END) - self._start
            file.seek(self._start)
        except (OSError, AttributeError, ValueError):
            # A pipe.
            self.size, self.is_repeatable = None, False

    def blocks(self) -> Iterator[bytes]:
        """From the beginning. Raises SourceChanged, TypeError for a source that only asyncio can read."""
        if isinstance(self._source, AsyncIterable):
            raise TypeError("blocks that come asynchronously are for AsyncClient")
        if isinstance(self._source, Iterable) and not isinstance(self._source, str | bytes) and not self._is_file:
            yield from self._source
            return
        with self._opened() as file:
            left = self.size
            while left is None or left > 0:
                block = file.read(BLOCK_BYTES if left is None else min(BLOCK_BYTES, left))
                if not block:
                    break
                left = None if left is None else left - len(block)
                yield block
            if left:
                raise SourceChanged(f"{self.filename} became shorter while it was sent: send it again.")

    async def ablocks(self) -> AsyncIterator[bytes]:
        """As `blocks`; a disk that is slow holds up nobody else."""
        if isinstance(self._source, AsyncIterable):
            async for block in self._source:
                yield block
            return
        blocks = self.blocks()
        while block := await asyncio.to_thread(_next, blocks):
            yield block

    @property
    def _is_file(self) -> bool:
        return hasattr(self._source, "read")

    def _opened(self) -> contextlib.AbstractContextManager[BinaryIO]:
        if isinstance(self._source, str | os.PathLike):
            return Path(self._source).open("rb")
        if isinstance(self._source, bytes | bytearray | memoryview):
            return io.BytesIO(self._source)
        file: BinaryIO = self._source  # type: ignore[assignment]
        if self.is_repeatable:
            file.seek(self._start)
        return contextlib.nullcontext(file)


class FormBody:
    """A multipart form with one file. It can be sent again if its source can be read again."""

    def __init__(self, source: UploadSource, fields: Mapping[str, str], on_bytes: OnBytes | None = None) -> None:
        boundary = uuid.uuid4().hex
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in fields.items()
        ]
        disposition = f'form-data; name="{FILE_FIELD}"; filename="{_quoted(source.filename)}"'
        parts.append(
            f"--{boundary}\r\nContent-Disposition: {disposition}\r\nContent-Type: application/octet-stream\r\n\r\n"
        )
        # A name that the disk has in another encoding than ours is no text.
        self._head = "".join(parts).encode("utf-8", "replace")
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self._source = source
        self._on_bytes = on_bytes
        self.headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        if source.size is not None:
            self.headers["Content-Length"] = str(len(self._head) + source.size + len(self._tail))

    def blocks(self) -> Iterator[bytes]:
        yield self._head
        sent = 0
        for block in self._source.blocks():
            yield block
            sent += len(block)
            self._tell(sent)
        yield self._tail

    async def ablocks(self) -> AsyncIterator[bytes]:
        yield self._head
        sent = 0
        async for block in self._source.ablocks():
            yield block
            sent += len(block)
            self._tell(sent)
        yield self._tail

    def _tell(self, sent: int) -> None:
        if self._on_bytes is not None:
            self._on_bytes(sent, self._source.size)


def _next(blocks: Iterator[bytes]) -> bytes:
    """Nothing at the end; StopIteration cannot leave a thread."""
    return next((block for block in blocks if block), b"")


def _quoted(filename: str) -> str:
    """As browsers write it into the header of a part."""
    return filename.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
