"""Which columns of a corrected report are which of the upload's, and which rows of it are corrected."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from api_service.uploads.corrections.corrected_cells import CorrectedCells
from api_service.uploads.corrections.report_header import find_report_columns, judge_report
from api_service.uploads.corrections.report_rows import Mistake, NumberedRecord, ReportRows
from api_service.uploads.corrections.statements import NewRow
from api_service.uploads.report_columns import RESULT_COLUMNS
from shared.errors import FileProblem
from shared.rows.delimiters import DELIMITERS
from shared.rows.format_options import FormatOptions
from shared.rows.head_text import HeadText
from shared.rows.record import Record

OWN = ["First", "Last", "Firm", "Mobile No", "E-Mail", "Note", "Note", ""]
FIELDS = {"employee_name": [0, 1], "company_name": [2], "mobile_no": [3], "email": [4]}


def upload(columns: list[str] = OWN, fields: dict[str, list[int]] = FIELDS, sheet: str | None = None) -> CorrectedCells:
    row: Any = SimpleNamespace(columns=columns, field_columns=fields, sheet=sheet, delimiter=";")
    return CorrectedCells(row)


def reject(cells: list[str], **columns: Any) -> Any:
    standing = {"row_number": 1, "line_number": 2, "attempt": 3, "code": "invalid_email", "discarded_at": None}
    return SimpleNamespace(**{**standing, "cells": cells, "original_cells": None, **columns})


@pytest.mark.parametrize(
    ("names", "own"),
    [
        (["row_number", *OWN], {place + 1: place for place in range(8)}),
        (["Row Number", "e mail", "Note", "note", "last"], {1: 4, 2: 5, 3: 6, 4: 1}),
        (["ROW_NUMBER", "email", "company_name"], {1: 4, 2: 2}),
    ],
    ids=["as it was", "as people spell it", "by field"],
)
def test_columns_are_found_by_name(names: list[str], own: dict[int, int]) -> None:
    found = find_report_columns(upload(), names)
    assert (found.row_number, found.own, found.ignored) == (0, own, [])
    assert found.is_whole == (len(own) == len(OWN))


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["row_number", "email", "telefax"], "unknown_column"),
        (["row_number", "line_number", "error_code"], "missing_columns"),
        (["employee_name", "email"], "missing_columns"),
    ],
)
def test_header_that_may_be_wrong_is_asked_about(names: list[str], code: str) -> None:
    with pytest.raises(FileProblem) as raised:
        find_report_columns(upload(), names)
    assert raised.value.code == code


def test_remarks_beside_all_columns_are_ignored_and_named() -> None:
    found = find_report_columns(upload(), [*OWN, "row_number", "line_number", "error_message", "checked by", ""])
    assert (found.ignored, found.is_whole) == (["checked by"], True)


def test_report_of_results_corrects_as_one_of_rejects_does() -> None:
    found = find_report_columns(upload(), [*OWN, *RESULT_COLUMNS])
    assert (found.ignored, found.is_whole, found.row_number) == ([], True, len(OWN))


def test_the_reports_row_number_is_told_from_the_files_own() -> None:
    of_file = upload(["row_number", "email"], {"email": [1]})
    assert find_report_columns(of_file, ["row_number", "email", "row_number", "line_number"]).row_number == 2
    assert find_report_columns(of_file, ["row_number", "line_number", "email", "row_number"]).row_number == 0
    assert find_report_columns(of_file, ["email", "row_number", "row_number"]).row_number == 2
    with pytest.raises(FileProblem):
        find_report_columns(of_file, ["email", "row_number"])


@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_header_is_found_under_each_delimiter_and_below_what_a_program_puts_on_top(delimiter: str) -> None:
    text = f"my corrections\n\n{delimiter.join(['email', 'row_number'])}\n{delimiter.join(['a@example.com', '1'])}\n"
    found = judge_report(upload(), HeadText(text, is_whole=True), DELIMITERS, FormatOptions())
    assert (found.delimiter, found.header_line, found.first_row_line) == (delimiter, 3, 4)


CELLS = ["Ann", "Lee", "Acme", "+44 20 7946 0101", "nobody", "two\nlines", "", ""]


def compared(given: list[str], standing: Any, names: list[str] | None = None) -> NewRow | Mistake | None:
    of_file = upload()
    names = names or ["row_number", *OWN, "surplus_cells"]
    rows = ReportRows(of_file, find_report_columns(of_file, names), width=len(names), last_row=9)
    numbered = rows.numbered(Record(2, ["1", *given], None))
    assert isinstance(numbered, NumberedRecord)
    return rows.corrected(numbered, standing)


def test_row_that_only_went_through_a_spreadsheet_is_as_it_was() -> None:
    saved = ["Ann ", "Lee", "Acme", "'+44 20 7946 0101", "nobody", "two\r\nlines"]
    assert compared(saved, reject(CELLS)) is None
    assert compared(CELLS, reject([*CELLS[:4], "also wrong", *CELLS[5:]], original_cells=CELLS)) is None


def test_cells_that_nobody_touched_stay_as_they_are() -> None:
    saved = ["Ann ", "Lee", "Acme", "+44 20 7946 0101", "ann@example.com", "two\r\nlines", "", "", ""]
    row = compared(saved, reject(CELLS))
    assert row == NewRow(1, 3, [*CELLS[:4], "ann@example.com", *CELLS[5:]])


def test_surplus_cells_go_with_what_the_file_says_of_them() -> None:
    wide = reject([*CELLS, "extra", "more"])
    assert compared([*CELLS, "extra;more"], wide) is None
    assert compared([*CELLS, ""], wide) == NewRow(1, 3, CELLS)
    assert compared(CELLS, wide, ["row_number", *OWN]) == NewRow(1, 3, CELLS)
    partial = compared(["ann@example.com"], wide, ["row_number", "email"])
    assert partial == NewRow(1, 3, [*CELLS[:4], "ann@example.com", *CELLS[5:], "extra", "more"])


def test_rows_that_are_in_or_settled_are_told() -> None:
    mended = [*CELLS[:4], "ann@example.com", *CELLS[5:]]
    assert compared(mended, None) == NewRow(1, None, None, "no_reject")
    assert compared(mended, reject(CELLS, discarded_at="now")) == NewRow(1, 3, None, "letter_deleted")
    assert compared(CELLS, reject(CELLS, discarded_at="now")) is None


def test_part_of_a_row_that_is_left_never_passes_for_it() -> None:
    left = reject(CELLS, code="malformed_quotes")
    assert isinstance(compared(["ann@example.com"], left, ["row_number", "email"]), Mistake)
    assert isinstance(compared([*CELLS[:4], "ann@example.com", *CELLS[5:]], left), NewRow)
