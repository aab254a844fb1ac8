"""How a file is to be read, judged from its first part and what was seen of the rest."""

from __future__ import annotations

import codecs
import contextlib
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Final

from shared.errors import FileCode, FileProblem
from shared.rows.byte_check import HEAD_BYTES, ByteCheck
from shared.rows.column_options import parse_columns, parse_mapping
from shared.rows.column_problems import empty_file
from shared.rows.columns import layout_of_sources
from shared.rows.csv_format import OPTIONAL_READER_VERSION, PLAIN_READER_VERSION, CsvFormat
from shared.rows.delimiters import DELIMITERS, parse_delimiter
from shared.rows.encoding_guess import RankEncodings, Reading, rank_encodings
from shared.rows.file_columns import ColumnsFound, judge_columns
from shared.rows.file_encoding import (
    FileEncoding,
    UnclearEncoding,
    choose_encoding,
    decode_check,
    decodes_strictly,
    encoding_needs_decode_check,
    lines_vote,
    wrong_encoding,
)
from shared.rows.format_options import FormatOptions
from shared.rows.head_text import HeadText
from shared.rows.layout import Layout
from shared.rows.record_parser import Dialect

__all__ = [
    "ByteCheck",
    "CsvFormat",
    "FileEncoding",
    "FindColumns",
    "FormatOptions",
    "decode_check",
    "judge_columns",
    "judge_columns_of",
    "judge_format",
    "known_encoding",
    "needs_decode_check",
    "parse_columns",
    "parse_mapping",
    "undecided_format",
]

_MOST_CANDIDATES: Final = 5
_MOST_SAMPLES: Final = 3
_SAMPLE_CHARACTERS: Final = 60
# By so many it is seen which delimiter cuts a file into most cells.
_RECORDS_WEIGHED: Final = 20
# Of a file whose encoding is asked for so much is read under each.
_UNCLEAR_BYTES: Final = 64 * 1024

# Finds the columns of a file in its head, with these delimiters to choose from; the last is the file's codec.
FindColumns = Callable[[HeadText, Sequence[str], FormatOptions, str], ColumnsFound]


def judge_format(
    check: ByteCheck,
    options: FormatOptions,
    find_columns: FindColumns = judge_columns,
    rank: RankEncodings = rank_encodings,
) -> CsvFormat:
    """Judge a file that has been fed to `check` as a whole. See `needs_decode_check` for what this cannot prove.

    Raises FileProblem with every code that a 422 can have; only unclosed_quote may also come up later.
    """
    _require_delimiter(options)
    if check.size == 0:
        raise empty_file()
    try:
        encoding = choose_encoding(check, options.encoding, rank)
    except UnclearEncoding as unclear:
        raise _encoding_unclear(check, options, unclear.ranked) from None
    return judge_columns_of(check, options, encoding, find_columns)


def judge_columns_of(
    check: ByteCheck, options: FormatOptions, encoding: FileEncoding, find_columns: FindColumns = judge_columns
) -> CsvFormat:
    """The rest of the judgement, once the encoding is known; then a `check` that saw the first part alone will do.

    Raises FileProblem as `judge_format`.
    """
    _require_delimiter(options)
    text = _decoded_head(check, encoding)
    if not text.strip():
        raise empty_file() if check.head_is_whole else _no_line()
    head = HeadText(text, is_whole=check.head_is_whole)
    found = find_columns(head, _delimiters(options, head), options, encoding.codec)
    return CsvFormat(
        encoding.codec,
        encoding.guessed,
        found.delimiter,
        found.header_line is not None,
        found.names,
        layout_of_sources(found.names, found.sources, options.optional),
        reader_version=_reader_version(options),
        first_row_line=found.first_row_line,
        backslash_escapes=options.backslash_escapes,
        header_line=found.header_line,
        preamble=found.preamble,
        sources=found.sources,
    )


def undecided_format(check: ByteCheck, options: FormatOptions, encoding: FileEncoding) -> CsvFormat:
    """How the rows of a file look whose columns are in doubt: from the top, by the delimiter that gives most cells."""
    text = check.head.decode(encoding.codec, "replace")
    head = HeadText(text, is_whole=check.head_is_whole)

    def most_cells(delimiter: str) -> int:
        dialect = Dialect(delimiter, options.backslash_escapes, 0, ())
        records = islice(head.records(dialect, head.first_line), _RECORDS_WEIGHED)
        return max((len(record.cells) for record in records), default=0)

    return CsvFormat(
        encoding.codec,
        encoding.guessed,
        max(_delimiters(options, head), key=most_cells),
        has_header=False,
        columns=(),
        layout=Layout(0, {}),
        reader_version=_reader_version(options),
        first_row_line=head.first_line,
        backslash_escapes=options.backslash_escapes,
    )


def _reader_version(options: FormatOptions) -> int:
    return OPTIONAL_READER_VERSION if options.optional else PLAIN_READER_VERSION


