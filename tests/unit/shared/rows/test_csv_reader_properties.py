"""Files with every fault at every place: reader and reference agree, however the bytes arrive."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Literal
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.rows import record_parser, record_reader, text_lines
from shared.rows.csv_format import CsvFormat
from shared.rows.csv_reader import read_records
from shared.rows.fields import REQUIRED_NAMES
from shared.rows.layout import layout_of_names
from shared.rows.record import Record, Skipped
from shared.rows.version_1 import csv_reader as version_1
from tests.support.csv_files import DribblingStream
from tests.support.reference import drop_apostrophe
from tests.support.reference_cells import plain
from tests.support.reference_reading import FileShape, ReadRecord, read_text

LAYOUT = layout_of_names(REQUIRED_NAMES)
_sizes = st.lists(st.integers(1, 90), min_size=1, max_size=6).map(tuple)


def csv_format(*, delimiter: str = ",", backslash: bool = False) -> CsvFormat:
    return CsvFormat(
        "utf-8", False, delimiter, False, REQUIRED_NAMES, LAYOUT, reader_version=2, backslash_escapes=backslash
    )


def records(text: str, form: CsvFormat, sizes: tuple[int, ...] = (65536,)) -> list[Record]:
    return list(read_records(DribblingStream(text.encode(), sizes), form))


def filled(wanted: list[ReadRecord]) -> list[ReadRecord]:
    """Without the rows that are none, because their cells are all empty."""
    return [each for each in wanted if each.code or any(map(plain, map(drop_apostrophe, each.cells)))]


def as_reference(found: list[Record]) -> list[ReadRecord]:
    return [ReadRecord(record.line_number, record.cells, record.fault) for record in found]


@contextmanager
def record_limit(limit: int) -> Iterator[None]:
    with ExitStack() as stack:
        for module in (record_reader, record_parser, text_lines):
            stack.enter_context(mock.patch.object(module, "RECORD_LIMIT", limit))
        stack.enter_context(mock.patch.object(text_lines, "_OVERLONG", limit + 1))
        yield


def assert_as_the_reference_reads(text: str, sizes: tuple[int, ...], *, delimiter: str, backslash: bool) -> None:
    form = csv_format(delimiter=delimiter, backslash=backslash)
    skipped = Skipped()
    found = list(read_records(DribblingStream(text.encode(), sizes), form, skipped))
    wanted = list(read_text(text, FileShape(delimiter, 4, 3, backslash)))
    assert as_reference(found) == filled(wanted)
    assert skipped.blank_rows == len(wanted) - len(found)
    assert all(bool(record.message) == (record.fault is not None) for record in found)


@settings(derandomize=True, deadline=None, max_examples=400)
@given(st.text(st.sampled_from(',";\t"\n\r \\xé"'), max_size=40), _sizes, st.sampled_from(",;\t"), st.booleans())
def test_any_text_at_all_is_read_as_the_reference_reads_it(
    text: str, sizes: tuple[int, ...], delimiter: str, backslash: bool
) -> None:
    assert_as_the_reference_reads(text, sizes, delimiter=delimiter, backslash=backslash)


_names = st.sampled_from(
    ["Ann Lee", '"Lee, Ann"', '"Ann ""Al"" Lee"', '"Ann\nLee"', 'Tom "Tiny" West', '"Al \\"B\\""', ' "Bo"']
)
_blank_rows = st.sampled_from(
    [",,,", '"","","",""', " ,\t,", '="",,,', ",", '"\n",,,', ",,,,,,", "\u200b,,,\ufeff", '"",", "']
)
_companies = st.sampled_from(["Acme", '"Acme, Inc"', '"Blue\r\nHeron"', '5" Disk', '"North Co"', '""', "'=1", '"Oak" '])
_mobiles = st.sampled_from(["+12015550101", '"+1 201"', "2015550102"])
_emails = st.sampled_from(["a@b.example", '"c@d.example"', "nobody", '"e@f.example\n"'])
_rows = st.lists(st.tuples(_names, _companies, _mobiles, _emails).map(",".join) | _blank_rows, min_size=1, max_size=8)
_edits = st.lists(
    st.tuples(
        st.sampled_from(["insert", "delete", "double", "move", "newline"]), st.integers(0, 400), st.integers(0, 400)
    ),
    max_size=4,
)


def damaged(text: str, edits: list[tuple[str, int, int]]) -> str:
    """The text with quotes put in, taken out, doubled and moved."""
    for kind, first, second in edits:
        quotes = [at for at, character in enumerate(text) if character == '"']
        at = quotes[first % len(quotes)] if quotes else 0
        place = second % (len(text) + 1)
        if kind == "insert" or not quotes:
            text = text[:place] + '"' + text[place:]
        elif kind == "newline":
            text = text[:place] + "\n" + text[place:]
        elif kind == "double":
            text = text[:at] + '"' + text[at:]
        else:
            text = text[:at] + text[at + 1 :]
            if kind == "move":
                text = text[:place] + '"' + text[place:]
    return text


@pytest.mark.slow
@settings(derandomize=True, deadline=None, max_examples=500)
@given(_rows, _edits, _sizes, st.booleans())
def test_rows_with_faults_at_any_place_are_read_as_the_reference_reads_them(
    rows: list[str], edits: list[tuple[str, int, int]], sizes: tuple[int, ...], backslash: bool
) -> None:
    text = damaged("\n".join(rows), edits).replace("'", "")
    assert_as_the_reference_reads(text, sizes, delimiter=",", backslash=backslash)


@pytest.mark.slow
@settings(derandomize=True, deadline=None, max_examples=400)
@given(_rows, _edits, _sizes, st.integers(8, 120))
def test_the_record_limit_is_met_as_in_the_reference_wherever_it_falls(
    rows: list[str], edits: list[tuple[str, int, int]], sizes: tuple[int, ...], limit: int
) -> None:
    text = damaged("\n".join(rows), edits).replace("'", "")
    with record_limit(limit):
        found = as_reference(records(text, csv_format(), sizes))
        assert found == as_reference(records(text, csv_format()))
    wanted = filled(list(read_text(text, FileShape(",", 4, 3, limit=limit))))
    assert [(each.line_number, each.code) for each in found] == [(each.line_number, each.code) for each in wanted]
    cells = [each.cells for each in found if each.code != "row_too_long"]
    assert cells == [each.cells for each in wanted if each.code != "row_too_long"]


@settings(derandomize=True, deadline=None, max_examples=200)
@given(_rows, _edits, st.integers(0, 8), _sizes)
def test_a_fault_changes_nothing_above_it_and_no_line_is_lost(
    rows: list[str], edits: list[tuple[str, int, int]], kept: int, sizes: tuple[int, ...]
) -> None:
    head = "".join(f"Person {number},Acme,+12015550{number:03},p{number}@b.example\n" for number in range(kept))
    text = head + damaged("\n".join(rows), edits)
    found = records(text, csv_format(), sizes)
    assert [record.line_number for record in found[:kept]] == list(range(1, kept + 1))
    assert not any(record.fault for record in found[:kept])
    letters = "".join(cell for record in found for cell in record.cells)
    assert letters.count("@") == text.count("@")


_cells = st.text(
    st.sampled_from(",;\t|\"'\n\r =+-@\u00a0\u2028\x0b\x85\ufeffaé🦉") | st.characters(exclude_categories=["Cs", "Cc"]),
    max_size=8,
)


@settings(derandomize=True, deadline=None, max_examples=250)
@given(
    st.lists(st.lists(_cells, min_size=4, max_size=4), max_size=8),
    st.sampled_from(",;\t|"),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    _sizes,
)
def test_a_file_without_faults_is_read_as_by_version_1(
    rows: list[list[str]], delimiter: str, quoting: Literal[0, 1], sizes: tuple[int, ...]
) -> None:
    stream = io.StringIO(newline="")
    # CRLF: with "\n" alone csv.writer leaves a CR unquoted before Python 3.13.
    csv.writer(stream, delimiter=delimiter, quoting=quoting, lineterminator="\r\n").writerows(rows)
    text = stream.getvalue()
    if any("@" in cell and ("\n" in cell or "\r" in cell) for row in rows for cell in row):
        text = text.replace("@", "a")
    content, form = text.encode(), csv_format(delimiter=delimiter)
    by_version_1 = version_1.read_records(io.BytesIO(content), form)
    assert records(text, form, sizes) == [each for each in by_version_1 if any(map(plain, each.cells))]
