"""The delimiter, the header and the columns of a file, judged together: each tells of the others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice
from typing import Final, NamedTuple

from shared.rows.column_problems import employee_above_header
from shared.rows.column_source import Why
from shared.rows.columns import Sources, find_columns
from shared.rows.fields import FIELD_NAMES, REQUIRED_NAMES
from shared.rows.format_options import FormatOptions
from shared.rows.head_text import HeadText
from shared.rows.header_search import Header, HeaderSearch
from shared.rows.record_parser import Dialect
from shared.rows.rules import MOBILE, RowFault, is_email
from shared.rows.sample import Sample
from shared.rows.unlikely_columns import require_likely

_MOST_PREAMBLE_LINES: Final = 100
_MOST_LINE_CHARACTERS: Final = 1000
# A row of a file without a header is looked for among so many.
_RECORDS_SEARCHED: Final = 20
_date = re.compile(r"[0-9]{1,4}([-./])[0-9]{1,2}\1[0-9]{1,4}")


class ColumnsFound(NamedTuple):
    """`header_line` is None for a file without a header; `names` are then those of the fields."""

    delimiter: str
    names: tuple[str, ...]
    sources: Sources
    header_line: int | None
    first_row_line: int
    preamble: tuple[str, ...]


def judge_columns(text: HeadText, delimiters: Sequence[str], options: FormatOptions, codec: str) -> ColumnsFound:
    """The first delimiter under which all needed fields are found.

    Raises FileProblem: that of the delimiter which comes nearest, if there is none.
    """
    if options.header == "absent" or options.columns is not None:
        return _without_header(text, delimiters, options)
    misses = []
    for delimiter in delimiters:
        search = HeaderSearch(text, _dialect(delimiter, options), codec, options.mapping, options.needed)
        if options.header_line is not None:
            found = search.at_line(options.header_line)
        else:
            found = search.first(may_lack_header=options.header == "auto")
        if isinstance(found, Header):
            return _by_header(text, delimiter, found, options)
        misses.append(found)
    raise max(misses, key=lambda miss: (miss.found, miss.width)).problem


def _by_header(text: HeadText, delimiter: str, header: Header, options: FormatOptions) -> ColumnsFound:
    dialect = _dialect(delimiter, options)
    sample = Sample(text.records(dialect._replace(width=len(header.names)), header.first_row_line))
    sources = find_columns(header.names, options.mapping, sample, options.needed, header.line_number)
    if options.header == "auto":
        if options.header_line is None:
            _require_titles(text, dialect, header, sources)
        require_likely(header.names, sources, sample)
    preamble: list[str] = []
    if header.line_number > text.first_line:
        preamble = text.lines(text.first_line, header.line_number, most_characters=_MOST_LINE_CHARACTERS)
    return ColumnsFound(
        delimiter,
        header.names,
        sources,
        header.line_number,
        header.first_row_line,
        tuple(preamble[:_MOST_PREAMBLE_LINES]),
    )


def _require_titles(text: HeadText, dialect: Dialect, header: Header, sources: Sources) -> None:
    """What stands above the header is not read, so nobody may stand there."""
    if "mobile_no" not in sources or "email" not in sources:
        return
    mobile, email = sources["mobile_no"].columns[0], sources["email"].columns[0]
    for record in text.records(dialect, text.first_line):
        if record.line_number >= header.line_number:
            return
        if len(record.cells) > max(mobile, email):
            number = record.cells[mobile].strip()
            if is_email(record.cells[email].strip()) and _is_mobile(number):
                raise employee_above_header(record.line_number, header.line_number)


def _is_mobile(text: str) -> bool:
    return bool(text) and not _date.fullmatch(text) and not isinstance(MOBILE.clean("mobile_no", text), RowFault)


def _without_header(text: HeadText, delimiters: Sequence[str], options: FormatOptions) -> ColumnsFound:
    """By position. Of the delimiters the first one that gives as many cells as there are columns, or most."""
    best, most_cells = delimiters[0], -1
    for delimiter in delimiters:
        records = islice(text.records(_dialect(delimiter, options), text.first_line), _RECORDS_SEARCHED)
        width = next((len(record.cells) for record in records if record.fault is None), 0)
        if width == len(options.columns or _by_position(width)):
            best, most_cells = delimiter, width
            break
        if width > most_cells:
            best, most_cells = delimiter, width
    names = options.columns or _by_position(most_cells)
    sources = find_columns(names, options.mapping, needed=options.needed, line_number=None)
    return ColumnsFound(best, names, _positions(sources), None, text.first_line, ())


def _by_position(width: int) -> tuple[str, ...]:
    """What the columns of a file without a header are: the fields in order, of which it may lack optional ones."""
    return FIELD_NAMES[: max(width, len(REQUIRED_NAMES))]


def _positions(sources: Sources) -> Sources:
    return {
        field: source if source.why is Why.MAPPING else source._replace(why=Why.POSITION)
        for field, source in sources.items()
    }


def _dialect(delimiter: str, options: FormatOptions) -> Dialect:
    return Dialect(delimiter, options.backslash_escapes, 0, ())
