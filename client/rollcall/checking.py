"""What a file would be refused with, found on the spot by the reader and the rules of the service; nothing is sent."""

from __future__ import annotations

import contextlib
import gzip
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from shared.errors import FileCode, FileProblem
from shared.rows.csv_format import CsvFormat
from shared.rows.employee_rows import check_rows
from shared.rows.fields import FIELDS
from shared.rows.format_judge import (
    ByteCheck,
    FormatOptions,
    decode_check,
    judge_format,
    needs_decode_check,
    parse_columns,
    parse_mapping,
)
from shared.rows.reader_versions import read_records
from shared.rows.record import READER_FAULT_MESSAGES, Record

BLOCK_BYTES: Final = 128 * 1024
ROWS_AT_ONCE: Final = 2_000
_GZIP: Final = b"\x1f\x8b"
_WORKBOOKS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a row; `column` counts the file's columns from 1, and is None for the whole row."""

    row_number: int
    line_number: int
    column: int | None
    code: str
    field: str | None
    message: str


class CheckedFile:
    """A file that can be read. `findings` goes through its rows; then `rows` and `refused_rows` say how many."""

    def __init__(self, file: BinaryIO, csv_format: CsvFormat) -> None:
        self._file = file
        self.csv_format = csv_format
        self.rows = 0
        self.refused_rows = 0

    def records(self) -> Iterator[Record]:
        """The rows as the service reads them, from the first."""
        self._file.seek(0)
        return read_records(self._file, self.csv_format)

    def findings(self) -> Iterator[Finding]:
        """In the order of the file, a block of rows in hand. Raises FileProblem unclosed_quote."""
        self.rows = self.refused_rows = 0
        records = self.records()
        while block := list(islice(records, ROWS_AT_ONCE)):
            yield from self._of(block)
            self.rows += len(block)

    def _of(self, block: list[Record]) -> Iterator[Finding]:
        faults: dict[int, Sequence[Any]] = dict(
            check_rows([() if record.fault else record.cells for record in block], self.csv_format.layout).faults
        )
        for at, record in enumerate(block):
            number = self.rows + at + 1
            if record.fault is not None:
                self.refused_rows += 1
                message = record.message or READER_FAULT_MESSAGES[record.fault]
                yield Finding(number, record.line_number, None, str(record.fault), None, message)
            elif at in faults:
                self.refused_rows += 1
                for fault in faults[at]:
                    column = self._column(fault.field)
                    yield Finding(number, record.line_number, column, str(fault.code), fault.field, fault.message)

    def _column(self, field: str | None) -> int | None:
        places = self.csv_format.layout.columns.get(field, ()) if field is not None else ()
        return places[0] + 1 if places else None


@contextlib.contextmanager
def checked_file(source: str | Path | BinaryIO, **options: Any) -> Iterator[CheckedFile]:
    """A path, or a stream that is read once. Options are those of an upload that say how it is read.

    Raises FileProblem, with the code and the words that the service would refuse the file with; OSError.
    """
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(Path(source).open("rb")) if isinstance(source, str | Path) else _kept(source, stack)
        file = _unpacked(file, stack)
        told = _format_options(options)
        check = ByteCheck()
        for block in _blocks(file):
            check.update(block)
        check.finish()
        file.seek(0)
        check.hold_head(file)
        csv_format = judge_format(check, told)
        if needs_decode_check(check, told):
            decode_check(_blocks(file), csv_format.encoding)
        yield CheckedFile(file, csv_format)


def _kept(stream: BinaryIO, stack: contextlib.ExitStack) -> BinaryIO:
    """It is read twice: once to judge how it is read, once for its rows."""
    kept = cast("BinaryIO", stack.enter_context(tempfile.TemporaryFile()))  # noqa: SIM115  # the stack closes it
    shutil.copyfileobj(stream, kept, BLOCK_BYTES)
    return kept


def _unpacked(file: BinaryIO, stack: contextlib.ExitStack) -> BinaryIO:
    file.seek(0)
    head = file.read(8)
    file.seek(0)
    if head.startswith(_GZIP):
        return cast("BinaryIO", stack.enter_context(gzip.GzipFile(fileobj=file)))
    if head.startswith(_WORKBOOKS):
        raise FileProblem(
            FileCode.NOT_CSV,
            "A workbook is read by the service alone: save the sheet as CSV to check it here, or send it with "
            "`rollcall upload --preview`, which imports nothing.",
        )
    return file


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    try:
        while block := file.read(BLOCK_BYTES):
            yield block
    except (EOFError, gzip.BadGzipFile):
        raise FileProblem(FileCode.DAMAGED_FILE, "The compressed file is damaged or cut off: pack it anew.") from None


def _format_options(options: Mapping[str, Any]) -> FormatOptions:
    mapping, columns, optional = options.get("mapping"), options.get("columns"), options.get("optional") or ()
    named = optional.split(",") if isinstance(optional, str) else optional
    names = {name.strip() for name in named}
    return FormatOptions(
        delimiter=options.get("delimiter"),
        encoding=options.get("encoding"),
        header=options.get("header") or "auto",
        mapping=parse_mapping(json.dumps(mapping)) if mapping else None,
        escape=options.get("escape"),
        header_line=options.get("header_line"),
        columns=parse_columns(columns if isinstance(columns, str) else ",".join(columns)) if columns else None,
        optional=tuple(field.name for field in FIELDS if field.name in names),
    )
