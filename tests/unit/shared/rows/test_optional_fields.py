"""Fields that the sender calls optional: a file may lack them, and their cells may be empty."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import FileCode, FileProblem, RowCode
from shared.rows.column_options import parse_columns
from shared.rows.csv_format import OPTIONAL_READER_VERSION, PLAIN_READER_VERSION
from shared.rows.employee_row import check_row
from shared.rows.employee_rows import CheckedRows, check_rows
from shared.rows.fields import FIELD_NAMES
from shared.rows.format_options import FormatOptions
from shared.rows.layout import Layout, NewerLayout, layout_of_names
from tests.support.csv_files import judge
from tests.support.near_misses import GOOD_ROW, near_misses

MOST = ("employee_name", "company_name", "mobile_no")


def row(**values: str) -> list[str]:
    return [values.get(name, good) for name, good in zip(FIELD_NAMES, GOOD_ROW, strict=True)]


def of_all(optional: tuple[str, ...]) -> Layout:
    return Layout(len(FIELD_NAMES), layout_of_names(FIELD_NAMES).columns, optional)


@pytest.mark.parametrize("written", ["", " ", "-", "–", "N/A", "n/a", "None", "NULL", " unknown\t", '=""'])
def test_cell_that_says_there_is_no_number_is_empty_where_the_number_is_optional(written: str) -> None:
    checked = check_row(row(mobile_no=written), of_all(("mobile_no",)))
    assert isinstance(checked, tuple)
    assert checked[FIELD_NAMES.index("mobile_no")] == ""
    assert isinstance(check_row(row(mobile_no=written), of_all(())), list)


def test_word_for_none_is_a_company_like_any_other() -> None:
    checked = check_row(row(company_name="Unknown"), of_all(MOST))
    assert isinstance(checked, tuple)
    assert checked[FIELD_NAMES.index("company_name")] == "Unknown"


@pytest.mark.parametrize("written", ["none / none", "n/a n/a", "12345", "x"])
def test_optional_cell_that_says_something_is_judged_as_ever(written: str) -> None:
    checked = check_row(row(mobile_no=written), of_all(MOST))
    assert isinstance(checked, list)
    assert [(fault.code, fault.field) for fault in checked] == [(RowCode.INVALID_MOBILE, "mobile_no")]


_half_empty = st.tuples(*(st.sampled_from([good, "", "-", "n/a"]) for good in GOOD_ROW))
_OPTIONAL_SETS = [(), ("mobile_no",), ("company_name", "mobile_no"), MOST]


@pytest.mark.slow
@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    rows=st.lists(near_misses() | _half_empty, max_size=6),
    optional=st.sampled_from(_OPTIONAL_SETS),
    lacks_a_column=st.booleans(),
)
def test_rows_together_come_out_as_each_alone(
    rows: list[Sequence[str]], optional: tuple[str, ...], *, lacks_a_column: bool
) -> None:
    columns = dict(layout_of_names(FIELD_NAMES).columns)
    if lacks_a_column and optional:
        del columns[optional[-1]]
    layout = Layout(len(FIELD_NAMES), columns, optional)
    outcomes = [check_row(cells, layout) for cells in rows]
    assert check_rows(rows, layout) == CheckedRows(
        [index for index, outcome in enumerate(outcomes) if not isinstance(outcome, list)],
        [outcome for outcome in outcomes if not isinstance(outcome, list)],
        [(index, outcome) for index, outcome in enumerate(outcomes) if isinstance(outcome, list)],
    )


def test_file_may_lack_the_columns_of_optional_fields() -> None:
    judged = judge(
        b"email,phone\nann@x.example,+12015550199\n", FormatOptions(optional=("employee_name", "company_name"))
    )
    assert judged.layout == Layout(2, {"email": (0,), "mobile_no": (1,)}, ("employee_name", "company_name"))
    assert judged.reader_version == OPTIONAL_READER_VERSION
    assert judge(b"name,company,phone,email\n").reader_version == PLAIN_READER_VERSION


def test_header_below_titles_is_found_by_the_fields_that_are_needed() -> None:
    text = b"Phones that changed\n\nwhoever;Mail;Handy\nx;ann@x.example;+12015550199\n"
    judged = judge(text, FormatOptions(optional=("employee_name", "company_name")))
    assert (judged.header_line, judged.preamble[0]) == (3, "Phones that changed")


@pytest.mark.parametrize("header", [b"email,first name\n", b"surname,email,phone\n"])
def test_half_of_an_optional_name_is_asked_about_and_not_dropped(header: bytes) -> None:
    with pytest.raises(FileProblem) as raised:
        judge(header, FormatOptions(optional=MOST))
    assert raised.value.code is FileCode.MISSING_COLUMNS
    assert "employee_name" in raised.value.detail


@pytest.mark.parametrize(
    ("header", "hint"),
    [
        (b"name,email\n", "`optional=company_name,mobile_no`"),
        (b"name,company,email\n", "`optional=mobile_no`"),
        (b"company,email\n", None),
    ],
)
def test_refusal_says_which_columns_may_be_lacking_if_all_of_them_may(header: bytes, hint: str | None) -> None:
    with pytest.raises(FileProblem) as raised:
        judge(header)
    if hint is None:
        assert "optional" not in raised.value.detail
    else:
        assert hint in raised.value.detail


def test_mapped_column_must_be_there_even_if_its_field_is_optional() -> None:
    options = FormatOptions(optional=MOST, mapping={"mobile_no": ["Cell"]})
    with pytest.raises(FileProblem) as raised:
        judge(b"email\nann@x.example\n", options)
    assert raised.value.code is FileCode.UNKNOWN_COLUMN


def test_columns_of_a_file_without_a_header_may_lack_optional_fields() -> None:
    content = b"x,ann@x.example,+12015550199\n"
    columns = parse_columns("-,email,mobile_no")
    judged = judge(content, FormatOptions(columns=columns, optional=("employee_name", "company_name")))
    assert judged.layout.columns == {"email": (1,), "mobile_no": (2,)}
    with pytest.raises(FileProblem, match="company_name"):
        judge(content, FormatOptions(columns=columns, optional=("employee_name",)))


def test_optional_field_that_a_newer_release_declares_is_left_to_it() -> None:
    with pytest.raises(NewerLayout):
        of_all(("shoe_size",)).require_known()
