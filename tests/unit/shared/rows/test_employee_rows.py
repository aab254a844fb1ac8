"""Many rows at once come out as each of them alone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.rows import employee_rows
from shared.rows.employee_row import Employee, Layout, RowFault, check_row
from shared.rows.employee_rows import CheckedRows, check_rows
from tests.support.near_misses import GOOD_ROW, near_misses

CANONICAL = Layout(4, ((0,), (1,), (2,), (3,)))
# Another order, a column more, and a name in two columns.
SCATTERED = Layout(6, ((4, 1), (0,), (5,), (2,)))


def one_by_one(rows: Sequence[Sequence[str]], layout: Layout) -> CheckedRows:
    outcomes = [check_row(cells, layout) for cells in rows]
    return CheckedRows(
        [index for index, outcome in enumerate(outcomes) if isinstance(outcome, Employee)],
        [outcome for outcome in outcomes if isinstance(outcome, Employee)],
        [(index, outcome) for index, outcome in enumerate(outcomes) if isinstance(outcome, RowFault)],
    )


_odd_width = st.lists(st.sampled_from([*GOOD_ROW, "", " "]), max_size=7)
_clean = st.sampled_from([GOOD_ROW, ("Zoë 王", "a\\b's", "(030) 12-34 567", "Z@b.example"), ("x" * 200, *GOOD_ROW[1:])])


@pytest.mark.slow
@settings(derandomize=True, deadline=None, max_examples=3000)
@given(st.lists(near_misses() | _odd_width | _clean, max_size=8))
def test_rows_together_come_out_as_each_alone(rows: list[Sequence[str]]) -> None:
    assert check_rows(rows, CANONICAL) == one_by_one(rows, CANONICAL)


@pytest.mark.slow
@settings(derandomize=True, deadline=None, max_examples=1000)
@given(st.lists(near_misses() | _clean, max_size=5), st.lists(st.sampled_from(["", "Ada", "\n", "\x1f"]), min_size=2))
def test_fields_are_taken_from_where_the_layout_says(rows: list[Sequence[str]], more: list[str]) -> None:
    scattered = [[company, more[0], email, more[1], name, mobile] for name, company, mobile, email in rows]

    assert check_rows(scattered, SCATTERED) == one_by_one(scattered, SCATTERED)


@settings(derandomize=True, deadline=None, max_examples=500)
@given(st.lists(st.lists(st.text(), min_size=4, max_size=4), max_size=5))
def test_any_text_comes_out_as_alone(rows: list[Sequence[str]]) -> None:
    assert check_rows(rows, CANONICAL) == one_by_one(rows, CANONICAL)


def test_clean_rows_are_not_looked_at_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[Sequence[str]] = []

    def counted(cells: Sequence[str], layout: Layout) -> Employee | RowFault:
        looked_at.append(cells)
        return check_row(cells, layout)

    monkeypatch.setattr(employee_rows, "check_row", counted)
    faulty = ["", *GOOD_ROW[1:]]

    checked = check_rows([GOOD_ROW, ["Zoë  王", *GOOD_ROW[1:]], faulty, GOOD_ROW, GOOD_ROW[:3]], CANONICAL)

    assert checked.indices == [0, 1, 3]
    assert looked_at == [["Zoë  王", *GOOD_ROW[1:]], faulty, GOOD_ROW[:3]]
