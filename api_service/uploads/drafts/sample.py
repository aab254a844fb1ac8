"""How the first rows of a stored file read under some options: by the reader and rules that they go through later."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache
from typing import Any, BinaryIO, Final, NamedTuple

from sqlalchemy import Row

from api_service.http.pagination import CELL_BYTES, MAX_PAGE_BYTES
from api_service.http.patient_budget import UploadRoom
from api_service.settings import ApiSettings
from api_service.uploads.drafts.stored_text import StoredText
from api_service.uploads.encoding_process import rank_encodings_apart
from api_service.uploads.judgement import JUDGED_WEIGHT, MENDABLE, beside_the_event_loop, hold_head
from api_service.uploads.options import UploadOptions, form_fields, parse_options
from api_service.uploads.unpacking.unpacker import Unpacker, format_options
from api_service.uploads.unpacking.workbooks import Workbooks
from shared.errors import FileCode, FileProblem
from shared.rows.byte_check import ByteCheck
from shared.rows.csv_format import CsvFormat
from shared.rows.employee_row import EmployeeValues, RowFaults
from shared.rows.employee_rows import check_rows
from shared.rows.format_judge import (
    FileEncoding,
    FormatOptions,
    judge_columns_of,
    judge_format,
    known_encoding,
    undecided_format,
)
from shared.rows.reader_versions import read_records
from shared.rows.record import READER_FAULT_MESSAGES, Record
from shared.rows.rules.rule import RowFault
from shared.upload_store import UploadStore

# Rows are looked for no further; before them the file may have as many blank lines as it likes.
_SEARCHED_BYTES: Final = 16 * 1024 * 1024


class SampledRow(NamedTuple):
    """`outcome` is what a consumer would make of the row; None while it is not known which column is what."""

    row_number: int
    line_number: int
    cells: list[str]
    outcome: EmployeeValues | RowFaults | None


class Sample(NamedTuple):
    """`problem` is what a draft with these options would have; `csv_format` is None if not even the cells are known."""

    csv_format: CsvFormat | None
    sheet: str | None
    problem: FileProblem | None
    rows: list[SampledRow]


class _Source(NamedTuple):
    """Where rows are read from, what was seen of the beginning, and the encoding if more than that has shown it."""

    check: ByteCheck
    content: bytes | None
    sheet: str | None
    encoding: FileEncoding | None


class _FarEnough(Exception):
    pass


class Sampler:
    def __init__(self, store: UploadStore, workbooks: Workbooks, settings: ApiSettings, room: UploadRoom) -> None:
        self._store = store
        self._unpacker = Unpacker(store, workbooks, settings)
        self._settings = settings
        self._room = room

    async def sample(self, upload: Row[Any], tried: dict[str, str], *, rows: int) -> Sample:
        """Raises `Problem` and FileProblem for options that no draft could have, `BudgetSpent`, the store's errors."""
        fields = form_fields({**(upload.options or {}), **tried})
        options = parse_options(fields, most_rejects=self._settings.most_rejects)
        text = StoredText(self._store, self._unpacker, upload, options)
        told = format_options(options.format, is_sheet=upload.sheet is not None)
        if _is_stored_question(upload, options):
            return Sample(None, upload.sheet, _stored_problem(upload), [])
        source = await self._source(upload, text, options)
        async with self._room.of(source.check.size).holding(JUDGED_WEIGHT * source.check.head_bytes):
            return await beside_the_event_loop(self._read, upload, source, told, rows)

    async def _source(self, upload: Row[Any], text: StoredText, options: UploadOptions) -> _Source:
        if text.is_other_sheet:
            head = await text.sheet_head()
            return _Source(head.check, head.content, head.name, None)
        check = await text.check_head()
        return _Source(check, None, upload.sheet, _stored_encoding(upload, options))

    def _read(self, upload: Row[Any], source: _Source, options: FormatOptions, rows: int) -> Sample:
        if source.content is None:
            hold_head(source.check, self._store, upload.object_key)
        csv_format, problem = _judged(source, options)
        if csv_format is None:
            return Sample(None, source.sheet, problem, [])
        stream: BinaryIO
        if source.content is not None:
            stream = io.BytesIO(source.content)
        else:
            stream = self._store.open_blocking(upload.object_key)
        with stream:
            records = _first_records(stream, csv_format, rows)
        return Sample(csv_format, source.sheet, problem, _sampled(records, csv_format, is_known=problem is None))


