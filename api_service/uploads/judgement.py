"""Judges how a stored text is to be read, for its upload's row; what options can mend is a part of that for a draft."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any, BinaryIO, Final, NamedTuple, ParamSpec, TypeVar

from sqlalchemy import null

from api_service.http.patient_budget import UploadRoom
from api_service.uploads.encoding_process import rank_encodings_apart
from shared.database.upload_layout import stored_columns, stored_sources
from shared.errors import FileCode, FileProblem
from shared.rows.csv_format import NEWEST_READER_VERSION, CsvFormat
from shared.rows.employee_row import storable
from shared.rows.format_judge import (
    ByteCheck,
    FileEncoding,
    FindColumns,
    FormatOptions,
    decode_check,
    judge_columns,
    judge_format,
    known_encoding,
    needs_decode_check,
)
from shared.upload_store import UploadStore

P = ParamSpec("P")
T = TypeVar("T")

# Large enough that hashing and writing cost little a byte, small enough that the event loop is never held up.
BLOCK_BYTES: Final = 128 * 1024
# What is made of each byte of a file's first part while it is judged: text, lines, cells.
JUDGED_WEIGHT: Final = 16
# Threads of their own: those that wait for the program that ranks encodings are no others' (`asyncio.to_thread`).
_judges: Final = ThreadPoolExecutor(2, thread_name_prefix="judge")
# Nothing is wrong with these files that other options could not mend.
MENDABLE: Final = frozenset(
    {
        FileCode.ENCODING_UNCLEAR,
        FileCode.WRONG_ENCODING,
        FileCode.MISSING_COLUMNS,
        FileCode.AMBIGUOUS_COLUMNS,
        FileCode.UNKNOWN_COLUMN,
        FileCode.UNLIKELY_COLUMNS,
        FileCode.NO_HEADER,
    }
)


class Judged(NamedTuple):
    """How the text is read; or the problem that options can mend, and the encoding as far as that leaves it known."""

    csv_format: CsvFormat | None
    encoding: FileEncoding | None = None
    problem: FileProblem | None = None


async def beside_the_event_loop(judge: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What encoding a file may be takes longer to find out than others should wait, in a thread or for one."""
    call = partial(contextvars.copy_context().run, judge, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(_judges, call)


class FormatJudge:
    def __init__(self, store: UploadStore, room: UploadRoom, find_columns: FindColumns = judge_columns) -> None:
        self._store = store
        self._room = room
        self._find_columns = find_columns

    async def judge(self, key: str, check: ByteCheck, options: FormatOptions, *, is_draft: bool) -> Judged:
        """The text with this key, all of which `check` has seen. Raises FileProblem, of a draft only what it cannot be.

        Raises `BudgetSpent` and the store's errors too. What is long of its head is held only while there is room for
        what is made of it.
        """
        try:
            async with self._room.of(check.size).holding(JUDGED_WEIGHT * check.head_bytes):
                return await beside_the_event_loop(self._judge, key, check, options, is_draft=is_draft)
        finally:
            check.let_head_go()

    def _judge(self, key: str, check: ByteCheck, options: FormatOptions, *, is_draft: bool) -> Judged:
        hold_head(check, self._store, key)
        # What is known only once the columns are in doubt is asked for a second time.
        rank = cache(rank_encodings_apart)
        try:
            csv_format = judge_format(check, options, self._find_columns, rank)
            if needs_decode_check(check, options):
                with self._store.open_blocking(key) as file:
                    decode_check(blocks_of(file), csv_format.encoding)
        except FileProblem as problem:
            # What the head was made into hangs on where the problem was found and what it came of. The problem stays
            # for as long as the store takes to delete the file, say, and has no room.
            problem.__cause__ = problem.__context__ = None
            problem.with_traceback(None)
            if not is_draft or problem.code not in MENDABLE:
                raise problem from None
            return Judged(None, known_encoding(check, options, problem, rank), problem)
        return Judged(csv_format)


def hold_head(check: ByteCheck, store: UploadStore, key: str) -> None:
    """Of a text that was seen: read its head again, where it is long or was let go. It blocks."""
    if not check.holds_head:
        with store.open_blocking(key) as file:
            check.hold_head(file)


def blocks_of(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(BLOCK_BYTES):
        yield block


def format_values(judged: Judged) -> dict[str, Any]:
    """The columns of `uploads` that say how its file is read, and what keeps it from being read."""
    csv_format = judged.csv_format
    if csv_format is None:
        return {
            **_unknown_format(judged.encoding),
            "problem": null() if judged.problem is None else described_problem(judged.problem),
        }
    return {
        "encoding": csv_format.encoding,
        "encoding_guessed": csv_format.encoding_guessed,
        "delimiter": csv_format.delimiter,
        "has_header": csv_format.has_header,
        "columns": storable(csv_format.columns),
        "field_columns": stored_columns(csv_format.layout),
        "reader_version": csv_format.reader_version,
        "backslash_escapes": csv_format.backslash_escapes,
        "header_line": csv_format.header_line,
        "first_row_line": csv_format.first_row_line,
        "preamble": storable(csv_format.preamble),
        "column_sources": stored_sources(csv_format),
        "problem": null(),
    }


def _unknown_format(encoding: FileEncoding | None) -> dict[str, Any]:
    return {
        "encoding": None if encoding is None else encoding.codec,
        "encoding_guessed": encoding is not None and encoding.guessed,
        "delimiter": None,
        "has_header": False,
        "columns": [],
        "field_columns": {},
        "reader_version": NEWEST_READER_VERSION,
        "backslash_escapes": False,
        "header_line": None,
        "first_row_line": 1,
        "preamble": [],
        "column_sources": {},
    }


def described_problem(problem: FileProblem) -> dict[str, Any]:
    """As an upload's `problem` has it."""
    described = {"code": str(problem.code), "detail": problem.detail, "errors": list(problem.errors), **problem.more}
    return {name: storable_json(value) for name, value in described.items()}


def storable_json(value: Any) -> Any:
    """A JSON value as Postgres takes it: it may quote the file or its sender."""
    match value:
        case str():
            return storable([value])[0]
        case dict():
            return {storable_json(key): storable_json(each) for key, each in value.items()}
        case list() | tuple():
            return [storable_json(each) for each in value]
        case _:
            return value
