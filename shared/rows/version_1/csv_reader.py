"""Reader version 1, frozen: an upload that began under its rules is read to its end by them.

It cuts a stream of bytes into records, with the line each starts on, in constant memory whatever the file. Nothing in
this module changes any more, and it uses nothing of the newer rules: the borders of chunks follow from every detail.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Generator, Iterator, Sequence
from itertools import chain, repeat
from typing import BinaryIO, Final

from shared.errors import FileCode, FileProblem, RowCode
from shared.rows.csv_format import CsvFormat
from shared.rows.record import Record

# In characters, line ends and quotes included.
RECORD_LIMIT: Final = 256 * 1024
# What is kept of a record beyond the limit, for its report: in all, and of how many cells.
_KEPT_CHARACTERS: Final = 2048
_KEPT_CELLS: Final = 64
_BLOCK_BYTES: Final = 64 * 1024
# Long enough for a record beyond the limit to be known as such from its first piece.
_PIECE_LIMIT: Final = RECORD_LIMIT + 4096
# A line that csv.reader makes one cell of, under any delimiter that there may be.
_SENTINEL: Final = "end"
_NO_BLOCK: Final[list[str]] = []
# An apostrophe that `escape_formula` put before what a spreadsheet would run.
_escaped_formula = re.compile("'[\\s\\x00-\\x1f\\x7f-\\x9f\\ufeff]*[=+\\-@＝＋－＠]")

# The module's own limit of 128 Ki characters a cell is below ours for a record, and there is none a reader.
csv.field_size_limit(max(csv.field_size_limit(), 2 * RECORD_LIMIT))


class UnclosedQuote(FileProblem):
    """A quote opened on `line_number` is open still at the end of the file, or after 256 Ki characters."""

    def __init__(self, line_number: int) -> None:
        super().__init__(
            FileCode.UNCLOSED_QUOTE,
            f"The double quote that opens on line {line_number} is never closed: close or remove it. "
            "The lines after it could not be told apart.",
        )
        self.line_number = line_number


def read_records(stream: BinaryIO, csv_format: CsvFormat) -> Iterator[Record]:
    """Read the rows after the header. Blocking; leaves the stream open.

    Raises UnclosedQuote, and FileProblem wrong_encoding for bytes that the format's encoding does not know.
    """
    lines = _Lines(stream, csv_format)
    header_is_next = csv_format.has_header
    while lines.next_block():
        if not header_is_next and (rows := _rows_of_a_line_each(lines.block, csv_format.delimiter)) is not None:
            yield from map(Record, lines.pass_block(), rows, repeat(None))
        else:
            header_is_next = yield from _read_carefully(lines, csv_format.delimiter, header_is_next=header_is_next)


def _rows_of_a_line_each(lines: Sequence[str], delimiter: str) -> list[list[str]] | None:
    """The rows of a block in which every line is a row, as nearly all are, without a step of ours for each line.

    The last line that csv.reader is given comes back as it went in only if no quote is open before it.
    """
    if not lines or lines[-1][-1] not in "\r\n" or any(map(str.isspace, lines)) or max(map(len, lines)) > RECORD_LIMIT:
        return None
    *rows, last = csv.reader(chain(lines, [_SENTINEL]), delimiter=delimiter)
    if len(rows) != len(lines) or last != [_SENTINEL]:
        return None
    for index, line in enumerate(lines):
        if "'" in line:
            rows[index] = [_unescaped(cell) for cell in rows[index]]
    return rows


def _read_carefully(lines: _Lines, delimiter: str, *, header_is_next: bool) -> Generator[Record, None, bool]:
    """The rows that begin in this block, to the end of the last one. Returns whether the header is still to come."""
    reader = csv.reader(lines, delimiter=delimiter)
    if header_is_next:
        header_is_next = next(reader, None) is None
        lines.end_record()
    for cells in reader:
        if lines.record_size > RECORD_LIMIT:
            yield Record(lines.record_line, _shortened(cells), RowCode.ROW_TOO_LONG)
            while lines.is_cut:
                lines.end_record()
                next(reader, None)
        elif lines.record_has_apostrophe:
            yield Record(lines.record_line, [_unescaped(cell) for cell in cells], None)
        else:
            yield Record(lines.record_line, cells, None)
        lines.end_record()
    return header_is_next


class _Lines:
    """Feeds csv.reader line by line, and knows what csv.reader does not tell: where a record starts and how long it is.

    It ends with the block that it is at, unless a record goes on; then it goes on to the end of that record's block.

    csv.reader asks for another line in the midst of a record only because a quote is open. That is how an unclosed
    quote is noticed, without looking at the characters a second time.
    """

    def __init__(self, stream: BinaryIO, csv_format: CsvFormat) -> None:
        self.record_line = 0
        self.record_size = 0
        self.record_has_apostrophe = False
        # The last piece handed out ends in the midst of a line that is longer than a record may be.
        self.is_cut = False
        self._line = 0
        self._quote_line = 0
        self._delimiter = csv_format.delimiter
        self._blocks = _blocks_of_pieces(_decoded(stream, csv_format))
        self.block: list[str] = []

    def next_block(self) -> bool:
        """Go to the next block, whose pieces are then in `block`. False at the end of the stream."""
        self.block = next(self._blocks, _NO_BLOCK)
        return self.block is not _NO_BLOCK

    def pass_block(self) -> range:
        """Skip the block, in which no record goes on and no line is cut; its line numbers."""
        first = self._line + 1
        self._line += len(self.block)
        return range(first, self._line + 1)

    def end_record(self) -> None:
        """To be called after each record that csv.reader gives."""
        self.record_size = 0
        self.record_has_apostrophe = False

    def __iter__(self) -> Iterator[str]:
        before = ""
        for line in self._pieces():
            piece = line
            if not self.is_cut:
                self._line += 1
            if self.record_size:
                self._keep_quote_open(piece)
            elif self.is_cut:
                self._quote_line = self._line
                piece = before + piece
            elif _is_blank(piece, self._delimiter):
                continue
            else:
                self.record_line = self._quote_line = self._line
            self.record_size += len(piece)
            if "'" in piece:
                self.record_has_apostrophe = True
            if piece[-1] in "\r\n":
                self.is_cut = False
            else:
                self.is_cut = True
                # csv.reader must not take the next piece's first quote for one that opens a cell, unless it is.
                before = "" if piece[-1] == self._delimiter else "x"
            yield piece

    def _pieces(self) -> Iterator[str]:
        yield from self.block
        while self.record_size or self.is_cut:
            if not self.next_block():
                self.is_cut = False
                if self.record_size:
                    raise UnclosedQuote(self._quote_line)
                return
            yield from self.block

    def _keep_quote_open(self, piece: str) -> None:
        if self.record_size > RECORD_LIMIT:
            raise UnclosedQuote(self._quote_line)
        # If this piece, too, leaves a quote open, then it is one that opens here, unless none was closed here.
        if '"' in piece.replace('""', ""):
            self._quote_line = self._line


def _decoded(stream: BinaryIO, csv_format: CsvFormat) -> Iterator[str]:
    """The text in blocks that never end between a CR and its LF."""
    errors = "replace" if csv_format.encoding_guessed else "strict"
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(csv_format.encoding)(errors), translate=False)
    try:
        while block := stream.read(_BLOCK_BYTES):
            yield decoder.decode(block)
        yield decoder.decode(b"", final=True)
    except UnicodeError:
        raise FileProblem(
            FileCode.WRONG_ENCODING,
            f"The file does not decode as {csv_format.encoding}: name the encoding that it was saved in, or save it "
            "as UTF-8.",
        ) from None


def _blocks_of_pieces(texts: Iterator[str]) -> Iterator[list[str]]:
    """Lines with their ends, those of a text together; one that is longer than a record may be in several pieces.

    Where it is cut depends on the line alone, so that the outcome does not depend on how the bytes arrived.
    """
    tail = ""
    for text in texts:
        block = list(io.StringIO(tail + text, newline=""))
        tail = block.pop() if block and block[-1][-1] not in "\r\n" else ""
        if block and max(map(len, block)) > _PIECE_LIMIT:
            block = [piece for line in block for piece in _bites(line)]
        *cut, tail = _bites(tail)
        yield block + cut
    if tail:
        yield [tail]


def _bites(line: str) -> list[str]:
    """The line in pieces that are no longer than a piece may be."""
    pieces = []
    while len(line) > _PIECE_LIMIT:
        pieces.append(_bite(line))
        line = line[len(pieces[-1]) :]
    return [*pieces, line]


def _bite(line: str) -> str:
    """The beginning of a long line, not cut between the two halves of a doubled quote or of a CRLF."""
    piece = line[:_PIECE_LIMIT].rstrip('"\r')
    return piece if len(piece) > RECORD_LIMIT else line[:_PIECE_LIMIT].rstrip("\r")


def _shortened(cells: list[str]) -> list[str]:
    kept: list[str] = []
    room = _KEPT_CHARACTERS
    for cell in cells[:_KEPT_CELLS]:
        kept.append(cell[:room])
        room -= len(kept[-1])
        if not room:
            break
    return kept


def _is_blank(line: str, delimiter: str) -> bool:
    return line.isspace() and delimiter not in line


def _unescaped(cell: str) -> str:
    return cell[1:] if _escaped_formula.match(cell) else cell
