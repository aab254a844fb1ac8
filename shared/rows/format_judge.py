"""How a file is to be read, judged from its first 64 KiB and what was seen of the rest."""

from __future__ import annotations

import codecs
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from shared.errors import FileCode, FileProblem
from shared.rows.byte_check import HEAD_BYTES, ByteCheck
from shared.rows.columns import find_layout, parse_mapping
from shared.rows.csv_format import NEWEST_READER_VERSION, CsvFormat
from shared.rows.encoding_guess import Reading
from shared.rows.fields import FIELD_NAMES, KEY_NAME, REQUIRED_NAMES
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
from shared.rows.formula import unescape_formula
from shared.rows.layout import Layout
from shared.rows.record import Record
from shared.rows.record_parser import Dialect
from shared.rows.record_reader import RecordReader
from shared.rows.rules import is_email
from shared.rows.text_lines import line_blocks

__all__ = [
    "ByteCheck",
    "CsvFormat",
    "FormatOptions",
    "decode_check",
    "head_records",
    "judge_format",
    "needs_decode_check",
    "parse_mapping",
]

_MOST_CANDIDATES: Final = 5
_MOST_SAMPLES: Final = 3
_SAMPLE_CHARACTERS: Final = 60
_DELIMITERS: Final = (",", ";", "\t", "|")
_DELIMITER_WORDS: Final = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "pipe": "|"}
# A delimiter that every email or mobile contains would cut all rows to pieces.
_NEVER_DELIMITERS: Final = frozenset("\"' @.+-_=")


@dataclass(frozen=True, slots=True)
class FormatOptions:
    """What the sender says about the file; None and `auto` leave it to the file."""

    delimiter: str | None = None
    encoding: str | None = None
    header: Literal["auto", "present", "absent"] = "auto"
    mapping: Mapping[str, list[str]] | None = None
    escape: Literal["backslash"] | None = None


class _Columns(NamedTuple):
    delimiter: str
    has_header: bool
    columns: tuple[str, ...]
    layout: Layout


def judge_format(check: ByteCheck, options: FormatOptions) -> CsvFormat:
    """Judge a file that has been fed to `check` as a whole. See `needs_decode_check` for what this cannot prove.

    Raises FileProblem with every code that a 422 can have; only unclosed_quote may also come up later.
    """
    delimiters = _delimiters(options)
    if check.size == 0:
        raise _empty_file()
    try:
        encoding = choose_encoding(check, options.encoding)
    except UnclearEncoding as unclear:
        raise _encoding_unclear(check, options, unclear.ranked) from None
    text = _decoded_head(check, encoding)
    if check.head_is_whole and not text.strip():
        raise _empty_file()
    found = {delimiter: _first_record(text, delimiter, check, options) for delimiter in delimiters}
    records = {delimiter: record.cells for delimiter, record in found.items() if record and record.fault is None}
    # Under another delimiter than its own, `name,"company` opens no quote and is one cell.
    if len(records) < len(delimiters) and all(len(cells) == 1 for cells in records.values()):
        raise _unreadable_header(next(record for record in found.values() if record is None or record.fault))
    delimiter, has_header, columns, layout = _choose_delimiter(records, options)
    return CsvFormat(
        encoding.codec,
        encoding.guessed,
        delimiter,
        has_header,
        columns,
        layout,
        reader_version=NEWEST_READER_VERSION,
        backslash_escapes=options.escape == "backslash",
    )


def needs_decode_check(check: ByteCheck, options: FormatOptions) -> bool:
    """Whether only reading the stored file again (`decode_check` with the format's encoding) can prove it decodes."""
    return encoding_needs_decode_check(check, options.encoding)


def parse_delimiter(text: str) -> str:
    """Take the character itself or its name (comma, semicolon, tab, pipe). Raises FileProblem invalid_delimiter."""
    delimiter = _DELIMITER_WORDS.get(text.strip().lower(), text)
    is_visible = delimiter == "\t" or delimiter.isprintable()
    if len(delimiter) != 1 or not is_visible or delimiter.isalnum() or delimiter in _NEVER_DELIMITERS:
        raise FileProblem(
            FileCode.INVALID_DELIMITER,
            "The delimiter must be one character such as , ; or |, or one of the words comma, semicolon, tab, pipe; no "
            "letter, digit, quote, white space or character that emails and numbers are made of.",
        )
    return delimiter


