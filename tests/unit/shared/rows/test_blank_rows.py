"""Rows whose cells are all empty are no rows, and are counted; rows with anything in them are rows."""

from __future__ import annotations

import io

import pytest

from shared.rows.csv_reader import read_records
from shared.rows.record import Record, Skipped
from tests.support.csv_files import judge

HEADER = "employee_name,company_name,mobile_no,email\n"
ANN = "Ann Lee,Acme,+12015550101,ann@b.example\n"


def read(text: str) -> tuple[list[Record], int]:
    skipped = Skipped()
    content = text.encode()
    return list(read_records(io.BytesIO(content), judge(content), skipped)), skipped.blank_rows


@pytest.mark.parametrize(
    "row",
    [
        ",,,",
        ",,,,,,,",
        ",",
        " ,\t, ,",
        '"","","",""',
        '" ",,"",',
        '="",="",,',
        '\'="",,,',
        '"=""""",,,',
        '"\n\r\n",,,',
        "\xa0,\u3000,\u200b,\ufeff",
        "\u200d,,,",
    ],
)
def test_a_row_of_empty_cells_is_counted_and_is_no_row(row: str) -> None:
    records, blank_rows = read(HEADER + ANN + f"{row}\n" + ANN + f"{row}\n{row}\n")

    assert blank_rows == 3
    assert [record.cells[0] for record in records] == ["Ann Lee", "Ann Lee"]
    assert records[1].line_number == 4 + row.count("\n")


@pytest.mark.parametrize("row", [",,,-", '"""",,,', "=,,,", "'',,,", ",,,,,,x", "\x07,,,", '="x",,,', "\ufffd,,,"])
def test_a_row_with_anything_in_it_is_a_row(row: str) -> None:
    records, blank_rows = read(HEADER + row + "\n" + ANN)

    assert (len(records), blank_rows) == (2, 0)


def test_blank_lines_are_not_counted() -> None:
    assert read(HEADER + "\n  \n\t\n\r\n" + ANN)[1] == 0


def test_blank_rows_above_the_header_are_not_counted() -> None:
    records, blank_rows = read(",,,\n" + HEADER + ANN + ",,,\n")

    assert (len(records), blank_rows) == (1, 1)


def test_rows_of_a_block_that_is_all_blank_are_counted() -> None:
    assert read(HEADER + ",,,\n" * 50_000) == ([], 50_000)


def test_a_cell_with_a_broken_quote_is_no_empty_one() -> None:
    records, blank_rows = read(HEADER + '",,,\n' + ANN)

    assert [record.fault for record in records] == ["malformed_quotes", None]
    assert blank_rows == 0
