"""Reads a stored file as chunks that are ready to be sent. It blocks, so it runs in a thread, a chunk at a time."""

from __future__ import annotations

import hashlib
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from shared.errors import FileCode, FileProblem
from shared.messages import ChunkRequest, encode
from shared.rows.csv_reader import read_records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from producer_service.uploads.upload_state import Upload
    from shared.rows.csv_reader import Record

# Counted in characters of the cells. A single record may have a quarter of it.
CHUNK_CHARACTERS = 1024 * 1024
DRAIN_BYTES = 1024 * 1024


class FileChunk(NamedTuple):
    first_row: int
    row_count: int
    byte_count: int
    body: bytes


class ChunkReader:
    """Cuts one upload's file into chunks of at most `chunk_rows` rows or 1 Mi characters.

    The borders depend on the file and on `chunk_rows` alone, so that every reading has the same ones (P3).
    """

    def __init__(self, stream: BinaryIO, upload: Upload) -> None:
        self._stream = _HashedStream(stream)
        self._upload = upload
        self._records = read_records(self._stream, upload.csv_format)  # type: ignore[arg-type]  # it only reads
        self._carried_over: Record | None = None
        self._bytes_counted = 0
        self.rows_read = 0

    def next_chunk(self) -> FileChunk | None:
        """The next chunk, or None at the end of a file that is what was uploaded.

        Raises `FileProblem`, after a last chunk with the rows before it: `unclosed_quote`, or `file_changed` when
        the bytes read are not those of the upload, whatever else they led to.
        """
        records: list[Record] = []
        problem: FileProblem | None = None
        try:
            self._fill(records)
        except FileProblem as error:
            problem = error
        if problem is not None and records:
            self._records = _raising(problem)
        elif problem is not None:
            self._check_unchanged()
            raise problem
        if not records:
            self._check_unchanged()
            return None
        return self._cut(records)

    def _fill(self, records: list[Record]) -> None:
        characters = 0
        carried_over = () if self._carried_over is None else (self._carried_over,)
        self._carried_over = None
        for record in chain(carried_over, self._records):
            size = len("".join(record.cells))
            if records and characters + size > CHUNK_CHARACTERS:
                self._carried_over = record
                return
            records.append(record)
            characters += size
            if len(records) >= self._upload.chunk_rows:
                return

    def _cut(self, records: list[Record]) -> FileChunk:
        first_row = self.rows_read + 1
        self.rows_read += len(records)
        byte_count = self._stream.bytes_read - self._bytes_counted
        self._bytes_counted = self._stream.bytes_read
        request = ChunkRequest(
            upload_id=self._upload.id,
            first_row=first_row,
            layout=self._upload.csv_format.layout,
            byte_count=byte_count,
            line_numbers=[record.line_number for record in records],
            rows=[record.cells for record in records],
            faults={index: "row_too_long" for index, record in enumerate(records) if record.fault is not None},
        )
        return FileChunk(first_row, len(records), byte_count, encode(request))

    def _check_unchanged(self) -> None:
        while self._stream.read(DRAIN_BYTES):
            pass
        if self._stream.hexdigest() != self._upload.sha256:
            raise FileProblem(
                FileCode.FILE_CHANGED,
                "The stored file is not the one that was uploaded: its SHA-256 differs. Rows that were read from it "
                "before this was noticed are accounted for; upload the file again.",
            )


def _raising(problem: FileProblem) -> Iterator[Record]:
    raise problem
    yield


class _HashedStream:
    """Counts and hashes what is read through it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self.bytes_read = 0

    def read(self, size: int = -1) -> bytes:
        block = self._stream.read(size)
        self._hash.update(block)
        self.bytes_read += len(block)
        return block

    def hexdigest(self) -> str:
        return self._hash.hexdigest()
