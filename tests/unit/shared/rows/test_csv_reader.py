"""Records and their line numbers, each kind of broken quote, and constant memory, by the rules of reader version 2."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from shared.errors import RowCode
from shared.rows.csv_format import CsvFormat
from shared.rows.csv_reader import read_records
from shared.rows.fields import REQUIRED_NAMES
from shared.rows.format_judge import FormatOptions
from shared.rows.layout import layout_of_names
from shared.rows.record import Record
from shared.rows.text_lines import RECORD_LIMIT
from tests.support.csv_files import judge, read
from tests.support.long_lines import LongLine, read_in_fresh_process

HEADER = "employee_name,company_name,mobile_no,email\n"
HEADERLESS = CsvFormat("utf-8", False, ",", False, REQUIRED_NAMES, layout_of_names(REQUIRED_NAMES), reader_version=2)
BROKEN = RowCode.MALFORMED_QUOTES


def rows(text: str, options: FormatOptions | None = None) -> list[tuple[int, list[str]]]:
    """Lines and cells of rows without a fault."""
    records = read((HEADER + text).encode(), options)
    assert not any(record.fault for record in records)
    return [(record.line_number, record.cells) for record in records]


def faults(text: str) -> list[tuple[int, RowCode | None]]:
    return [(record.line_number, record.fault) for record in read((HEADER + text).encode())]


def test_rows_come_with_the_line_they_start_on() -> None:
    assert rows("a,b,c,d\ne,f,g,h") == [(2, ["a", "b", "c", "d"]), (3, ["e", "f", "g", "h"])]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_lines_are_counted_by_any_line_end(line_end: str) -> None:
    text = 'a,"b\n\nb",c,d\n\ne,f,g,h\n'.replace("\n", line_end)
    assert [line_number for line_number, _ in rows(text)] == [2, 6]


def test_quoted_newlines_quotes_and_delimiters_come_back_as_they_were() -> None:
    assert rows('"a\r\nA","b ""B""","c,C",d\n') == [(2, ["a\r\nA", 'b "B"', "c,C", "d"])]


@pytest.mark.parametrize("blank", ["\n", "  \n", " \t \r\n", "\u00a0\n", "\x0b\x0c\n"])
def test_a_line_of_white_space_is_counted_but_is_no_row(blank: str) -> None:
    assert [number for number, _ in rows(f"{blank}a,b,c,d\n{blank}{blank}e,f,g,h\n{blank}")] == [3, 6]


def test_a_quote_in_the_midst_of_an_unquoted_cell_is_a_character() -> None:
    assert rows('Tom "Tiny" West,5" Disk Ltd,c,d\n') == [(2, ['Tom "Tiny" West', '5" Disk Ltd', "c", "d"])]


@pytest.mark.parametrize("blanks", [" ", "  ", "\t", " \t "])
def test_blanks_around_a_quoted_cell_do_not_count_and_those_of_an_unquoted_one_stay(blanks: str) -> None:
    assert rows(f'a,{blanks}"Lee, Ann"{blanks},{blanks}c{blanks},"d"{blanks}\n') == [
        (2, ["a", "Lee, Ann", f"{blanks}c{blanks}", "d"])
    ]


def test_a_tab_that_delimits_is_no_blank() -> None:
    content = HEADER.replace(",", "\t") + 'a\t "b"\t"c" \t\t\n'
    assert [record.cells for record in read(content.encode())] == [["a", "b", "c", "", ""]]


