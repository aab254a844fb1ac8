"""Reads an upload's stored file again by the rules of its first reading, some rows at a time, in threads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import islice
from typing import BinaryIO, Final, NamedTuple

from shared.errors import FileProblem
from shared.rows.csv_format import CsvFormat
from shared.rows.reader_versions import read_records
from shared.rows.record import Record
from shared.upload_store import UploadStore

# What is taken at once: so many rows, or a few more characters than these.
BATCH_ROWS: Final = 1000
BATCH_CHARACTERS: Final = 128 * 1024
PASSED_AT_ONCE: Final = 10_000


class ResumePoint(NamedTuple):
    """A row, and the physical line that it begins on: a reading may begin there that came to it without a fault.

    The reader of version 1 has to begin at the top, as every reading may that has line 0.
    """

    row_number: int = 0
    line_number: int = 0


FROM_THE_TOP: Final = ResumePoint()


class StoredRows:
    """The rows that follow `row_number`, in file order. Blocking calls of one reading never run side by side."""

    def __init__(self, stream: BinaryIO, csv_format: CsvFormat, begin: ResumePoint) -> None:
        self._resumes = begin.line_number > 0 and csv_format.reader_version > 1
        if self._resumes:
            csv_format = replace(csv_format, first_row_line=begin.line_number)
        self._records = read_records(stream, csv_format)
        self._is_clean = csv_format.reader_version > 1
        self.row_number = begin.row_number - 1 if self._resumes else 0
        self.resume_point = begin if self._resumes else FROM_THE_TOP

    async def take(self, at_most: int) -> list[Record]:
        """The next rows, or none at the end: so many, or fewer that are large."""
        return await asyncio.to_thread(self._take, min(at_most, BATCH_ROWS))

    async def pass_over(self, row_number: int) -> bool:
        """Go on until the row before this one was read; False: the file ends before it."""
        while self.row_number < row_number - 1:
            if not await asyncio.to_thread(self._pass, min(row_number - 1 - self.row_number, PASSED_AT_ONCE)):
                return False
        return True

    def _take(self, at_most: int) -> list[Record]:
        records: list[Record] = []
        characters = 0
        for record in self._counted(at_most):
            records.append(record)
            characters += sum(map(len, record.cells))
            if characters >= BATCH_CHARACTERS:
                break
        return records

    def _pass(self, count: int) -> bool:
        return sum(1 for _ in self._counted(count)) == count

    def _counted(self, at_most: int) -> Iterator[Record]:
        try:
            for record in islice(self._records, at_most):
                self.row_number += 1
                self._is_clean = self._is_clean and record.fault is None
                if self._is_clean:
                    self.resume_point = ResumePoint(self.row_number, record.line_number)
                yield record
        except FileProblem:
            # There its producer's reading ended, too.
            return


@asynccontextmanager
async def stored_rows(
    store: UploadStore, object_key: str, csv_format: CsvFormat, begin: ResumePoint = FROM_THE_TOP
) -> AsyncIterator[StoredRows]:
    """Raises `ObjectMissing` and `StoreUnavailable`, as reading from it may."""
    stream = await asyncio.to_thread(store.open_blocking, object_key)
    try:
        # To skip lines takes time, too.
        yield await asyncio.to_thread(StoredRows, stream, csv_format, begin)
    finally:
        await asyncio.to_thread(stream.close)
