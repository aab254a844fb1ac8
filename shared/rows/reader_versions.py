"""Which reader reads a file: the rules that an upload began with are those that it is finished by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from shared.rows import csv_reader as version_2_and_3
from shared.rows.csv_format import CsvFormat
from shared.rows.record import Batch, Record, Skipped, records_of
from shared.rows.version_1 import csv_reader as version_1


def read_records(stream: BinaryIO, csv_format: CsvFormat, skipped: Skipped | None = None) -> Iterator[Record]:
    """Read the rows after the header by the version that the format names. Blocking; leaves the stream open.

    `skipped` says, as the records are taken, what was passed over; version 1 passes over no row.

    Another version would cut other rows: the ledger's ranges would then be those of a file that nobody uploaded.
    Raises FileProblem, and ValueError for a version that this release does not have.
    """
    return records_of(read_batches(stream, csv_format, skipped))


def read_batches(stream: BinaryIO, csv_format: CsvFormat, skipped: Skipped | None = None) -> Iterator[Batch]:
    """The same records, as many at once as the version gives."""
    if csv_format.reader_version == 1:
        return version_1.read_records(stream, csv_format)
    if csv_format.reader_version in (2, 3):
        return version_2_and_3.read_batches(stream, csv_format, skipped)
    raise _unknown(csv_format)


def _unknown(csv_format: CsvFormat) -> ValueError:
    return ValueError(f"reader version {csv_format.reader_version} is not known here")
