"""Reads a stored file as chunks that are ready to be sent. It blocks, so it runs in a thread, a chunk at a time."""

from __future__ import annotations

import hashlib
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

import msgspec

from shared.errors import FileCode, FileProblem, RowCode
from shared.messages import (
    NAMING_VERSION,
    OPTIONAL_VERSION,
    PLAIN_VERSION,
    PREVIEW_VERSION,
    ChunkRequest,
    PreviewChunkRequest,
    ReaderFault,
    encode,
    encode_rows,
)
from shared.rows.reader_versions import read_batches, read_records
from shared.rows.record import PlainRows, Record, Skipped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from producer_service.uploads.upload_state import Upload
    from shared.rows.csv_format import CsvFormat
    from shared.rows.record import Batch

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
        self.faults: dict[int, ReaderFault] = {}
        self.fault_messages: dict[int, str] = {}
        self.weight = 0
        self._encoded: list[bytes] = []

    def __len__(self) -> int:
        return len(self.line_numbers)

    def encoded(self) -> msgspec.Raw:
        return msgspec.Raw(b"[" + b",".join(self._encoded) + b"]")

    def is_full(self, at_most: int) -> bool:
        return len(self) >= at_most or self.weight >= CHUNK_WEIGHT

    def add(self, record: Record) -> None:
        if record.fault is not None:
            self.faults[len(self)] = _FAULTS[record.fault]
        if record.message is not None:
            self.fault_messages[len(self)] = record.message
        rows = [record.cells]
        self._append([record.line_number], rows, encode_rows(rows))

    def add_plain(self, batch: PlainRows, at_most: int) -> PlainRows:
        """Add from its beginning until this is full. Returns the rest."""
        count = min(len(batch.rows), at_most - len(self))
        if not count:
            return batch
        rows = batch.rows[:count]
        encoded = encode_rows(rows)
        if self.weight + _weight(rows, encoded) < CHUNK_WEIGHT:
            self._append(batch.line_numbers[:count], rows, encoded)
            return batch.drop(count)
        for index, cells in enumerate(rows):
            self.add(Record(batch.line_numbers[index], cells, None))
            if self.is_full(at_most):
                return batch.drop(index + 1)
        return batch.drop(count)

    def _append(self, line_numbers: Sequence[int], rows: list[list[str]], encoded: bytes) -> None:
        self.weight += _weight(rows, encoded)
        self.line_numbers += line_numbers
        self._encoded.append(encoded)


def _weight(rows: list[list[str]], encoded: bytes) -> int:
    commas = len(rows) - 1
    return len(encoded) - commas + CELL_WEIGHT * sum(map(len, rows)) + ROW_WEIGHT * len(rows)


class _ByWeight:
    """The rows of an upload, cut as reader version 2 says."""

    def __init__(self, batches: Iterator[Batch]) -> None:
        self._batches = batches
        self._rest: PlainRows | None = None

    def fill(self, rows: _Rows, at_most: int) -> None:
        # The row that fills the chunk is part of it: none has to be kept, parsed, for the next one.
        while not rows.is_full(at_most) and (batch := self._next_batch()) is not None:
            if isinstance(batch, Record):
                rows.add(batch)
            else:
                self._rest = rows.add_plain(batch, at_most)

    def pass_over(self, row_count: int) -> Iterator[int]:
        """So many rows, or as many as there are: how many at a time."""
        while row_count > 0 and (batch := self._next_batch()) is not None:
            passed = 1
            if not isinstance(batch, Record):
                passed = min(row_count, len(batch.rows))
                self._rest = batch.drop(passed)
            row_count -= passed
            yield passed

    def _next_batch(self) -> Batch | None:
        rest, self._rest = self._rest, None
        return rest if rest is not None and rest.rows else next(self._batches, None)


class _ByCharacters:
    """The rows of an upload, cut as reader version 1 says."""

    def __init__(self, records: Iterator[Record]) -> None:
        self._records = records
        self._carried_over: Record | None = None

    def fill(self, rows: _Rows, at_most: int) -> None:
        characters = 0
        for record in self._all_records():
            size = len("".join(record.cells))
            if rows and characters + size > CHUNK_CHARACTERS:
                self._carried_over = record
                return
            rows.add(record)
            characters += size
            if len(rows) >= at_most:
                return

    def pass_over(self, row_count: int) -> Iterator[int]:
        for _ in islice(self._all_records(), row_count):
            yield 1

    def _all_records(self) -> Iterator[Record]:
        carried_over = () if self._carried_over is None else (self._carried_over,)
        self._carried_over = None
        return chain(carried_over, self._records)


class ChunkReader:
    """Cuts one upload's file into chunks of at most `chunk_rows` rows, and of the size that the reader version says.

    The borders depend on the file, on `chunk_rows` and on the reader version alone, all stored with the upload, so that
    every reading has the same ones (P3). What is done already is passed over by its number of rows.
    """

    def __init__(self, stream: BinaryIO, upload: Upload) -> None:
        self._stream = _HashedStream(stream)
        self._upload = upload
        self._skipped = Skipped()
        self._cutter = self._cutter_of(upload.csv_format)
        self._problem: FileProblem | None = None
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
        self._bytes_counted += byte_count
        rows_read_before = self.rows_read
        try:
            for passed in self._cutter.pass_over(row_count):
                self.rows_read += passed
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
        if self._problem is None:
            self._fill(rows, self._upload.chunk_rows if at_most is None else min(at_most, self._upload.chunk_rows))
        if self._problem is not None and not rows:
            self._check_unchanged()
            raise self._problem
        if not rows:
            self._check_unchanged()
            return None
        return self._cut(rows)

    def _cutter_of(self, csv_format: CsvFormat) -> _ByWeight | _ByCharacters:
        stream = cast("BinaryIO", self._stream)  # what is read from it is all that readers ask
        if csv_format.reader_version == 1:
            return _ByCharacters(read_records(stream, csv_format, self._skipped))
        return _ByWeight(read_batches(stream, csv_format, self._skipped))

    def _fill(self, rows: _Rows, at_most: int) -> None:
        try:
            self._cutter.fill(rows, at_most)
        except FileProblem as error:
            self._problem = error

    def _cut(self, rows: _Rows) -> FileChunk:
        first_row = self.rows_read + 1
        self.rows_read += len(rows)
        # A reading that passed over rows may stand a block behind the one that counted their bytes.
        byte_count = max(0, self._stream.bytes_read - self._bytes_counted)
        self._bytes_counted += byte_count
        layout = self._upload.csv_format.layout
        parts: dict[str, Any] = {
            "upload_id": self._upload.id,
            "first_row": first_row,
            "layout": layout,
            "reader_version": self._upload.csv_format.reader_version,
            "byte_count": byte_count,
            "line_numbers": rows.line_numbers,
            "rows": rows.encoded(),
            "faults": rows.faults,
            "fault_messages": rows.fault_messages,
        }
        request: ChunkRequest
        if self._upload.preview_id is None:
            request = ChunkRequest(version=_version(self._upload), **parts)
        else:
            version = max(PREVIEW_VERSION, _version(self._upload))
            request = PreviewChunkRequest(version=version, preview_id=self._upload.preview_id, **parts)
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


def _version(upload: Upload) -> int:
    """An older consumer would note nobody whom the rows name, and refuse fields that it does not know."""
    if upload.absent_scope is not None:
        return NAMING_VERSION
    return OPTIONAL_VERSION if upload.csv_format.layout.optional else PLAIN_VERSION


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
