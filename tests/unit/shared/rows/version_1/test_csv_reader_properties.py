"""For any table: what csv.writer writes is what the reader reads, however the bytes arrive."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import FileCode, FileProblem
from shared.rows.csv_format import CsvFormat
from shared.rows.fields import FIELD_NAMES
from shared.rows.formula import escape_formula, unescape_formula
from shared.rows.layout import layout_of_names
from shared.rows.record import Record
from shared.rows.version_1.csv_reader import read_records
from tests.support.csv_files import DribblingStream, judge
from tests.support.csv_files import read_version_1 as read

pytestmark = pytest.mark.slow  # version 1 is frozen

Quoting = Literal[0, 1, 2]
_sizes = st.lists(st.integers(1, 9), min_size=1, max_size=6).map(tuple)
_cells = st.text(
    st.sampled_from(",;\t|\"'\n\r =+-@\u00a0\u2028\x0b\x85\ufeffaé🦉") | st.characters(exclude_categories=["Cs", "Cc"]),
    max_size=8,
)


@dataclass(frozen=True)
class Table:
    """Rows as csv.writer writes them, with the line that each starts on."""

    rows: list[list[str]]
    delimiter: str
    line_end: str
    quoting: Quoting

    @property
    def text(self) -> str:
        return "".join(self._written())

    @property
    def line_numbers(self) -> list[int]:
        written = self._written()
        return [1 + len(re.findall("\r\n|\r|\n", "".join(written[:row]))) for row in range(1, len(written))]

    def _written(self) -> list[str]:
        rows = []
        for row in [list(FIELD_NAMES), *self.rows]:
            stream = io.StringIO(newline="")
            csv.writer(stream, delimiter=self.delimiter, lineterminator=self.line_end, quoting=self.quoting).writerow(
                row
            )
            rows.append(stream.getvalue())
        return rows


@st.composite
def tables(draw: st.DrawFn) -> Table:
    quoting: Quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]))
    line_end = draw(st.sampled_from(["\n", "\r\n"]))
    cells = _cells
    if quoting == csv.QUOTE_MINIMAL and line_end == "\n":
        # Before Python 3.13 csv.writer leaves a CR unquoted there, and the file then says that a line ends.
        cells = _cells.map(lambda cell: cell.replace("\r", ""))
    width = draw(st.integers(2, 6))
    rows = draw(st.lists(st.lists(cells, min_size=width, max_size=width), max_size=6))
    return Table(rows, draw(st.sampled_from(",;\t|")), line_end, quoting)


@settings(derandomize=True, deadline=None, max_examples=600)
@given(tables(), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
def test_what_csv_writer_writes_comes_back_the_same(table: Table, encoding: str) -> None:
    content = table.text.encode(encoding)
    assert (judge(content).delimiter, judge(content).encoding) == (table.delimiter, encoding)
    records = read(content)
    assert [record.cells for record in records] == [list(map(unescape_formula, row)) for row in table.rows]
    assert [record.line_number for record in records] == table.line_numbers
    assert not any(record.fault for record in records)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(tables())
def test_a_table_with_escaped_formulas_comes_back_as_the_reader_gave_it_first(table: Table) -> None:
    delivered = [list(map(unescape_formula, row)) for row in table.rows]
    escaped = [list(map(escape_formula, row)) for row in delivered]
    report = Table(escaped, table.delimiter, table.line_end, csv.QUOTE_ALL)
    assert [record.cells for record in read(report.text.encode())] == delivered


@settings(derandomize=True, deadline=None, max_examples=300)
@given(tables(), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]), _sizes)
def test_rows_do_not_depend_on_how_the_bytes_arrive(table: Table, encoding: str, sizes: tuple[int, ...]) -> None:
    content = table.text.encode(encoding)
    assert read(content, block_sizes=sizes) == read(content)


def outcome(text: str, sizes: tuple[int, ...]) -> tuple[list[Record], FileCode | None]:
    """All that reading gives, for text that may end in an open quote."""
    csv_format = CsvFormat("utf-8", False, ",", False, FIELD_NAMES, layout_of_names(FIELD_NAMES))
    records: list[Record] = []
    try:
        records.extend(read_records(DribblingStream(text.encode(), sizes), csv_format))
    except FileProblem as problem:
        return records, problem.code
    return records, None


@settings(derandomize=True, deadline=None, max_examples=600)
@given(st.text(st.sampled_from(",\"'\n\r= xé"), max_size=30), _sizes)
def test_any_text_at_all_gives_the_same_in_any_chunking(text: str, sizes: tuple[int, ...]) -> None:
    assert outcome(text, sizes) == outcome(text, (65536,))


@settings(derandomize=True, deadline=None, max_examples=40)
@given(
    st.lists(
        st.sampled_from(["x" * 3000, ",", '"', '""' * 2000, '","', '"\n"', "\r\n", "\r", "\n", "x" * 131_072]),
        max_size=30,
    ),
    st.tuples(st.integers(20_000, 70_000), st.integers(1, 70_000)),
)
def test_long_records_give_the_same_in_any_chunking(parts: list[str], sizes: tuple[int, ...]) -> None:
    text = "".join(parts)
    assert outcome(text, sizes) == outcome(text, (65536,))


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.text(st.sampled_from(',"\n\r x'), max_size=40))
def test_no_line_with_a_visible_character_is_lost(text: str) -> None:
    records, problem = outcome(text, (65536,))
    kept = "".join(cell for record in records for cell in record.cells)
    assert problem is not None or kept.count("x") == text.count("x")
    assert [record.line_number for record in records] == sorted({record.line_number for record in records})
