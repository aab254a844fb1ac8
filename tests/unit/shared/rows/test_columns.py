"""Which header is understood as what, and how the others are refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import FileCode, FileProblem
from shared.rows.columns import find_layout, parse_mapping
from shared.rows.fields import FIELD_NAMES, FIELDS, REQUIRED_NAMES
from shared.rows.layout import Layout, layout_of_names

CANONICAL_LAYOUT = layout_of_names(FIELD_NAMES)
REQUIRED_LAYOUT = layout_of_names(REQUIRED_NAMES)
ALIASES = [(field.name, alias) for field in FIELDS for alias in field.aliases]
FIRST_NAMES, LAST_NAMES = FIELDS[0].parts


def refusal(columns: list[str], mapping: dict[str, list[str]] | None = None) -> FileProblem:
    with pytest.raises(FileProblem) as caught:
        find_layout(columns, mapping)
    return caught.value


def test_the_canonical_header_is_understood() -> None:
    assert find_layout(FIELD_NAMES) == CANONICAL_LAYOUT


def test_a_header_may_lack_what_is_optional() -> None:
    assert find_layout(REQUIRED_NAMES) == REQUIRED_LAYOUT


@settings(derandomize=True, deadline=None)
@given(st.permutations(FIELD_NAMES), st.data())
def test_order_case_and_separators_do_not_matter(fields: list[str], data: st.DataObject) -> None:
    separator = data.draw(st.sampled_from(["_", " ", "-", ".", "", "  ", " - "]))
    change_case = data.draw(st.sampled_from([str.upper, str.title, str.lower, str.swapcase]))
    layout = find_layout([change_case(field.replace("_", separator)) for field in fields])
    assert {name: fields[at] for name, (at,) in layout.columns.items()} == {name: name for name in FIELD_NAMES}


@pytest.mark.parametrize(("field", "alias"), ALIASES)
def test_every_alias_stands_for_its_field(field: str, alias: str) -> None:
    columns = [alias.title() if column == field else column for column in FIELD_NAMES]
    assert find_layout(columns) == CANONICAL_LAYOUT


@pytest.mark.parametrize(
    "columns",
    [
        ["FULL NAME", "Organisation", "Mobile No.", "E-Mail"],
        ["Employee", "Company-Name", "PhoneNumber", "e_mail"],
        [" name ", "EMPLOYER", "Contact  Number", "Email\nAddress"],
        ["\ufeffname", "company", "tel.", "mail"],
    ],
)
def test_headers_as_people_write_them_are_understood(columns: list[str]) -> None:
    assert find_layout(columns) == REQUIRED_LAYOUT


@pytest.mark.parametrize("first", FIRST_NAMES)
@pytest.mark.parametrize("last", LAST_NAMES)
def test_first_and_last_name_join_in_that_order(first: str, last: str) -> None:
    layout = find_layout([last, first, "company", "mobile", "email"])
    assert layout == Layout(5, {"employee_name": (1, 0), "company_name": (2,), "mobile_no": (3,), "email": (4,)})


def test_extra_columns_are_let_be() -> None:
    columns = ["id", *FIELD_NAMES, "notes", "notes", ""]
    assert find_layout(columns) == Layout(len(columns), {name: (at,) for at, name in enumerate(FIELD_NAMES, 1)})


def test_the_canonical_name_beats_its_aliases() -> None:
    columns = [*FIELD_NAMES, "name", "phone", "first name", "last name"]
    assert find_layout(columns) == Layout(len(columns), CANONICAL_LAYOUT.columns)


@pytest.mark.parametrize(
    ("columns", "field", "named"),
    [
        (["name", "company", "phone", "Mobile Number", "email"], "mobile_no", ("phone", "Mobile Number")),
        (["employee_name", "Employee Name", "company", "phone", "email"], "employee_name", ("employee_name",)),
        (["email", *FIELD_NAMES], "email", ("email",)),
        (["name", "first name", "surname", "company", "phone", "email"], "employee_name", ("name", "surname")),
        (["first name", "given name", "surname", "company", "phone", "email"], "employee_name", ("given name",)),
    ],
)
def test_two_columns_for_one_field_are_ambiguous(columns: list[str], field: str, named: tuple[str, ...]) -> None:
    problem = refusal(columns)
    assert problem.code is FileCode.AMBIGUOUS_COLUMNS
    assert [error["field"] for error in problem.errors] == [field]
    assert all(f"“{name}”" in problem.detail for name in named)


def test_missing_columns_are_listed_beside_what_was_found() -> None:
    problem = refusal(["name", "colour", "phone"])
    assert problem.code is FileCode.MISSING_COLUMNS
    assert [error["field"] for error in problem.errors] == ["company_name", "email"]
    assert "“colour”" in problem.detail


def test_a_first_name_alone_is_no_employee_name() -> None:
    assert [error["field"] for error in refusal(["first name", *FIELD_NAMES[1:]]).errors] == ["employee_name"]


def test_a_refusal_stays_short_whatever_the_header() -> None:
    assert len(refusal(["x" * 5000] * 200).detail) < 2000


def test_a_mapping_beats_every_name_in_the_header() -> None:
    columns = ["Work", "Given", "Family", *FIELD_NAMES]
    mapping = {"email": ["Work"], "employee_name": ["Family", "Given"]}
    found = find_layout(columns, mapping).columns
    assert (found["email"], found["employee_name"], found["mobile_no"]) == ((0,), (2, 1), (columns.index("mobile_no"),))


def test_a_mapping_settles_an_ambiguity() -> None:
    columns = ["name", "company", "phone", "mobile", "email"]
    assert find_layout(columns, {"mobile_no": ["mobile"]}).columns["mobile_no"] == (3,)


def test_a_mapping_finds_a_column_in_another_spelling_but_takes_the_exact_one_first() -> None:
    assert find_layout(["Work Mail", *FIELD_NAMES], {"email": ["work_mail"]}).columns["email"] == (0,)
    assert find_layout(["EMAIL", *FIELD_NAMES], {"email": ["EMAIL"]}).columns["email"] == (0,)


def test_a_mapping_to_a_column_that_is_not_there_is_refused() -> None:
    problem = refusal(list(FIELD_NAMES), {"email": ["Work"]})
    assert problem.code is FileCode.UNKNOWN_COLUMN
    assert "“Work”" in problem.detail


def test_a_mapping_to_a_column_that_is_there_twice_is_ambiguous() -> None:
    assert refusal([*FIELD_NAMES, "Work", "Work"], {"email": ["Work"]}).code is FileCode.AMBIGUOUS_COLUMNS


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
