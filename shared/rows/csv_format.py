"""How a file is to be read, judged from its first 64 KiB and what was seen of the rest."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from shared.errors import FileCode, FileProblem
from shared.rows.byte_check import HEAD_BYTES, ByteCheck
from shared.rows.columns import find_layout, parse_mapping
from shared.rows.fields import FIELD_NAMES, KEY_NAME, REQUIRED_NAMES
from shared.rows.file_encoding import (
    FileEncoding,
    choose_encoding,
    decode_check,
    encoding_needs_decode_check,
    wrong_encoding,
)
from shared.rows.formula import unescape_formula
from shared.rows.layout import Layout
from shared.rows.rules import is_email

__all__ = [
    "ByteCheck",
    "CsvFormat",
    "FormatOptions",
    "decode_check",
    "is_blank",
    "judge_format",
    "needs_decode_check",
    "parse_mapping",
]

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


# What a version fixes is all that moves a row or the border of a chunk: the rules of `csv_reader`, its longest record,
# and `CHUNK_CHARACTERS` of the producer. A change of any is a new version beside the old one, for a release at least.
NEWEST_READER_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class CsvFormat:
    """All that the reader must know. `encoding` is a Python codec name that takes care of a byte order mark.

    A guessed encoding is read with U+FFFD in place of what it cannot decode, a certain one is read strictly.
    `reader_version` is that of the rules the upload began with (`reader_versions`); uploads from before there was a
    choice have none stored, and mean the first. `header_line` is the physical line that the header is looked for from:
    what stands above is not read. `backslash_escapes`: `\\"` stands for a quote in a quoted cell.
    """

    encoding: str
    encoding_guessed: bool
    delimiter: str
    has_header: bool
    columns: tuple[str, ...]
    layout: Layout
    reader_version: int = 1
    header_line: int = 1
    backslash_escapes: bool = False


class _Columns(NamedTuple):
    delimiter: str
    has_header: bool
    columns: tuple[str, ...]
    layout: Layout


def judge_format(check: ByteCheck, options: FormatOptions) -> CsvFormat:
    """Judge a file that has been fed to `check` as a whole. See `needs_decode_check` for what this cannot prove.

    Raises FileProblem with every code that a 422 can have; only unclosed_quote may also come up later.
    """
    delimiters = (parse_delimiter(options.delimiter),) if options.delimiter else _DELIMITERS
    if check.size == 0:
        raise _empty_file()
    encoding = choose_encoding(check, options.encoding)
    text = _decoded_head(check, encoding)
    if check.head_is_whole and not text.strip():
        raise _empty_file()
    found = {delimiter: _first_record(text, delimiter, whole=check.head_is_whole) for delimiter in delimiters}
    records = {delimiter: cells for delimiter, cells in found.items() if cells is not None}
    # Under another delimiter than its own, `name,"company` opens no quote and is one cell.
    if len(records) < len(delimiters) and all(len(cells) == 1 for cells in records.values()):
        raise _endless_record(text, whole=check.head_is_whole)
    delimiter, has_header, columns, layout = _choose_delimiter(records, options)
    return CsvFormat(
        encoding.codec, encoding.guessed, delimiter, has_header, columns, layout, reader_version=NEWEST_READER_VERSION
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


def is_blank(line: str, delimiter: str) -> bool:
    """Whether a line outside quotes is no row. A line of delimiters is one, also where they are tabs."""
    return line.isspace() and delimiter not in line


def _decoded_head(check: ByteCheck, encoding: FileEncoding) -> str:
    decoder = codecs.getincrementaldecoder(encoding.codec)("replace" if encoding.guessed else "strict")
    try:
        return decoder.decode(check.head, check.head_is_whole)
    except UnicodeError:
        raise wrong_encoding(encoding.codec) from None


def _first_record(text: str, delimiter: str, *, whole: bool) -> list[str] | None:
    """The first record of the text, None if it goes on past the end of it."""
    in_record = False

    def lines() -> Iterator[str]:
        nonlocal in_record
        for line in io.StringIO(text, newline=""):
            if (whole or line.endswith(("\n", "\r"))) and (in_record or not is_blank(line, delimiter)):
                in_record = True
                yield line
        in_record = False

    record = next(csv.reader(lines(), delimiter=delimiter), None)
    return record if in_record else None


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


def _endless_record(text: str, *, whole: bool) -> FileProblem:
    # Where lines end and the record does not, a quote holds it open.
    if whole or "\n" in text.strip() or "\r" in text.strip():
        return FileProblem(
            FileCode.UNCLOSED_QUOTE,
            "The first line opens a double quote that is never closed, or not for a long while: close or remove it.",
        )
    return FileProblem(
        FileCode.NOT_CSV,
        f"The file is no CSV: there is no line of text in its first {HEAD_BYTES // 1024} KiB. "
        "It needs a header line, and a line for each employee.",
    )
