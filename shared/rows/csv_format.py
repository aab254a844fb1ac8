"""All that a reader must know of a file; `format_judge` finds it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from shared.rows.column_source import ColumnSource
from shared.rows.layout import Layout

# What a version fixes is all that moves a row or the border of a chunk: the rules of `csv_reader`, its longest record,
# and the weights and sizes in the producer's `chunk_reader` by which it cuts chunks: characters in version 1, bytes of
# the message and its cells in version 2. A change of any is a new version beside the old one, for a release at least.
# Version 3 is version 2 of a file with optional fields: whoever reads it knows what they mean for its chunks' order.
PLAIN_READER_VERSION: Final = 2
OPTIONAL_READER_VERSION: Final = 3
NEWEST_READER_VERSION: Final = OPTIONAL_READER_VERSION


@dataclass(frozen=True, slots=True)
class CsvFormat:
    """All that the reader must know. `encoding` is a Python codec name that takes care of a byte order mark.

    What the encoding cannot decode is read as U+FFFD; version 1 does so only if the encoding is a guess, and ends else.
    `reader_version` is that of the rules the upload began with (`reader_versions`); uploads from before there was a
    choice have none stored, and mean the first, which skips the header by itself. `first_row_line` is the physical line
    that rows are read from. `backslash_escapes`: `\\"` stands for a quote in a quoted cell.

    No reader needs the rest. `header_line` is the header's physical line, None without one, `preamble` are the lines
    above it, `sources` tells for each field why it was taken from its columns.
    """

    encoding: str
    encoding_guessed: bool
    delimiter: str
    has_header: bool
    columns: tuple[str, ...]
    layout: Layout
    reader_version: int = 1
    first_row_line: int = 1
    backslash_escapes: bool = False
    header_line: int | None = None
    preamble: tuple[str, ...] = ()
    sources: Mapping[str, ColumnSource] = field(default_factory=dict)
