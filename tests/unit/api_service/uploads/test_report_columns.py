"""Which columns are the file's own, and which are those that our report of its rejects had added."""

from __future__ import annotations

import pytest

from api_service.uploads.report_columns import REPORT_COLUMNS, FileColumns

OWN = ["Name", "Company", "Phone", "Email"]


def test_columns_of_a_report_are_left_out_with_their_cells() -> None:
    columns = FileColumns.of([*OWN, *REPORT_COLUMNS])
    assert columns.names == OWN
    assert columns.own_cells(["a", "b", "c", "d", "1", "2", "x", "y", "z"]) == ["a", "b", "c", "d"]


def test_moved_or_deleted_they_are_known_too() -> None:
    columns = FileColumns.of(["error_message", "Name", "error_code", "Company", "Phone", "error_field", "Email"])
    assert columns.names == OWN
    assert columns.own_cells(["z", "a", "x", "b", "c", "y", "d"]) == ["a", "b", "c", "d"]


def test_short_rows_stay_short_and_cells_beyond_the_last_column_are_kept() -> None:
    columns = FileColumns.of([*OWN, *REPORT_COLUMNS])
    assert columns.own_cells(["a", "b"]) == ["a", "b"]
    assert columns.own_cells([*"abcd", *"12345", "surplus"]) == ["a", "b", "c", "d", "surplus"]


@pytest.mark.parametrize("more", [["row_number"], ["line_number", "error_code"], [*REPORT_COLUMNS[:-1]]])
def test_file_with_a_column_of_such_a_name_keeps_it(more: list[str]) -> None:
    assert FileColumns.of([*OWN, *more]).names == [*OWN, *more]
