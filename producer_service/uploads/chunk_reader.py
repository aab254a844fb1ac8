"""Reads a stored file as chunks that are ready to be sent. It blocks, so it runs in a thread, a chunk at a time."""

from __future__ import annotations

import hashlib
from itertools import chain, islice
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

import msgspec

from shared.errors import FileCode, FileProblem, RowCode
from shared.messages import OPTIONAL_VERSION, PLAIN_VERSION, ChunkRequest, ReaderFault, encode, encode_cells
from shared.rows.reader_versions import read_records
from shared.rows.record import Skipped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from producer_service.uploads.upload_state import Upload
    from shared.rows.record import Record

# All of these belong to a reader version (`shared.rows.csv_format`): others are another version, and these stay for the
# uploads that began by it. By version 1 a chunk has so many characters of cells at most.
CHUNK_CHARACTERS = 1024 * 1024
# By version 2 it ends with the record by which it weighs so much: bytes of the message, and what a consumer holds for
# each cell and row besides.
CHUNK_WEIGHT = 5 * 512 * 1024
CELL_WEIGHT = 32
ROW_WEIGHT = 32
DRAIN_BYTES = 1024 * 1024

_FAULTS: dict[RowCode, ReaderFault] = {
    RowCode.ROW_TOO_LONG: "row_too_long",
    RowCode.MALFORMED_QUOTES: "malformed_quotes",
}


class FileChunk(NamedTuple):
    first_row: int
    row_count: int
    byte_count: int
    body: bytes


class _Rows:
    """The rows of a chunk while it fills, as they will stand in its message: so they weigh what they weigh there."""

    def __init__(self) -> None:
        self.line_numbers: list[int] = []
        self.encoded: list[msgspec.Raw] = []
        self.faults: dict[int, ReaderFault] = {}
        self.fault_messages: dict[int, str] = {}
        self.weight = 0

    def __len__(self) -> int:
        return len(self.encoded)

    def add(self, record: Record) -> None:
        row = encode_cells(record.cells)
        self.weight += len(row) + CELL_WEIGHT * len(record.cells) + ROW_WEIGHT
        if record.fault is not None:
            self.faults[len(self)] = _FAULTS[record.fault]
        if record.message is not None:
            self.fault_messages[len(self)] = record.message
        self.line_numbers.append(record.line_number)
        self.encoded.append(msgspec.Raw(row))


class ChunkReader:
    """Cuts one upload's file into chunks of at most `chunk_rows` rows, and of the size that the reader version says.

    The borders depend on the file, on `chunk_rows` and on the reader version alone, all stored with the upload, so that
    every reading has the same ones (P3). What is done already is passed over by its number of rows.
    """

    def __init__(self, stream: BinaryIO, upload: Upload) -> None:
        self._stream = _HashedStream(stream)
        self._upload = upload
        self._skipped = Skipped()
        self._records = read_records(self._stream, upload.csv_format, self._skipped)  # type: ignore[arg-type]  # it only reads
        self._carried_over: Record | None = None
        self._bytes_counted = 0
        self.rows_read = 0

    @property
    def blank_rows(self) -> int:
        """Rows of empty cells in what was read, which are no rows; the rest of the last block is counted ahead."""
        return self._skipped.blank_rows

    def pass_over(self, row_count: int, byte_count: int) -> int:
        """Read rows that had their effect, in a chunk of so many bytes; returns how many of them the file has.

        Raises `FileProblem` as `next_chunk` does.
        """
        carried_over = () if self._carried_over is None else (self._carried_over,)
        self._carried_over = None
        self._bytes_counted += byte_count
        rows_read_before = self.rows_read
        try:
            for _ in islice(chain(carried_over, self._records), row_count):
                self.rows_read += 1
        except FileProblem:
            self._check_unchanged()
            raise
        found = self.rows_read - rows_read_before
        if found < row_count:
            self._check_unchanged()
        return found

    def next_chunk(self, *, at_most: int | None = None) -> FileChunk | None:
        """The next chunk, of `at_most` so many rows, or None at the end of a file that is what was uploaded.

        Raises `FileProblem`, after a last chunk with the rows before it: `unclosed_quote`, or `file_changed` when
        the bytes read are not those of the upload, whatever else they led to.
        """
        rows = _Rows()
        problem: FileProblem | None = None
        try:
            self._fill(rows, self._upload.chunk_rows if at_most is None else min(at_most, self._upload.chunk_rows))
        except FileProblem as error:
            problem = error
        if problem is not None and rows:
            self._records = _raising(problem)
        elif problem is not None:
            self._check_unchanged()
            raise problem
        if not rows:
            self._check_unchanged()
            return None
        return self._cut(rows)

    def _fill(self, rows: _Rows, at_most: int) -> None:
        if self._upload.csv_format.reader_version == 1:
            self._fill_by_characters(rows, at_most)
            return
        for record in self._records:
            rows.add(record)
            # The record that fills the chunk is part of it: none has to be kept, parsed, for the next one.
            if len(rows) >= at_most or rows.weight >= CHUNK_WEIGHT:
                return

    def _fill_by_characters(self, rows: _Rows, at_most: int) -> None:
        characters = 0
        carried_over = () if self._carried_over is None else (self._carried_over,)
        self._carried_over = None
        for record in chain(carried_over, self._records):
            size = len("".join(record.cells))
            if rows and characters + size > CHUNK_CHARACTERS:
                self._carried_over = record
                return
            rows.add(record)
            characters += size
            if len(rows) >= at_most:
                return

    def _cut(self, rows: _Rows) -> FileChunk:
        first_row = self.rows_read + 1
        self.rows_read += len(rows)
        # A reading that passed over rows may stand a block behind the one that counted their bytes.
        byte_count = max(0, self._stream.bytes_read - self._bytes_counted)
        self._bytes_counted += byte_count
        layout = self._upload.csv_format.layout
        request = ChunkRequest(
            version=OPTIONAL_VERSION if layout.optional else PLAIN_VERSION,
            upload_id=self._upload.id,
            first_row=first_row,
            layout=layout,
            reader_version=self._upload.csv_format.reader_version,
            byte_count=byte_count,
            line_numbers=rows.line_numbers,
            rows=cast("list[list[str]]", rows.encoded),
            faults=rows.faults,
            fault_messages=rows.fault_messages,
        )
        return FileChunk(first_row, len(rows), byte_count, encode(request))

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
