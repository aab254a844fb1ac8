"""The checker itself: what it does not notice, no test above notices."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from shared.errors import RowCode
from tests.support.checker import letter_differences, report_differences, table_differences
from tests.support.mixed_file import write_mixed_file
from tests.support.reference import Expected, read_top_to_bottom

REPORT = "row_number,line_number,error_code,error_field,error_message"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
def expected(tmp_path: Path) -> Expected:
    file = tmp_path / "small.csv"
    file.write_text(
        "employee_name,company_name,mobile_no,email\n"
        "Ada Byron,Engines,+441234567890,Ada@Byron.example\n"
        "Bo,Engines,,bo@byron.example\n"
        "Cy Young,Pitchers,1234567,cy@young.example\n"
    )
    return read_top_to_bottom(file)


async def test_table_as_it_has_to_be_has_no_differences(database: asyncpg.Connection, expected: Expected) -> None:
    await _fill(database, expected)
    assert await table_differences(database, expected) == []


async def test_lost_doubled_altered_and_unexpected_rows_are_named(
    database: asyncpg.Connection, expected: Expected
) -> None:
    await _fill(database, expected)
    await database.execute("DROP INDEX employees_email_key")
    await database.execute("UPDATE employees SET mobile_no = '7654321' WHERE row_number = 3")
    await database.execute(
        "INSERT INTO employees (employee_name, company_name, mobile_no, email, upload_sequence, row_number, by_update)"
        " SELECT employee_name, company_name, mobile_no, upper(email), 1, 9, false FROM employees WHERE row_number = 1"
        " UNION SELECT 'Di', 'None', '1234567', 'di@none.example', 1, 2, false"
    )
    assert set(await table_differences(database, expected)) == {
        "doubled in the table: row 1",
        "altered in the table: row 3, mobile_no",
        "unexpected in the table: row 2",
        "counted as 2 employees: there are 4",
    }

    await database.execute("DELETE FROM employees WHERE row_number IN (1, 2, 9)")
    assert "lost from the table: row 1" in await table_differences(database, expected)


def test_rejects_that_are_lost_added_altered_or_moved_in_the_report_are_named(expected: Expected) -> None:
    header = f"employee_name,company_name,mobile_no,email,{REPORT}\n"
    right = "Bo,Engines,,bo@byron.example,2,3,missing_value,mobile_no,Fill it in.\n"
    assert report_differences(header + right, expected) == []
    assert report_differences(header, expected) == ["lost from the report: row 2"]
    assert report_differences(header + right + right, expected) == ["unexpected in the report: row 2"]
    assert report_differences(header + right.replace("Bo", "Jo"), expected) == ["altered in the report: row 2"]
    assert report_differences(header + right.replace(",3,", ",4,"), expected) == [
        "in the report row 2, line 4, missing_value instead of row 2, line 3, missing_value"
    ]


def test_letters_that_are_lost_added_altered_or_doubled_are_named(expected: Expected) -> None:
    letter = {
        "rowNumber": 2,
        "lineNumber": 3,
        "code": "missing_value",
        "message": "Fill it in.",
        "cells": ["Bo", "Engines", "", "bo@byron.example"],
    }
    assert letter_differences([letter], expected, may_repeat=False) == []
    assert letter_differences([], expected, may_repeat=False) == ["lost from the dead letters: row 2"]
    assert letter_differences([letter, letter], expected, may_repeat=False) == ["doubled in the dead letters: row 2"]
    assert letter_differences([letter, letter], expected, may_repeat=True) == []
    assert letter_differences([letter | {"cells": []}], expected, may_repeat=True) == [
        "altered in the dead letters: row 2"
    ]
    assert letter_differences([letter, letter | {"rowNumber": 3}], expected, may_repeat=True) == [
        "unexpected in the dead letters: row 3, missing_value"
    ]


def test_mixed_file_is_the_same_for_a_seed_and_has_every_fault_that_a_file_can_have(tmp_path: Path) -> None:
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    for file in (first, second):
        write_mixed_file(file, 5_000, bad_share=0.02, duplicate_share=0.05, seed=7)
    assert first.read_bytes() == second.read_bytes()

    expected = read_top_to_bottom(first)
    not_of_a_file = {RowCode.DUPLICATE_EMAIL, RowCode.INTERNAL_ERROR, RowCode.POISON_ROW}
    assert set(expected.rejected_by) == set(RowCode) - not_of_a_file
    assert expected.rows_read == 5_000
    assert expected.duplicates > 100


async def _fill(database: asyncpg.Connection, expected: Expected) -> None:
    await database.executemany(
        "INSERT INTO employees (row_number, employee_name, company_name, mobile_no, email, upload_sequence, by_update)"
        " VALUES ($1, $2, $3, $4, $5, 1, false)",
        list(expected.employees.values()),
    )
    await database.execute("UPDATE employee_totals SET total = $1 WHERE slot = 0", len(expected.employees))
