"""Which header is understood as what, and how the others are refused."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import FileCode, FileProblem
from shared.rows.column_source import Why
from shared.rows.columns import find_columns, layout_of_sources
from shared.rows.fields import FIELD_NAMES, REQUIRED_NAMES
from shared.rows.layout import Layout, layout_of_names
from shared.rows.record import Record
from shared.rows.sample import Sample

CANONICAL_LAYOUT = layout_of_names(FIELD_NAMES)
REQUIRED_LAYOUT = layout_of_names(REQUIRED_NAMES)


def layout(columns: Sequence[str], mapping: dict[str, list[str]] | None = None) -> Layout:
    return layout_of_sources(columns, find_columns(columns, mapping))


def sample(*rows: Sequence[str]) -> Sample:
    return Sample(Record(number, list(cells), None) for number, cells in enumerate(rows, 2))


def refusal(
    columns: list[str], mapping: dict[str, list[str]] | None = None, rows: Sequence[Sequence[str]] = ()
) -> FileProblem:
    with pytest.raises(FileProblem) as caught:
        find_columns(columns, mapping, sample(*rows))
    return caught.value


def test_the_canonical_header_is_understood() -> None:
    assert layout(FIELD_NAMES) == CANONICAL_LAYOUT
    assert {source.why for source in find_columns(FIELD_NAMES).values()} == {Why.CANONICAL_NAME}


def test_a_header_may_lack_what_is_optional() -> None:
    assert layout(REQUIRED_NAMES) == REQUIRED_LAYOUT


@settings(derandomize=True, deadline=None)
@given(st.permutations(FIELD_NAMES), st.data())
def test_order_case_and_separators_do_not_matter(fields: list[str], data: st.DataObject) -> None:
    separator = data.draw(st.sampled_from(["_", " ", "-", ".", "", "  ", " - ", "*", ":", "#", "?", "!"]))
    change_case = data.draw(st.sampled_from([str.upper, str.title, str.lower, str.swapcase]))
    found = layout([change_case(field.replace("_", separator)) for field in fields])
    assert {name: fields[at] for name, (at,) in found.columns.items()} == {name: name for name in FIELD_NAMES}


@pytest.mark.parametrize(
    "columns",
    [
        ["FULL NAME", "Organisation", "Mobile No.", "E-Mail"],
        ["Employee", "Company-Name", "PhoneNumber", "e_mail"],
        [" name ", "EMPLOYER", "Contact  Number", "Email\nAddress"],
        ["\ufeffname", "company", "tel.", "mail"],
        ["# Name", "Company*", "Phone (mobile)", "Email *"],
        ["Name:", "Company?", "Phone #", "Email (required)"],
        ["Employee [full name]", "Company!", "Tel. (+49 ...)", "Email（work）"],
    ],
)
def test_headers_as_people_write_them_are_understood(columns: list[str]) -> None:
    assert layout(columns) == REQUIRED_LAYOUT


@pytest.mark.parametrize("other", ["Email (manager)", "Email (Supervisor)", "Email [emergency contact]"])
def test_a_column_of_somebody_else_is_not_the_employees(other: str) -> None:
    columns = ["Name", "Company", "Phone", "Mail", other]
    assert find_columns(columns)["email"].columns == (3,)
    assert [error["field"] for error in refusal(["Name", "Company", "Phone", other]).errors] == ["email"]


def test_an_employee_number_is_no_name() -> None:
    columns = ["Employee #", "First Name", "Last Name", "Company", "Mobile", "Email"]
    assert find_columns(columns)["employee_name"].columns == (1, 2)
    assert [error["field"] for error in refusal(["Employee #", "Company", "Mobile", "Email"]).errors] == [
        "employee_name"
    ]


def test_extra_columns_are_let_be() -> None:
    columns = ["id", *FIELD_NAMES, "notes", "notes", ""]
    assert layout(columns) == Layout(len(columns), {name: (at,) for at, name in enumerate(FIELD_NAMES, 1)})


def test_the_canonical_name_beats_its_aliases() -> None:
    columns = [*FIELD_NAMES, "name", "phone", "first name", "last name"]
    assert layout(columns) == Layout(len(columns), CANONICAL_LAYOUT.columns)


@pytest.mark.parametrize(
    ("columns", "field", "named"),
    [
        (["name", "company", "phone", "telephone", "email"], "mobile_no", ("phone", "telephone")),
        (["name", "company", "Mobile", "Cell", "email"], "mobile_no", ("Mobile", "Cell")),
        (["employee_name", "Employee Name", "company", "phone", "email"], "employee_name", ("employee_name",)),
        (["email", *FIELD_NAMES], "email", ("email",)),
        (["name", "company", "company name", "phone", "email"], "company_name", ("company", "company name")),
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


@pytest.mark.parametrize("part", ["first name", "surname", "middle name"])
def test_a_part_alone_is_no_employee_name(part: str) -> None:
    assert [error["field"] for error in refusal([part, *FIELD_NAMES[1:]]).errors] == ["employee_name"]


def test_a_refusal_stays_short_whatever_the_header() -> None:
    assert len(refusal(["x" * 5000] * 200).detail) < 2000


def test_a_mapping_beats_every_name_in_the_header() -> None:
    columns = ["Work", "Given", "Family", *FIELD_NAMES]
    mapping = {"email": ["Work"], "employee_name": ["Family", "Given"]}
    found = find_columns(columns, mapping)
    assert (found["email"].columns, found["employee_name"].columns) == ((0,), (2, 1))
    assert (found["email"].why, found["mobile_no"].columns) == (Why.MAPPING, (columns.index("mobile_no"),))


def test_a_mapping_settles_an_ambiguity() -> None:
    columns = ["name", "company", "phone", "telephone", "email"]
    assert find_columns(columns, {"mobile_no": ["telephone"]})["mobile_no"].columns == (3,)


def test_a_mapping_finds_a_column_in_another_spelling_but_takes_the_exact_one_first() -> None:
    assert find_columns(["Work Mail", *FIELD_NAMES], {"email": ["work_mail"]})["email"].columns == (0,)
    assert find_columns(["EMAIL", *FIELD_NAMES], {"email": ["EMAIL"]})["email"].columns == (0,)


def test_a_mapping_to_a_column_that_is_not_there_is_refused() -> None:
    for name in ("Work", "-", ""):
        problem = refusal([*FIELD_NAMES, "#"], {"email": [name]})
        assert problem.code is FileCode.UNKNOWN_COLUMN
        assert f"“{name}”" in problem.detail


def test_a_mapping_to_a_column_that_is_there_twice_is_ambiguous() -> None:
    assert refusal([*FIELD_NAMES, "Work", "Work"], {"email": ["Work"]}).code is FileCode.AMBIGUOUS_COLUMNS


def test_mobile_beats_phone_and_what_it_beat_is_told() -> None:
    found = find_columns(["Name", "Company", "Work Phone", "Phone", "Mobile", "Email"])["mobile_no"]
    assert (found.columns, found.why, set(found.passed_over)) == ((4,), Why.ALIAS, {2, 3})


def test_of_two_columns_one_of_which_is_blank_the_other_is_taken() -> None:
    columns = ["Name", "Company", "Mobile", "Phone", "Email", "Mail"]
    rows = [
        ["Ann Lee", "Acme", "", "+1 201 555 0101", "", "ann@b.example"],
        ["Ben Ray", "Acme", " - ", "+1 201 555 0102", "n/a"],
        ["", "", ""],
    ]
    found = find_columns(columns, None, sample(*rows))
    assert (found["mobile_no"].columns, found["mobile_no"].why) == ((3,), Why.OTHER_IS_BLANK)
    assert (found["email"].columns, found["email"].why) == ((5,), Why.OTHER_IS_BLANK)


@pytest.mark.parametrize("is_swapped", [False, True])
def test_of_two_companies_the_one_that_looks_like_a_code_is_not_it(is_swapped: bool) -> None:
    names = ["Company", "Company Name"]
    cells = [["AC1", "Acme Inc"], ["AC2", "Blue Heron"], ["B-77", "Third 3 Ltd"]] * 4
    if is_swapped:
        names, cells = names[::-1], [row[::-1] for row in cells]
    rows = [["Ann Lee", *row, "+1 201 555 0101", "ann@b.example"] for row in cells]
    found = find_columns(["Name", *names, "Phone", "Email"], None, sample(*rows))["company_name"]
    assert (found.columns, found.why) == ((1,) if is_swapped else (2,), Why.OTHER_IS_A_CODE)


def test_of_two_companies_that_both_have_names_it_is_asked() -> None:
    rows = [["Ann Lee", "Acme", "Acme Inc", "+1 201 555 0101", "ann@b.example"]] * 10
    assert refusal(["Name", "Company", "Company Name", "Phone", "Email"], rows=rows).code == FileCode.AMBIGUOUS_COLUMNS
