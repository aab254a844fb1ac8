"""Many rows at once come out as each of them alone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.rows import employee_rows
from shared.rows.employee_row import EmployeeValues, RowFaults, check_row
from shared.rows.employee_rows import CheckedRows, check_rows
from shared.rows.fields import FIELD_NAMES, REQUIRED_NAMES
from shared.rows.layout import Layout, layout_of_names
from tests.support.near_misses import GOOD_ROW, near_misses

CANONICAL = layout_of_names(FIELD_NAMES)
# The other way round, each with a column more beside it, and a name in two columns.
SCATTERED = Layout(
    2 * len(FIELD_NAMES),
    {name: (2 * at,) for at, name in enumerate(reversed(FIELD_NAMES))}
    | {"employee_name": (2 * len(FIELD_NAMES) - 2, 1)},
)


def one_by_one(rows: Sequence[Sequence[str]], layout: Layout) -> CheckedRows:
    outcomes = [check_row(cells, layout) for cells in rows]
    return CheckedRows(
        [index for index, outcome in enumerate(outcomes) if not isinstance(outcome, list)],
        [outcome for outcome in outcomes if not isinstance(outcome, list)],
        [(index, outcome) for index, outcome in enumerate(outcomes) if isinstance(outcome, list)],
    )


_odd_width = st.lists(st.sampled_from([*GOOD_ROW, "", " "]), max_size=len(GOOD_ROW) + 3)
_ZOE = {"employee_name": "Zoë 王", "company_name": "a\\b's", "mobile_no": "(030) 12-34 567", "email": "Z@b.example"}
_clean = st.sampled_from(
    [
        GOOD_ROW,
        tuple(_ZOE.get(name, "") for name in FIELD_NAMES),
        ("x" * 200, *GOOD_ROW[1:]),
    ]
)


@pytest.mark.slow
@settings(derandomize=True, deadline=None, max_examples=3000)
@given(st.lists(near_misses() | _odd_width | _clean, max_size=8))
def test_rows_together_come_out_as_each_alone(rows: list[Sequence[str]]) -> None:
    assert check_rows(rows, CANONICAL) == one_by_one(rows, CANONICAL)


@pytest.mark.slow
@settings(derandomize=True, deadline=None, max_examples=1000)
@given(
    st.lists(near_misses() | _clean, max_size=5),
    st.lists(st.sampled_from(["", "Ada", "\n", "\x1f", "'1", '="a"', "\u200c", "\u200b"]), min_size=2),
)
def test_fields_are_taken_from_where_the_layout_says(rows: list[Sequence[str]], more: list[str]) -> None:
    scattered = [[cell for value in reversed(row) for cell in (value, more[len(value) % 2])] for row in rows]

    assert check_rows(scattered, SCATTERED) == one_by_one(scattered, SCATTERED)


@settings(derandomize=True, deadline=None, max_examples=500)
@given(st.lists(st.lists(st.text(), min_size=len(FIELD_NAMES), max_size=len(FIELD_NAMES)), max_size=5))
def test_any_text_comes_out_as_alone(rows: list[Sequence[str]]) -> None:
    assert check_rows(rows, CANONICAL) == one_by_one(rows, CANONICAL)


def test_clean_rows_are_not_looked_at_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[Sequence[str]] = []

    def counted(cells: Sequence[str], layout: Layout) -> EmployeeValues | RowFaults:
        looked_at.append(cells)
        return check_row(cells, layout)

    monkeypatch.setattr(employee_rows, "check_row", counted)
    faulty = ["", *GOOD_ROW[1:]]
    too_wide = [*GOOD_ROW, "surplus"]

    checked = check_rows([GOOD_ROW, ["Zoë  王", *GOOD_ROW[1:]], faulty, GOOD_ROW, too_wide], CANONICAL)

    assert checked.indices == [0, 1, 3]
    assert looked_at == [["Zoë  王", *GOOD_ROW[1:]], faulty, too_wide]


def test_rows_without_their_last_empty_cells_are_not_looked_at_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(employee_rows, "check_row")
    wide = Layout(len(GOOD_ROW) + 2, CANONICAL.columns)

    assert check_rows([GOOD_ROW, [*GOOD_ROW, "", ""], GOOD_ROW], wide).indices == [0, 1, 2]


# What the patterns let pass is near these: groups of digits with a separator between, and names with odd signs in them.
_numbers = st.lists(
    st.sampled_from(
        ["+", "00", "0", "(0)", "44", "020", "(20)", "555", "0101", "5550101", "01", "2024", " ", "-", "(201) "]
    ),
    max_size=7,
).map("".join)
_addresses = st.lists(
    st.sampled_from(["a", ".", "'", "=", "#N/A", "/", "@", "@", "b.c", ".1", ".d1", "-", "xn--", "A"]), max_size=7
).map("".join)
_names = st.text(
    st.sampled_from("a\u00e9e\u0301\u1100\u1161\u200d\u0915\u093c '=#:1+\"NV/A\u0e33\ufb1f\U0001f989"), max_size=7
)


@pytest.mark.slow
@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.lists(st.tuples(_names, _names, _numbers, _addresses), min_size=1, max_size=4))
def test_what_the_patterns_let_pass_the_rules_take_as_it_is(values: list[tuple[str, str, str, str]]) -> None:
    """Each beside good values, which alone would decide the row otherwise."""
    for name, company, mobile, email in values:
        odd = {"employee_name": name, "company_name": company, "mobile_no": mobile, "email": email}
        rows = [
            [odd[at] if at == field else good for at, good in zip(FIELD_NAMES, GOOD_ROW, strict=True)] for field in odd
        ]
        assert check_rows(rows, CANONICAL) == one_by_one(rows, CANONICAL)


@settings(derandomize=True, deadline=None, max_examples=500)
@given(st.lists(near_misses(), max_size=5))
def test_fields_that_a_file_lacks_are_empty(rows: list[Sequence[str]]) -> None:
    layout = layout_of_names(REQUIRED_NAMES)
    narrow = [row[: len(REQUIRED_NAMES)] for row in rows]
    whole = [[*row, *[""] * (len(FIELD_NAMES) - len(REQUIRED_NAMES))] for row in narrow]

    assert check_rows(narrow, layout) == one_by_one(narrow, layout) == one_by_one(whole, CANONICAL)


def test_field_that_a_layout_does_not_name_is_missing_unless_it_may_be_empty() -> None:
    row = [value for name, value in zip(FIELD_NAMES, GOOD_ROW, strict=True) if name != "mobile_no"]
    layout = layout_of_names([name for name in FIELD_NAMES if name != "mobile_no"])

    ((_, (fault,)),) = check_rows([row], layout).faults

    assert (fault.code, fault.field) == ("missing_value", "mobile_no")
