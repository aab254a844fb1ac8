"""Reader version 2: a stream of bytes as the records of an upload; `record_reader` says what a record is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from shared.rows.csv_format import CsvFormat
from shared.rows.fields import KEY_NAME
from shared.rows.record import Batch, Record, Skipped, records_of
from shared.rows.record_parser import Dialect
from shared.rows.record_reader import RecordReader
from shared.rows.text_lines import decoded, line_blocks


def read_records(stream: BinaryIO, csv_format: CsvFormat, skipped: Skipped | None = None) -> Iterator[Record]:
    """Read the rows below the header. Blocking; leaves the stream open. Raises nothing of its own."""
    return records_of(read_batches(stream, csv_format, skipped))


def read_batches(stream: BinaryIO, csv_format: CsvFormat, skipped: Skipped | None = None) -> Iterator[Batch]:
    """The same records, as many at once as one block of the file has."""
    delimiter = csv_format.delimiter
    layout = csv_format.layout
    dialect = Dialect(delimiter, csv_format.backslash_escapes, layout.width, layout.columns.get(KEY_NAME, ()))
    reader = RecordReader(line_blocks(decoded(stream, csv_format.encoding), delimiter), dialect, skipped)
    reader.skip_lines(csv_format.first_row_line - 1)
    return reader.batches()