def head_records(text: str, dialect: Dialect, *, is_whole: bool) -> Iterator[Record]:
    """The records of a file's first part, by the rules that all of it is read with.

    Without the whole file its last line is left out, and a quote that is open at the end may be closed later on.
    """
    if not is_whole:
        text = text[: max(text.rfind("\n"), text.rfind("\r")) + 1]
    return RecordReader(line_blocks(iter([text]), dialect.delimiter), dialect).records()


def _delimiters(options: FormatOptions) -> tuple[str, ...]:
    if not options.delimiter:
        return _DELIMITERS
    delimiter = parse_delimiter(options.delimiter)
    if options.escape == "backslash" and delimiter == "\\":
        raise FileProblem(
            FileCode.INVALID_DELIMITER,
            "With escape=backslash a backslash cannot be the delimiter: leave one of them out.",
        )
    return (delimiter,)


def _decoded_head(check: ByteCheck, encoding: FileEncoding) -> str:
    if decodes_strictly(encoding.codec):
        try:
            return codecs.getincrementaldecoder(encoding.codec)().decode(check.head, check.head_is_whole)
        except UnicodeError:
            raise wrong_encoding(encoding.codec) from None
    if check.head_is_whole and (vote := lines_vote(check.head, encoding.codec)) is not None and vote.is_lost:
        raise wrong_encoding(encoding.codec, vote.first_odd)
    return codecs.getincrementaldecoder(encoding.codec)("replace").decode(check.head, check.head_is_whole)


def _first_record(text: str, delimiter: str, check: ByteCheck, options: FormatOptions) -> Record | None:
    """The first record of the text, None if no line ends in it."""
    dialect = Dialect(delimiter, options.escape == "backslash", 0, ())
    return next(head_records(text, dialect, is_whole=check.head_is_whole), None)


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
        text = check.head.decode(each.codec, "replace")
        found = {delimiter: _first_record(text, delimiter, check, options) for delimiter in _delimiters(options)}
        records = {delimiter: record.cells for delimiter, record in found.items() if record and record.fault is None}
        with contextlib.suppress(FileProblem):
            chosen = _choose_delimiter(records, options)
            return chosen.delimiter, chosen.layout.columns.get("employee_name", ())
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


def _choose_delimiter(records: Mapping[str, list[str]], options: FormatOptions) -> _Columns:
    """The first delimiter under which all fields are found, else the one that gives most cells."""
    best: _Columns | FileProblem | None = None
    most_cells = 0
    for delimiter, cells in records.items():
        has_header = options.header == "present" or (options.header == "auto" and not _is_headerless(cells))
        columns = tuple(unescape_formula(cell.strip()) for cell in cells) if has_header else _unnamed(len(cells))
        judged: _Columns | FileProblem
        try:
            judged = _Columns(delimiter, has_header, columns, find_layout(columns, options.mapping))
            if len(cells) == len(columns):
                return judged
        except FileProblem as problem:
            judged = problem
        if len(cells) > most_cells:
            best, most_cells = judged, len(cells)
    if isinstance(best, _Columns):
        return best
    raise best or _empty_file()


def _is_headerless(cells: list[str]) -> bool:
    return len(cells) == len(REQUIRED_NAMES) and is_email(cells[REQUIRED_NAMES.index(KEY_NAME)].strip())


def _unnamed(count: int) -> tuple[str, ...]:
    """What the columns of a file without a header are: the fields in order, of which it may lack optional ones."""
    return FIELD_NAMES[: max(count, len(REQUIRED_NAMES))]


def _empty_file() -> FileProblem:
    return FileProblem(FileCode.EMPTY_FILE, "The file is empty: it needs a header line, and a line for each employee.")


def _unreadable_header(record: Record | None) -> FileProblem:
    if record is not None:
        return FileProblem(
            FileCode.UNCLOSED_QUOTE, f"The header cannot be read. {record.message or 'It is longer than 256 KiB.'}"
        )
    return FileProblem(
        FileCode.NOT_CSV,
        f"The file is no CSV: there is no line of text in its first {HEAD_BYTES // 1024} KiB. "
        "It needs a header line, and a line for each employee.",
    )
