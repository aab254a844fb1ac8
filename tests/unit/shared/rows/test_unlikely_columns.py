"""Columns that hold something else than their name says are asked about, and broken values are not."""

from __future__ import annotations

import pytest

from shared.errors import FileCode, FileProblem
from shared.rows.format_judge import FormatOptions
from tests.support.csv_files import judge, read

GOOD = ("Ann Lee", "Acme", "+1 201 555 0101", "ann@b.example")
FIELDS = ("name", "company", "phone", "mail")


def file(column: str, cells: list[str], header: tuple[str, ...] = FIELDS) -> bytes:
    place = FIELDS.index(column)
    rows = [",".join([*GOOD[:place], f'"{cell}"', *GOOD[place + 1 :]]) for cell in cells]
    return "\n".join([",".join(header), *rows]).encode()


def is_asked(content: bytes, options: FormatOptions | None = None) -> bool:
    try:
        judge(content, options)
    except FileProblem as problem:
        return problem.code is FileCode.UNLIKELY_COLUMNS
    return False


WRONG = [
    ("mail", ["jdoe", "aroe", "Ann Lee", "@ann"]),
    ("mail", ["yes", "no", "no", "yes"]),
    ("mail", ["1 Main Street", "2 Oak Road", "3 High Street", "4 Lane"]),
    ("phone", ["1001", "1002", "1003", "1004"]),
    ("phone", ["Room 12", "Room 13", "Room 14", "Room 15"]),
    ("phone", ["ann@b.example", "ben201555@b.example", "c@b.example", "d@b.example"]),
    ("name", ["E-1041", "E-1042", "E-1043", "EMP/10"]),
    ("name", ["ann@b.example"] * 4),
    ("company", ["+1 201 555 0101"] * 4),
]
BROKEN = [
    ("mail", ["ann@b", "a b@c.example", "ann@b,example", "ann@b..example"]),
    ("mail", ["a@b.example; c@d.example", "Ann <ann@b.example>", "ann@192.168.0.1", "ann@b.example."]),
    ("mail", ["#N/A", "#REF!", "#VALUE!", "#NAME?"]),
    ("phone", ["555-0101\n555-0102", "555 0103  555 0104", "5550105 - 5550106", "5550107 ::: 5550108"]),
    ("phone", ["9.19E+11", "4,4E+11", "#N/A", "#DIV/0!"]),
    ("phone", ["+1 201 555 0101 x12", "2015550101 ext. 4", "2026-11-01", "11111111"]),
    ("phone", ["-", "n/a", "", "none"]),
    ("name", ["Person1", "User123", "x9", "Ann2"]),
    ("name", ["김민준", "李小龙", "Ö", "J. R."]),
    ("company", ["3M", "1&1", "88", "AC0001"]),
]


@pytest.mark.parametrize(("column", "cells"), WRONG)
def test_a_column_of_something_else_is_asked_about(column: str, cells: list[str]) -> None:
    assert is_asked(file(column, cells))


@pytest.mark.parametrize(("column", "cells"), BROKEN)
def test_a_column_of_broken_values_is_left_to_its_rows(column: str, cells: list[str]) -> None:
    assert len(read(file(column, cells))) == len(cells)


@pytest.mark.parametrize(
    ("wrong", "good", "asked"), [(3, 0, False), (4, 0, True), (2, 2, False), (3, 2, True), (50, 50, False)]
)
def test_more_than_half_of_at_least_four_make_it_unlikely(wrong: int, good: int, asked: bool) -> None:
    assert is_asked(file("mail", ["jdoe"] * wrong + ["ann@b.example"] * good)) is asked


def test_the_answer_names_column_rule_and_positions_and_no_content() -> None:
    with pytest.raises(FileProblem) as caught:
        judge(file("phone", ["1001", "1002", "+1 201 555 0101", "1003"]))
    [error] = caught.value.errors
    assert (error["field"], error["column"]) == ("mobile_no", "phone")
    for text in (caught.value.detail, error["detail"]):
        assert "“phone”" in text
        assert "at least 7 digits" in text
        assert "line 2, column 3, and line 3, column 3" in text
        assert "1001" not in text


@pytest.mark.parametrize("options", [FormatOptions(header="present"), FormatOptions(mapping={"email": ["mail"]})])
def test_what_the_sender_says_settles_it(options: FormatOptions) -> None:
    assert not is_asked(file("mail", ["jdoe"] * 9), options)


def test_a_mapping_settles_its_own_field_alone() -> None:
    assert is_asked(file("mail", ["jdoe"] * 9), FormatOptions(mapping={"mobile_no": ["phone"]}))


def test_only_what_another_field_is_counts_in_a_file_with_the_fields_own_names() -> None:
    own = ("employee_name", "company_name", "mobile_no", "email")
    assert not is_asked(file("mail", ["not an email"] * 9, own))
    assert not is_asked(file("phone", ["1001"] * 9, own))
    assert is_asked(file("mail", ["+1 201 555 0101"] * 9, own))
    assert is_asked(file("phone", ["ann@b.example"] * 9, own))


def test_a_report_of_rejects_has_nothing_but_bad_rows_and_is_taken_back() -> None:
    header = (*FIELDS, "row_number", "line_number", "error_code", "error_field", "error_message")
    assert not is_asked(file("mail", ["jdoe"] * 9, header))


def test_only_the_first_rows_are_looked_at() -> None:
    assert not is_asked(file("mail", ["ann@b.example"] * 2000 + ["jdoe"] * 9000))
