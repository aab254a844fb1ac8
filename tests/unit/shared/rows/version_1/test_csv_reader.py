"""Records and their line numbers from streams of every shape, in constant memory."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from shared.errors import FileCode, FileProblem, RowCode
from shared.rows.csv_format import CsvFormat
from shared.rows.employee_row import check_row
from shared.rows.fields import REQUIRED_NAMES
from shared.rows.format_judge import FormatOptions
from shared.rows.layout import layout_of_names
from shared.rows.record import Record
from shared.rows.version_1.csv_reader import RECORD_LIMIT, UnclosedQuote, read_records
from tests.support.csv_files import check_bytes, judge
from tests.support.csv_files import read_version_1 as read
from tests.support.long_lines import LongLine, read_in_fresh_process

HEADER = "employee_name,company_name,mobile_no,email\n"
HEADERLESS = CsvFormat("utf-8", False, ",", False, REQUIRED_NAMES, layout_of_names(REQUIRED_NAMES))
ORIGINAL_EXAMPLE = Path(__file__).parents[6] / "shared" / "data" / "original-example.csv"


def rows(text: str) -> list[tuple[int, list[str]]]:
    return [(record.line_number, record.cells) for record in read((HEADER + text).encode())]


def open_quote(text: str) -> UnclosedQuote:
    with pytest.raises(UnclosedQuote) as caught:
        read((HEADER + text).encode())
    return caught.value


def test_rows_come_with_the_line_they_start_on() -> None:
    assert rows("a,b,c,d\ne,f,g,h") == [(2, ["a", "b", "c", "d"]), (3, ["e", "f", "g", "h"])]


def test_a_file_without_a_header_starts_with_its_first_row() -> None:
    assert read(b"a,b,c,d@e.f\n", FormatOptions(header="absent")) == [Record(1, ["a", "b", "c", "d@e.f"], None)]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_lines_are_counted_by_any_line_end(line_end: str) -> None:
    text = 'a,"b\n\nb",c,d\n\ne,f,g,h\n'.replace("\n", line_end)
    assert [line_number for line_number, _ in rows(text)] == [2, 6]


def test_quoted_newlines_quotes_and_delimiters_come_back_as_they_were() -> None:
    assert rows('"a\r\nA","b ""B""","c,C",d\n') == [(2, ["a\r\nA", 'b "B"', "c,C", "d"])]


@pytest.mark.parametrize("blank", ["\n", "  \n", " \t \r\n", "\u00a0\n", "\x0b\x0c\n"])
def test_a_line_of_white_space_is_counted_but_is_no_row(blank: str) -> None:
    assert rows(f"{blank}a,b,c,d\n{blank}{blank}e,f,g,h\n{blank}") == [
        (3, ["a", "b", "c", "d"]),
        (6, ["e", "f", "g", "h"]),
    ]


def test_a_blank_line_inside_quotes_belongs_to_its_cell() -> None:
    assert rows('a,"\n \n",c,d\n') == [(2, ["a", "\n \n", "c", "d"])]


def test_a_line_of_delimiters_is_a_row_also_where_they_are_tabs() -> None:
    assert rows(",,,\n") == [(2, [""] * 4)]
    content = (HEADER + ",,,\n \n").replace(",", "\t").encode()
    assert read(content) == [Record(2, [""] * 4, None)]


def test_a_quote_in_the_midst_of_a_cell_is_a_character() -> None:
    assert rows('5" nail,b,c,d\n"a" b,c,d,e\n') == [(2, ['5" nail', "b", "c", "d"]), (3, ["a b", "c", "d", "e"])]


def test_an_apostrophe_before_a_formula_is_dropped_and_any_other_stays() -> None:
    assert rows("'=1+1,'tis,'+91 98,O'Brien\n") == [(2, ["=1+1", "'tis", "+91 98", "O'Brien"])]


def test_the_stream_is_left_open() -> None:
    stream = io.BytesIO(HEADER.encode())
    assert list(read_records(stream, judge(HEADER.encode()))) == []
    assert not stream.closed


@pytest.mark.parametrize(
    ("text", "line_number"),
    [
        ('a,"b,c,d\ne,f,g,h\n', 2),
        ("a,b,c,d\n\n" + 'e,f,g,"h\n\n\n', 4),
        ('a,"b\nb",c,"d\nx\n', 3),
        ('a,"b ""\n"" ""\n"" b",c,"d ""\n', 4),
        ('a,"b ""\n"" c\n', 2),
        ('a,"', 2),
    ],
)
def test_a_quote_open_at_the_end_is_named_by_the_line_it_opened_on(text: str, line_number: int) -> None:
    problem = open_quote(text)
    assert (problem.code, problem.line_number) == (FileCode.UNCLOSED_QUOTE, line_number)
    assert f"line {line_number} " in problem.detail


@pytest.mark.slow
def test_a_quote_open_for_more_than_a_record_may_have_is_unclosed_whatever_follows() -> None:
    text = 'a,b,c,d\na,"' + "x\n" * RECORD_LIMIT + '",c,d\n'
    assert open_quote(text).line_number == 3
    assert open_quote('a,"' + "x" * (RECORD_LIMIT + 5000) + '",c,d\n').line_number == 2


