"""From bytes to the physical lines of a text, in blocks and in constant memory whatever the lines."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from operator import itemgetter
from typing import BinaryIO, Final, NamedTuple

from shared.rows.cell_text import TRIMMED
from shared.rows.formula import may_hold_escaped_formula

# In characters, line ends and quotes included.
RECORD_LIMIT: Final = 256 * 1024
BLANKS: Final = " \t"
# An empty cell may be written "", ="" or '="".
_AROUND_NOTHING: Final = TRIMMED + "\"'="
_first = itemgetter(0)

_BLOCK_BYTES: Final = 64 * 1024
_FEW_BYTES: Final = 8 * 1024
_SHORT_LINE: Final = 8
# What stands for a line that is longer than a record may be: enough of it to show that it is.
_OVERLONG: Final = RECORD_LIMIT + 1


class LineBlock(NamedTuple):
    """Whole lines with their ends; a line beyond the limit is cut to one character more than the limit.

    The answers are for the block as a whole, and may be true without need, never false.
    """

    lines: list[str]
    has_overlong_line: bool
    has_blank_line: bool
    has_odd_quotes: bool
    has_escaped_formula: bool
    has_backslash: bool
    has_blank_before_quote: bool
    has_blank_row: bool


def no_lines() -> LineBlock:
    return LineBlock([], *[False] * (len(LineBlock._fields) - 1))


def joined(first: LineBlock, second: LineBlock) -> LineBlock:
    return LineBlock(
        first.lines + second.lines, *(one or other for one, other in zip(first[1:], second[1:], strict=True))
    )


def is_blank(line: str, delimiter: str) -> bool:
    """Whether a line outside quotes is no row. A line of delimiters is one, also where they are tabs."""
    return line.isspace() and delimiter not in line


def decoded(stream: BinaryIO, encoding: str) -> Iterator[str]:
    """The text in pieces that never end between a CR and its LF. A byte that does not decode becomes U+FFFD."""
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)("replace"), translate=False)
    size = _BLOCK_BYTES
    while block := stream.read(size):
        text = decoder.decode(block)
        yield text
        # A row of one letter takes fifty times its bytes once it is parsed.
        has_short_lines = _SHORT_LINE * max(text.count("\n"), text.count("\r")) > len(text)
        size = _FEW_BYTES if has_short_lines else _BLOCK_BYTES
    yield decoder.decode(b"", final=True)


def line_blocks(texts: Iterator[str], delimiter: str) -> Iterator[LineBlock]:
    """What becomes of a line depends on the line alone, not on how the text was cut. The last may have no end."""
    tail = ""
    for piece in texts:
        text = tail + piece
        lines = list(io.StringIO(text, newline=""))
        tail = lines.pop() if lines and lines[-1][-1] not in "\r\n" else ""
        # Of a line that goes on and on no more is kept than shows that it is too long.
        tail = tail[:_OVERLONG]
        if lines:
            yield _block(text, lines, delimiter)
    if tail:
        yield _block(tail, [tail], delimiter)


def _block(text: str, lines: list[str], delimiter: str) -> LineBlock:
    has_overlong_line = max(map(len, lines)) > RECORD_LIMIT
    if has_overlong_line:
        lines = [line if len(line) <= RECORD_LIMIT else line[:RECORD_LIMIT] + "\n" for line in lines]
    has_quote = '"' in text
    has_blank_before_quote = has_quote and any(_begins_a_cell(text, blank + '"', delimiter) for blank in BLANKS)
    firsts = set(map(_first, lines))
    has_blank_line = any(map(str.isspace, firsts)) and any(map(str.isspace, lines))
    has_odd_quotes = has_quote and text.count('"') % 2 == 1
    return LineBlock(
        lines,
        has_overlong_line,
        has_blank_line,
        has_odd_quotes,
        may_hold_escaped_formula(text),
        "\\" in text,
        has_blank_before_quote,
        _has_blank_row(lines, firsts, delimiter),
    )


def _has_blank_row(lines: list[str], firsts: set[str], delimiter: str) -> bool:
    """Whether a line consists of what empty cells are written with, and what stands between and around them."""
    around = _AROUND_NOTHING + delimiter
    if firsts.isdisjoint(around) or all(start.strip(around) for start in {line[:2] for line in lines}):
        return False
    return not all(line.strip(around) for line in lines)


def _begins_a_cell(text: str, blank_and_quote: str, delimiter: str) -> bool:
    """Whether these two follow a delimiter or a line end somewhere, with nothing but blanks between."""
    at = text.find(blank_and_quote)
    while at >= 0:
        start = at
        while start and text[start - 1] in BLANKS and text[start - 1] != delimiter:
            start -= 1
        if not start or text[start - 1] in "\r\n" or text[start - 1] == delimiter:
            return True
        at = text.find(blank_and_quote, at + 1)
    return False
