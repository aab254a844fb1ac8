"""Where the header is found, what stands above it, and how it is said that there is none."""

from __future__ import annotations

import pytest

from shared.errors import FileCode, FileProblem
from shared.rows.column_options import parse_columns
from shared.rows.column_source import Why
from shared.rows.format_judge import FormatOptions
from tests.support.csv_files import judge, read

HEADER = "Name,Company,Phone,Email\n"
ROWS = "Ann Lee,Acme,+1 201 555 0101,ann@b.example\nBen Ray,Oak,+1 201 555 0102,ben@b.example\n"


def refusal(text: str, options: FormatOptions | None = None) -> FileProblem:
    with pytest.raises(FileProblem) as caught:
        judge(text.encode(), options)
    return caught.value


@pytest.mark.parametrize(
    "titles",
    [
        "Staff list - confidential,,,\nGenerated 2026-11-01,,,\n,,,\n",
        "Exported by,Oak HR,2026-11-01,hr@b.example\n",
        "#TYPE Selected.Microsoft.ActiveDirectory.Management.ADUser\n",
        '"EXTF";700;16;"Debitoren/Kreditoren";5;20261101;;"RE"\n',
        'Staff of "Oak\n"All of them,,,\n',
        '"A title\nof two lines",,,\n',
        "\n\n  \nStaff\n\n",
        "x\n" * 19,
        f"{'x' * 300_000}\n",
    ],
)
def test_titles_above_the_header_are_no_rows_and_are_shown(titles: str) -> None:
    judged = judge((titles + HEADER + ROWS).encode())
    assert judged.columns == ("Name", "Company", "Phone", "Email")
    assert judged.header_line == titles.count("\n") + 1
    assert judged.preamble == tuple(line[:1000] for line in titles.splitlines() if line.strip())
    rows = read((titles + HEADER + ROWS).encode())
    assert [(row.line_number, row.cells[0]) for row in rows] == [
        (judged.header_line + 1, "Ann Lee"),
        (judged.header_line + 2, "Ben Ray"),
    ]


def test_a_header_is_looked_for_among_twenty_records_and_not_beyond() -> None:
    problem = refusal("x\n" * 20 + HEADER + ROWS)
    assert problem.code is FileCode.MISSING_COLUMNS
    assert judge(("x\n" * 20 + HEADER + ROWS).encode(), FormatOptions(header_line=21)).header_line == 21


def test_a_header_of_several_lines_is_one() -> None:
    content = ("Title\n" + 'Name,Company,"Phone\n(mobile)",Email\n' + ROWS).encode()
    judged = judge(content)
    assert (judged.header_line, judged.first_row_line) == (2, 4)
    assert [row.line_number for row in read(content)] == [4, 5]


@pytest.mark.parametrize("line", ["sep=;", "SEP=;", '"sep=;"', "sep=;;;;", "\ufeffsep=;"])
def test_a_sep_line_gives_the_delimiter_and_is_no_row(line: str) -> None:
    content = f"{line}\n{HEADER}{ROWS}".replace(",", ";").encode()
    judged = judge(content)
    assert (judged.delimiter, judged.header_line, judged.preamble) == (";", 2, ())
    assert len(read(content)) == 2


@pytest.mark.parametrize(("hint", "written"), [("^", "^"), ("\t", "\t"), ("|", "|"), (";", ","), (",", ";")])
def test_a_sep_line_is_a_hint_and_the_header_decides(hint: str, written: str) -> None:
    judged = judge(f"sep={hint}\n{HEADER.replace(',', written)}".encode())
    assert (judged.delimiter, judged.header_line) == (written, 2)


@pytest.mark.parametrize("line", ["sep=", "sep=ab", "sep=x", "sep=@", "separator=;"])
def test_a_line_that_hints_at_no_delimiter_is_a_title(line: str) -> None:
    assert judge(f"{line}\n{HEADER}".encode()).preamble == (line,)


def test_a_sep_line_is_skipped_in_a_file_without_a_header() -> None:
    content = f"sep=;\n{ROWS.replace(',', ';')}".encode()
    assert [row.line_number for row in read(content, FormatOptions(header="absent"))] == [2, 3]