def _is_stored_question(upload: Row[Any], options: UploadOptions) -> bool:
    """Whether the whole file has shown already that this encoding, or none, does not do."""
    problem = upload.problem or {}
    is_asked = problem.get("code") in (FileCode.ENCODING_UNCLEAR, FileCode.WRONG_ENCODING)
    return is_asked and _has_same_encoding(upload, options)


def _stored_problem(upload: Row[Any]) -> FileProblem:
    stored = upload.problem
    more = {name: value for name, value in stored.items() if name not in ("code", "detail", "errors")}
    return FileProblem(FileCode(stored["code"]), stored["detail"], tuple(stored["errors"]), more)


def _stored_encoding(upload: Row[Any], options: UploadOptions) -> FileEncoding | None:
    """The first part of a file may be ASCII where the rest is not, so what all of it has shown goes before."""
    if upload.encoding is None or not _has_same_encoding(upload, options):
        return None
    return FileEncoding(upload.encoding, upload.encoding_guessed)


def _has_same_encoding(upload: Row[Any], options: UploadOptions) -> bool:
    return form_fields(upload.options or {}).get("encoding") == options.format.encoding


def _judged(source: _Source, options: FormatOptions) -> tuple[CsvFormat | None, FileProblem | None]:
    rank = cache(rank_encodings_apart)
    try:
        if source.encoding is None:
            return judge_format(source.check, options, rank=rank), None
        return judge_columns_of(source.check, options, source.encoding), None
    except FileProblem as problem:
        if problem.code not in MENDABLE:
            raise
        encoding = source.encoding or known_encoding(source.check, options, problem, rank)
        return None if encoding is None else undecided_format(source.check, options, encoding), problem


def _first_records(stream: BinaryIO, csv_format: CsvFormat, most: int) -> list[Record]:
    """As many as an answer has room for, and always one if there is one."""
    records: list[Record] = []
    room = MAX_PAGE_BYTES
    try:
        for record in read_records(_Limited(stream), csv_format):  # type: ignore[arg-type]  # it only reads
            room -= sum(len(cell) + CELL_BYTES for cell in record.cells)
            if records and room < 0:
                break
            records.append(record)
            if len(records) == most:
                break
    except _FarEnough:
        pass
    return records


def _sampled(records: list[Record], csv_format: CsvFormat, *, is_known: bool) -> list[SampledRow]:
    return [
        SampledRow(number, record.line_number, record.cells, outcome)
        for number, (record, outcome) in enumerate(
            zip(records, _outcomes(records, csv_format, is_known), strict=True), 1
        )
    ]


def _outcomes(
    records: list[Record], csv_format: CsvFormat, is_known: bool
) -> Iterator[EmployeeValues | RowFaults | None]:
    if not is_known:
        yield from (None for _ in records)
        return
    # What the reader refuses is refused for that alone, as in a consumer.
    checked = check_rows([() if record.fault else record.cells for record in records], csv_format.layout)
    accepted = dict(zip(checked.indices, checked.employees, strict=True))
    refused = dict(checked.faults)
    for index, record in enumerate(records):
        if record.fault is not None:
            message = record.message or READER_FAULT_MESSAGES[record.fault]
            yield [RowFault(record.fault, None, message)]
        else:
            yield accepted[index] if index in accepted else refused[index]


class _Limited:
    """Reads no further than rows are looked for. To end there would look like the end of the file."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._left = _SEARCHED_BYTES

    def read(self, size: int = -1) -> bytes:
        if self._left <= 0:
            raise _FarEnough
        block = self._stream.read(size)
        self._left -= len(block)
        return block