def test_the_rows_before_an_unclosed_quote_are_read() -> None:
    content = (HEADER + 'a,b,c,d\n"e,f\n').encode()
    records = read_records(io.BytesIO(content), judge(content))
    assert next(records).cells == ["a", "b", "c", "d"]
    with pytest.raises(UnclosedQuote):
        next(records)


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_a_record_may_be_as_long_as_the_limit_and_not_a_character_longer(line_end: str) -> None:
    longest = "x" * (RECORD_LIMIT - len(",b,c,d" + line_end))
    records = read(f"{HEADER}{longest},b,c,d{line_end}{longest}x,b,c,d{line_end}a,b,c,d{line_end}".encode())
    assert [(record.line_number, record.fault) for record in records] == [
        (2, None),
        (3, RowCode.ROW_TOO_LONG),
        (4, None),
    ]
    assert records[0].cells[0] == longest


@pytest.mark.parametrize("length", [RECORD_LIMIT, RECORD_LIMIT + 4090, 2 * RECORD_LIMIT, 5 * RECORD_LIMIT])
@pytest.mark.parametrize("block_sizes", [(65536,), (40_000, 1, 2)])
def test_a_record_too_long_is_one_row_and_keeps_its_beginning(length: int, block_sizes: tuple[int, ...]) -> None:
    content = f"{HEADER}Ada,{'x,' * (length // 2)},y\na,b,c,d\n".encode()
    too_long, after = read(content, block_sizes=block_sizes)
    assert (too_long.line_number, too_long.fault, too_long.cells[:2]) == (2, RowCode.ROW_TOO_LONG, ["Ada", "x"])
    assert sum(map(len, too_long.cells)) <= 2048
    assert after == Record(3, ["a", "b", "c", "d"], None)


def test_quotes_in_the_rest_of_a_record_too_long_still_hold_their_newlines() -> None:
    text = "x" * (2 * RECORD_LIMIT) + ',"b\nb","c\n""c",d\na,b,c,d\n'
    assert [line_number for line_number, _ in rows(text)] == [2, 5]
    assert open_quote("x" * (2 * RECORD_LIMIT) + ',b,c\n"\n').line_number == 3
    assert open_quote("x" * (2 * RECORD_LIMIT) + ',b,"c\n').line_number == 2


def test_a_long_line_is_not_cut_in_the_midst_of_a_doubled_quote() -> None:
    for shift in range(4):
        text = "a," + "x" * (RECORD_LIMIT + 4085 - shift) + ',"' + '""' * 8 + '\n",d\na,b,c,d\n'
        assert [line_number for line_number, _ in rows(text)] == [2, 4]


def test_a_long_line_cut_before_a_quote_inside_a_cell_opens_none() -> None:
    for shift in range(4):
        text = "x" * (RECORD_LIMIT + 4094 + shift) + '" nail,b,c,d\na,b,c,d\n'
        assert [line_number for line_number, _ in rows(text)] == [2, 3]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stream", "problem"),
    [
        (LongLine(b"x", 200 << 20), None),
        (LongLine(b",", 20 << 20), None),
        (LongLine(b"x", 200 << 20, b"\na,b,c,d\n"), None),
        (LongLine(b'"', 20 << 20), None),
        (LongLine(b'"x', 20 << 20), None),
        (LongLine(b'""x', 20 << 20, b'"'), None),
        (LongLine(b',"x\n"', 20 << 20), UnclosedQuote),
        (LongLine(b",x\n", 2 << 20, b'"'), UnclosedQuote),
        (LongLine(b'x"', 200 << 20), None),
        (LongLine(b"\n", 2 << 20), None),
    ],
    ids=[
        "letters",
        "delimiters",
        "letters and a row",
        "quotes",
        "quotes and letters",
        "doubled quotes",
        "quoted line ends",
        "an open quote",
        "letters and quotes",
        "line ends",
    ],
)
def test_memory_stays_bounded_whatever_the_lines(stream: LongLine, problem: type[FileProblem] | None) -> None:
    reading = read_in_fresh_process(stream, HEADERLESS)
    assert reading.problem is problem
    assert reading.most_characters <= 2048
    # A record as text, in csv.reader's hands, and as a list of as many empty cells.
    assert reading.peak_bytes < 16 << 20


def test_bytes_that_the_encoding_does_not_know_end_the_reading() -> None:
    content = (HEADER + "a,b,c,d\n" * 20_000).encode()
    records = read_records(io.BytesIO(content + b"\xff\n"), judge(content))
    with pytest.raises(FileProblem) as caught:
        list(records)
    assert caught.value.code is FileCode.WRONG_ENCODING


def test_a_character_cut_off_at_the_end_is_noticed() -> None:
    content = HEADER.encode()
    with pytest.raises(FileProblem) as caught:
        list(read_records(io.BytesIO(content + "é".encode()[:1]), judge(content)))
    assert caught.value.code is FileCode.WRONG_ENCODING


def test_a_given_encoding_is_read_to_the_end() -> None:
    content = (HEADER + "山田,会社,1234567,a@b.example\n").encode("shift_jis")
    assert read(content, FormatOptions(encoding="shift_jis"))[0].cells[:2] == ["山田", "会社"]


@pytest.mark.skipif(not ORIGINAL_EXAMPLE.exists(), reason="the original example is not part of the repository")
def test_the_original_example_is_accepted_whole() -> None:
    content = ORIGINAL_EXAMPLE.read_bytes()
    judged = judge(content)
    outcomes = [check_row(record.cells, judged.layout) for record in read(content)]
    assert check_bytes(content).decodes
    assert len(outcomes) == 38
    assert not any(isinstance(outcome, list) for outcome in outcomes)
