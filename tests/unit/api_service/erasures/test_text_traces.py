"""A stored text without a person has the same rows on the same lines, and every other byte is what it was."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Final

import pytest

from api_service.erasures.text_traces import TextSearch
from shared.rows.csv_format import CsvFormat
from shared.rows.layout import Layout, layout_of_names
from shared.rows.named_people import NamedPeople
from shared.rows.reader_versions import read_records
from shared.rows.record import Record

EMAIL: Final = "ada@heron.example"
HEADER: Final = "employee_name,company_name,mobile_no,email\r\n"
FORMAT: Final = CsvFormat(
    encoding="utf-8",
    encoding_guessed=False,
    delimiter=",",
    has_header=True,
    columns=("employee_name", "company_name", "mobile_no", "email"),
    layout=layout_of_names(["employee_name", "company_name", "mobile_no", "email"]),
    reader_version=2,
    first_row_line=2,
)
OTHERS: Final = 'Bo,"Heron, Inc",+493055502,bo@heron.example\r\n   \r\n,,,\r\nCy,"a\nb",+493055503,cy@heron.example\n'


def search(csv_format: CsvFormat) -> TextSearch:
    return TextSearch(NamedPeople(EMAIL.__eq__), EMAIL, csv_format)


def without(content: bytes, csv_format: CsvFormat = FORMAT, *, breaks_quotes: bool = False) -> bytes:
    """What is left; it names nobody, and is read as many rows on the same lines."""
    looking = search(csv_format)
    traces = looking.find(lambda: io.BytesIO(content))
    left = b"".join(looking.masked(io.BytesIO(content), traces, breaks_quotes=breaks_quotes))
    after = looking.find(lambda: io.BytesIO(left))
    assert after.are_none
    assert after.shape == traces.shape
    return left


def records(content: bytes, csv_format: CsvFormat = FORMAT) -> list[Record]:
    return list(read_records(io.BytesIO(content), csv_format))


@pytest.mark.parametrize(
    "row",
    [
        "Ada,Heron,+493055501,ada@heron.example\r\n",
        "Ada,Heron,+493055501,ADA@Heron.example\n",
        '"Ada ""A"" Cole","Heron,\r\n\r\nInc",+493055501,"Ada <ada@heron.example>"\r\n',
        '  "Ada, A"  ,Heron, +493055501 ,\tada@heron.example\r',
        "Ada,Heron,Inc,+493055501,ada@heron.example\n",
        "Ada,ada@heron.example\n",
        'Ada,"Heron "x" Inc",+493055501,ada@heron.example\n',
        "Ada\u00e4\u4e2d\U0001f600,Heron,+493055501,ada@heron.example\n",
        "Ada,Heron,+493055501,\uff41da@heron.example\n",
    ],
)
def test_row_of_the_person_says_nothing_more(row: str) -> None:
    content = f"{HEADER}{OTHERS}{row}{OTHERS}".encode()

    left = without(content)

    assert left.startswith(f"{HEADER}{OTHERS}".encode())
    assert left.endswith(OTHERS.encode())
    assert b"Ada" not in left
    assert b"493055501" not in left
    before, after = records(content), records(left)
    assert [record.line_number for record in before] == [record.line_number for record in after]
    assert sum(one != other for one, other in zip(before, after, strict=True)) == 1


def test_mention_in_the_row_of_another_goes_alone() -> None:
    row = "Dee,Heron (ask ada@heron.example),+493055504,dee@heron.example\n"

    left = without(f"{HEADER}{row}".encode())

    assert left.decode() == HEADER + row.replace(EMAIL, "x" * len(EMAIL))


def test_mentions_above_the_header_and_in_it_go() -> None:
    content = f"list of ada@heron.example\n{HEADER}{OTHERS}".encode()

    left = without(content, replace(FORMAT, header_line=2, first_row_line=3))

    assert left == content.replace(EMAIL.encode(), b"x" * len(EMAIL))


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "cp932", "gb18030", "cp037"],
)
def test_every_encoding_keeps_its_bytes(encoding: str) -> None:
    row = "Ada,Heron,+493055501,ada@heron.example\r\n"
    content = f"{HEADER}{OTHERS}{row}{OTHERS}".encode(encoding)

    left = without(content, replace(FORMAT, encoding=encoding))

    masked = f"{HEADER}{OTHERS}xxx,xxxxx,{'x' * 10},{'x' * 17}\r\n{OTHERS}"
    assert left == masked.encode(encoding)


def test_bytes_that_no_encoding_reads_stay() -> None:
    content = HEADER.encode() + b"B\xff\xfeo,H\x80,1,bo@heron.example\nAda,\xff,1,ada@heron.example\n"

    left = without(content)

    assert left.startswith(HEADER.encode() + b"B\xff\xfeo,H\x80,1,bo@heron.example\n")


def test_escaped_quotes_and_other_delimiters_keep_their_cells() -> None:
    csv_format = replace(FORMAT, delimiter=";", backslash_escapes=True)
    content = (
        HEADER.replace(",", ";") + '"Ada \\"A\\" C";"He;ron";1;ada@heron.example\nBo;H;1;bo@heron.example\n'
    ).encode()

    left = without(content, csv_format)

    assert [len(record.cells) for record in records(left, csv_format)] == [4, 4]


def test_text_of_the_first_reader_is_read_by_it() -> None:
    csv_format = replace(FORMAT, reader_version=1, first_row_line=1)
    content = f'{HEADER}{OTHERS}Ada,Heron,1,ada@heron.example\nDee,"never closed ada@heron.example,1,d@heron.example\n'

    left = without(content.encode(), csv_format)

    assert EMAIL.encode() not in left


def test_email_joined_from_no_column_is_found_in_any() -> None:
    layout = Layout(5, {"employee_name": (0, 1), "company_name": (2,), "mobile_no": (3,), "email": (4,)})
    csv_format = replace(FORMAT, layout=layout, columns=("a", "b", "c", "d", "e"))
    content = b"a,b,c,d,e\nAda,Cole,Heron,1,ada@heron.example\nBo,Li,Heron,2,bo@heron.example\n"

    left = without(content, csv_format)

    assert left == b"a,b,c,d,e\nxxx,xxxx,xxxxx,x,xxxxxxxxxxxxxxxxx\nBo,Li,Heron,2,bo@heron.example\n"


@pytest.mark.slow
def test_long_line_without_an_end_is_not_held() -> None:
    line = "Ada," + "H" * 3_000_000 + ",1,ada@heron.example"
    left = without(f"{HEADER}{line}\n{OTHERS}".encode())

    assert left.endswith(b"\n" + OTHERS.encode())