def known_encoding(
    check: ByteCheck, options: FormatOptions, problem: FileProblem, rank: RankEncodings = rank_encodings
) -> FileEncoding | None:
    """What `judge_format` had found of a file before it raised this; None if it was about the encoding."""
    if problem.code in (FileCode.ENCODING_UNCLEAR, FileCode.WRONG_ENCODING):
        return None
    return choose_encoding(check, options.encoding, rank)


def needs_decode_check(check: ByteCheck, options: FormatOptions) -> bool:
    """Whether only reading the stored file again (`decode_check` with the format's encoding) can prove it decodes."""
    return encoding_needs_decode_check(check, options.encoding)


def _require_delimiter(options: FormatOptions) -> None:
    if options.delimiter and parse_delimiter(options.delimiter) == "\\" and options.backslash_escapes:
        raise FileProblem(
            FileCode.INVALID_DELIMITER,
            "With escape=backslash a backslash cannot be the delimiter: leave one of them out.",
        )


def _delimiters(options: FormatOptions, text: HeadText) -> tuple[str, ...]:
    """Those that it may be, the likeliest first."""
    if options.delimiter:
        return (parse_delimiter(options.delimiter),)
    if text.separator is None:
        return DELIMITERS
    return (text.separator, *(delimiter for delimiter in DELIMITERS if delimiter != text.separator))


def _decoded_head(check: ByteCheck, encoding: FileEncoding) -> str:
    if decodes_strictly(encoding.codec):
        try:
            return codecs.getincrementaldecoder(encoding.codec)().decode(check.head, check.head_is_whole)
        except UnicodeError:
            raise wrong_encoding(encoding.codec) from None
    if check.head_is_whole and (vote := lines_vote(check.head, encoding.codec)) is not None and vote.is_lost:
        raise wrong_encoding(encoding.codec, vote.first_odd)
    return codecs.getincrementaldecoder(encoding.codec)("replace").decode(check.head, check.head_is_whole)


def _encoding_unclear(check: ByteCheck, options: FormatOptions, ranked: Sequence[Reading]) -> FileProblem:
    """The question which encoding it is, with the file's own names as each candidate would read them."""
    candidates = ranked[:_MOST_CANDIDATES]
    delimiter, name_columns = _name_columns(check, options, candidates)
    lines = list(zip(*(each.text.split("\n") for each in candidates), strict=True))
    names = [sample for line in lines for sample in _samples(line, delimiter, name_columns, names=True)]
    others = [sample for line in lines for sample in _samples(line, delimiter, name_columns, names=False)]
    # Where the candidates differ most is where the sender sees which one is right.
    chosen = [*sorted(names, key=_alike)[:_MOST_SAMPLES], *sorted(others, key=_alike)][:_MOST_SAMPLES]
    return FileProblem(
        FileCode.ENCODING_UNCLEAR,
        "The file is not UTF-8, and several encodings are possible. Look at the `samples` of each of the `candidates`, "
        "cells of your file as they would read, and send the file again with `encoding` set to the one that is right; "
        "or with `encoding=guess` to take the first; or save it as UTF-8.",
        more={
            "candidates": [
                {"encoding": each.codec, "samples": list(dict.fromkeys(sample[index] for sample in chosen))}
                for index, each in enumerate(candidates)
            ]
        },
    )


def _name_columns(
    check: ByteCheck, options: FormatOptions, candidates: Sequence[Reading]
) -> tuple[str, tuple[int, ...]]:
    """The delimiter, and the columns of the name, as far as the header tells under any of the candidates."""
    for each in candidates:
        text = check.head[:_UNCLEAR_BYTES].decode(each.codec, "replace")
        head = HeadText(text, is_whole=check.size <= _UNCLEAR_BYTES)
        with contextlib.suppress(FileProblem):
            found = judge_columns(head, _delimiters(options, head), options, each.codec)
            name = found.sources.get("employee_name")
            return found.delimiter, name.columns if name else ()
    return ",", ()


def _samples(
    line: Sequence[str], delimiter: str, name_columns: tuple[int, ...], *, names: bool
) -> Iterator[tuple[str, ...]]:
    """The name of a line, or its other cells, each as all candidates would read it; nothing that is ASCII."""
    readings = []
    for text in line:
        cells = [cell.strip(" \t\r\"'") for cell in text.split(delimiter)]
        if names:
            wanted = [" ".join(cells[at] for at in name_columns if at < len(cells))]
        else:
            wanted = [cell for at, cell in enumerate(cells) if at not in name_columns]
        readings.append([cell[:_SAMPLE_CHARACTERS] for cell in wanted if not cell.isascii()])
    return zip(*readings, strict=False)


def _alike(sample: tuple[str, ...]) -> int:
    return -len(set(sample))


def _no_line() -> FileProblem:
    return FileProblem(
        FileCode.NOT_CSV,
        f"The file is no CSV: there is no line of text in its first {HEAD_BYTES // 1024} KiB. "
        "It needs a header line, and a line for each employee.",
    )