def test_header_line_says_where_the_header_is() -> None:
    content = f"Name,Company,Phone,Email\nold names\n{HEADER}{ROWS}"
    judged = judge(content.encode(), FormatOptions(header_line=3))
    assert (judged.header_line, len(judged.preamble)) == (3, 2)
    assert refusal(content, FormatOptions(header_line=2)).code is FileCode.MISSING_COLUMNS
    assert refusal(content, FormatOptions(header_line=99)).code is FileCode.NO_HEADER


def test_the_line_that_comes_nearest_is_the_one_whose_columns_are_told() -> None:
    problem = refusal("Staff list\nDate,2026-11-01\nName,Firm,Colour,Email\n" + ROWS)
    assert problem.code is FileCode.MISSING_COLUMNS
    assert [error["field"] for error in problem.errors] == ["mobile_no"]
    assert "Line 3" in problem.detail
    assert "“Colour”" in problem.detail


def test_a_header_in_a_language_that_is_not_known_is_no_missing_header() -> None:
    problem = refusal("Titel\nNavn,Selskap,Nummer,Adresse\n" + ROWS)
    assert problem.code is FileCode.MISSING_COLUMNS
    assert "“Navn”" in problem.detail


@pytest.mark.parametrize(
    "first",
    [
        "Maria,Rossi,+39 06 5550 0101,m.rossi@b.example",
        "m2@b.example,Maria Rossi,+39 06 5550 0103,Olivetti",
        "Maria Rossi,Olivetti,+39 06 5550 0103,none",
        "Name,Company,Phone,name@b.example",
        "Title\nMaria,Rossi,+39 06 5550 0101,m.rossi@b.example",
    ],
)
def test_a_file_without_a_header_is_asked_about(first: str) -> None:
    assert refusal(f"{first}\n{ROWS}").code is FileCode.NO_HEADER


@pytest.mark.parametrize("above", [1, 3])
def test_an_employee_above_the_header_is_not_taken_for_a_title(above: int) -> None:
    text = "Cat Fox,Oak,+1 201 555 0103,cat@b.example\n" * above + HEADER + ROWS
    problem = refusal(text)
    assert problem.code is FileCode.NO_HEADER
    assert f"headerLine={above + 1}" in problem.detail
    assert judge(text.encode(), FormatOptions(header_line=above + 1)).header_line == above + 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("line_end", ["\r\n", "\r"])
def test_lines_are_counted_as_the_file_ends_them(encoding: str, line_end: str) -> None:
    content = ("sep=,\nStaff\n" + HEADER + ROWS).replace("\n", line_end).encode(encoding)
    judged = judge(content)
    assert (judged.header_line, judged.first_row_line, judged.preamble) == (3, 4, ("Staff",))
    assert [row.line_number for row in read(content)] == [4, 5]


def test_columns_say_what_a_file_without_a_header_has() -> None:
    options = FormatOptions(columns=parse_columns("-,email,mobile_no,last name,first name,company_name"))
    content = b"7;ann@b.example;+12015550101;Lee;Ann;Acme\n"
    judged = judge(content, options)
    assert judged.delimiter == ";"
    assert judged.header_line is None
    assert {name: source.columns for name, source in judged.sources.items()} == {
        "employee_name": (4, 3),
        "company_name": (5,),
        "mobile_no": (2,),
        "email": (1,),
    }
    assert {source.why for source in judged.sources.values()} == {Why.POSITION}
    assert len(read(content, options)) == 1


def test_columns_that_lack_a_needed_field_are_refused() -> None:
    problem = refusal(ROWS, FormatOptions(columns=parse_columns("employee_name,-,mobile_no,email")))
    assert [error["field"] for error in problem.errors] == ["company_name"]


def test_a_header_with_a_broken_quote_is_said_to_be_that() -> None:
    assert refusal('Title\nName,"Company,Phone,Email\n' + ROWS).code is FileCode.UNCLOSED_QUOTE


def test_rows_with_broken_quotes_do_not_hide_what_the_header_lacks() -> None:
    assert refusal('Name,Company,Email\n"Ann Lee,Acme,ann@b.example\n').code is FileCode.MISSING_COLUMNS


def test_a_long_header_is_read_with_its_quotes() -> None:
    more = ",".join(f'"column ""{number}"", of many"' for number in range(12_000))
    content = f"{more},{HEADER}".encode() + b"," * 12_000 + ROWS.splitlines()[0].encode()
    judged = judge(content)
    assert judged.columns[0] == 'column "0", of many'
    assert len(judged.columns) == 12_004
    assert [row.cells[-1] for row in read(content)] == ["ann@b.example"]