@pytest.mark.parametrize(
    "line",
    [
        '"Robert "Bobby" Stone",b,c,d',
        '"Big" Al,b,c,d',
        'a,"b"x,c,d',
        'a,"b" "b",c,d',
        'a,"b\\"b",c,d',
        'a,b,c,"d',
        'a,b,c,"',
        ' "a" b,b,c,d',
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_one_broken_quote_costs_one_row(line: str, line_end: str) -> None:
    text = f"e,f,g,h\n{line}\ni,j,k,l\nm,n,o,p\n".replace("\n", line_end)
    records = read((HEADER.replace("\n", line_end) + text).encode())
    assert [(record.line_number, record.fault) for record in records] == [(2, None), (3, BROKEN), (4, None), (5, None)]
    assert "line 3" in (records[1].message or "")
    assert "".join(records[1].cells).count("d") == 1 or line.count("d") != 1


def test_what_is_left_of_a_broken_row_is_shown_as_it_stands() -> None:
    (broken,) = read((HEADER + 'Ann,"Acme "x" Ltd",+1 23,ann@b.example\n').encode())
    assert broken.cells == ["Ann", '"Acme "x" Ltd"', "+1 23", "ann@b.example"]


def test_a_missing_end_quote_costs_its_row_and_none_of_those_that_it_swallowed() -> None:
    text = 'Ann,"Acme,1,a@b.example\nBen,Acme,2,b@b.example\nCat,"North",3,c@b.example\nDan,Acme,4,d@b.example\n'
    records = read((HEADER + text).encode())
    assert [(record.line_number, record.fault) for record in records] == [(2, BROKEN), (3, None), (4, None), (5, None)]
    assert records[2].cells[1] == "North"


def test_the_line_named_is_that_of_the_quote_and_the_record_up_to_there_is_refused() -> None:
    records = read((HEADER + '"Ann\nLee","Acme\nInc","+1 23,a@b.example\nBen,Acme,2,b@b.example\n').encode())
    assert [(record.line_number, record.fault) for record in records] == [(2, BROKEN), (5, None)]
    assert records[0].cells == ["Ann\nLee", "Acme\nInc", '"+1 23', "a@b.example"]
    assert "line 4" in (records[0].message or "")


MOVED = 'Ann,"Acme,1,a@b.example\nBen,Oak",2,b@b.example\nCat,"North",3,c@b.example\n'


def test_a_cell_that_holds_a_whole_row_has_lost_its_quote_to_another_line_and_both_are_refused() -> None:
    records = read((HEADER + MOVED).encode())
    assert [(record.line_number, record.fault) for record in records] == [(2, BROKEN), (3, BROKEN), (4, None)]
    assert [record.cells[-1] for record in records] == ["a@b.example", "b@b.example", "c@b.example"]
    assert all("line 2" in (record.message or "") for record in records[:2])


def test_rows_between_a_quote_and_where_it_was_moved_to_are_not_lost() -> None:
    between = "".join(f"P{number},Acme,{number},p{number}@b.example\n" for number in range(5000))
    text = MOVED.replace("Ben", between + "Ben")
    found = faults(text)
    assert [line for line, fault in found if fault] == [2, 5003]
    assert [line for line, _ in found] == list(range(2, 5005))


@pytest.mark.parametrize(
    "text",
    [
        '"Ann\nLee",Acme,1,a@b.example\n',
        'Ann,"Acme\nSecond Floor, Annexe",1,a@b.example\n',
        'Ann,Acme,1,"a@b.example\n"\n',
        'Ann,"Acme\nWrite to: x, y, nobody, here",1,a@b.example\n',
    ],
)
def test_an_honest_cell_of_several_lines_is_read(text: str) -> None:
    assert len(rows(text + "Ben,Acme,2,b@b.example\n")) == 2


def test_notes_behind_the_email_may_have_several_lines() -> None:
    content = HEADER.replace("\n", ",notes\n") + 'Ann,Acme,1,a@b.example,"first\nsecond, third\n"\n'
    assert [record.fault for record in read(content.encode())] == [None]


@pytest.mark.parametrize("swallowed", [3, 5000, 120_000])
def test_a_quote_open_at_the_end_or_at_the_record_limit_costs_its_line_alone(swallowed: int) -> None:
    text = 'Ann,"Acme,1,a@b.example\n' + "b,c,d,e\n" * swallowed
    assert faults(text) == [(2, BROKEN), *((line, None) for line in range(3, swallowed + 3))]


def test_backslash_escapes_are_read_when_they_are_said_to_be_there_and_else_the_message_says_how() -> None:
    text = '"Mary \\"Mimi\\" Ford",Acme,1,a@b.example\n"Dee","The \\"A, B\\" Shop","C:\\\\x\\y",d@b.example\n'
    assert rows(text, FormatOptions(escape="backslash")) == [
        (2, ['Mary "Mimi" Ford', "Acme", "1", "a@b.example"]),
        (3, ["Dee", 'The "A, B" Shop', "C:\\x\\y", "d@b.example"]),
    ]
    records = read((HEADER + text).encode())
    assert [record.fault for record in records] == [BROKEN, BROKEN]
    assert all("escape=backslash" in (record.message or "") for record in records)


def test_an_apostrophe_before_a_formula_is_dropped_and_any_other_stays() -> None:
    assert rows("'=1+1,'tis,'+91 98,O'Brien\n") == [(2, ["=1+1", "'tis", "+91 98", "O'Brien"])]
    assert rows("'=1+1, \"'-x\",c,d\n") == [(2, ["=1+1", "-x", "c", "d"])]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_a_record_may_be_as_long_as_the_limit_and_not_a_character_longer(line_end: str) -> None:
    longest = "x" * (RECORD_LIMIT - len(",b,c,d" + line_end))
    records = read(f"{HEADER}{longest},b,c,d{line_end}{longest}x,b,c,d{line_end}a,b,c,d{line_end}".encode())
    assert [record.fault for record in records] == [None, RowCode.ROW_TOO_LONG, None]
    assert records[0].cells[0] == longest
    (last,) = read(f"{HEADER}{longest},b,c,d{'x' * len(line_end)}".encode())
    assert last.fault is None


@pytest.mark.parametrize("length", [RECORD_LIMIT, RECORD_LIMIT + 4090, 5 * RECORD_LIMIT])
@pytest.mark.parametrize("block_sizes", [(65536,), (40_000, 1, 2)])
def test_a_line_too_long_is_one_row_and_keeps_its_beginning(length: int, block_sizes: tuple[int, ...]) -> None:
    content = f"{HEADER}Ada,{'x,' * (length // 2)},y\na,b,c,d\n".encode()
    too_long, after = read(content, block_sizes=block_sizes)
    assert (too_long.line_number, too_long.fault, too_long.cells[:2]) == (2, RowCode.ROW_TOO_LONG, ["Ada", "x"])
    assert sum(map(len, too_long.cells)) <= 2048
    assert after == Record(3, ["a", "b", "c", "d"], None)


def test_a_record_of_several_lines_that_ends_beyond_the_limit_is_too_long_as_a_whole() -> None:
    half = "x" * (RECORD_LIMIT // 2)
    assert faults(f'"{half}\n{half}",b,c,d\ne,f,g,h\n') == [(2, RowCode.ROW_TOO_LONG), (4, None)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "stream",
    [
        LongLine(b"x", 30 << 20),
        LongLine(b",", 5 << 20),
        LongLine(b'"', 5 << 20),
        LongLine(b'"x', 5 << 20),
        LongLine(b'""x', 5 << 20, b'"'),
        LongLine(b',"x\n"', 300_000),
        LongLine(b'"a\n', 100_000),
        LongLine(b'a,b,1,e@x.example","\n', 300_000),
        LongLine(b",x\n", 1 << 20, b'"'),
        LongLine(b"\n", 2 << 20),
    ],
)
def test_memory_stays_bounded_whatever_the_lines(stream: LongLine) -> None:
    reading = read_in_fresh_process(stream, HEADERLESS)
    assert reading.problem is None
    assert reading.most_characters <= 2 * RECORD_LIMIT
    # A record as text, in pieces, and as a list of as many empty cells.
    assert reading.peak_bytes < 24 << 20


def test_bytes_that_the_encoding_does_not_know_are_shown_as_such_and_end_nothing() -> None:
    content = HEADER.encode() + b"a,b\xff,c,d\ne,f,g,h\xc3"
    assert [record.cells for record in read_records(io.BytesIO(content), judge(HEADER.encode()))] == [
        ["a", "b\ufffd", "c", "d"],
        ["e", "f", "g", "h\ufffd"],
    ]


def test_what_stands_above_the_header_is_passed() -> None:
    content = b'Staff of "Acme\n\nname,company,phone,email\na,b,c,d\n'
    form = replace(HEADERLESS, has_header=True, first_row_line=4)
    assert list(read_records(io.BytesIO(content), form)) == [Record(4, ["a", "b", "c", "d"], None)]


def test_the_stream_is_left_open() -> None:
    stream = io.BytesIO(HEADER.encode())
    assert list(read_records(stream, judge(HEADER.encode()))) == []
    assert not stream.closed
