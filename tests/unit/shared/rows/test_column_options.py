"""What the sender may say of the columns."""

from __future__ import annotations

import json

import pytest

from shared.errors import FileCode, FileProblem
from shared.rows.column_options import MOST_COLUMNS, parse_columns, parse_mapping
from shared.rows.fields import FIELD_NAMES


def test_a_mapping_takes_a_name_or_a_list_of_names() -> None:
    text = json.dumps({"email": "Mail", "employee_name": ["First", "Last"]})
    assert parse_mapping(text) == {"email": ["Mail"], "employee_name": ["First", "Last"]}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '"email"',
        "null",
        '{"e_mail": "x"}',
        '{"email": []}',
        '{"email": 3}',
        '{"email": [3]}',
        "[" * 99_999,
    ],
)
def test_what_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(FileProblem) as caught:
        parse_mapping(text)
    assert caught.value.code is FileCode.INVALID_MAPPING


def test_columns_name_the_fields_in_the_order_of_the_file() -> None:
    assert parse_columns(" email, - ,employee_name,mobile_no,company_name") == (
        "email", "-", "employee_name", "mobile_no", "company_name",
    )  # fmt: skip
    assert parse_columns(",".join(FIELD_NAMES)) == FIELD_NAMES


def test_columns_may_be_called_what_a_header_calls_them() -> None:
    assert parse_columns("Vorname,Nachname,Firma,Handy,E-Mail") == ("Vorname", "Nachname", "Firma", "Handy", "E-Mail")


def test_a_name_that_stands_there_twice_is_its_first_and_its_last() -> None:
    assert parse_columns("employee_name,employee_name,email") == ("first name", "last name", "email")


@pytest.mark.parametrize(
    "text", ["name;phone", "email,colour", "email,", "email,,phone", "-," * MOST_COLUMNS + "email"]
)
def test_columns_that_say_nothing_known_are_refused(text: str) -> None:
    with pytest.raises(FileProblem) as caught:
        parse_columns(text)
    assert caught.value.code is FileCode.INVALID_MAPPING
