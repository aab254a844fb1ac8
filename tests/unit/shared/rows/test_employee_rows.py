"""Many rows at once come out as each of them alone."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.rows import employee_rows
from shared.rows.employee_row import EmployeeValues, RowFaults, check_row
from shared.rows.employee_rows import CheckedRows, check_rows
from shared.rows.fields import FIELD_NAMES, REQUIRED_NAMES
from shared.rows.layout import Layout, layout_of_names
from tests.support.near_misses import GOOD_ROW, near_miss

Rows = list[tuple[str, ...]]

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


_ZOE = {"employee_name": "Zoë 王", "company_name": "a\\b's", "mobile_no": "(030) 12-34 567", "email": "Z@b.example"}
CLEAN = (
    GOOD_ROW,
    tuple(_ZOE.get(name, "") for name in FIELD_NAMES),
    ("x" * 200, *GOOD_ROW[1:]),
)


def odd_width(chance: random.Random) -> tuple[str, ...]:
    return tuple(chance.choices([*GOOD_ROW, "", " "], k=chance.randint(0, len(GOOD_ROW) + 3)))


def clean(chance: random.Random) -> tuple[str, ...]:
    return chance.choice(CLEAN)


def files(count: int, most_rows: int, *kinds: Callable[[random.Random], tuple[str, ...]]) -> Iterator[Rows]:
    """The same each time, each of some rows of these kinds."""
    chance = random.Random(0)
    for _ in range(count):
        yield [chance.choice(kinds)(chance) for _ in range(chance.randint(0, most_rows))]


def test_rows_together_come_out_as_each_alone() -> None:
    for rows in files(4000, 8, near_miss, odd_width, clean):
        assert check_rows(rows, CANONICAL) == one_by_one(rows, CANONICAL)


def test_fields_are_taken_from_where_the_layout_says() -> None:
    chance = random.Random(1)
    for rows in files(1500, 5, near_miss, clean):
        more = chance.choices(["", "Ada", "\n", "\x1f", "'1", '="a"', "\u200c", "\u200b"], k=2)
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
# fmt: off
_NUMBERS = (
    "+", "00", "0", "(0)", "44", "020", "(20)", "555", "0101", "5550101", "01", "2024", " ", "-", "(201) ",
)
_ADDRESSES = ("a", ".", "'", "=", "#N/A", "/", "@", "@", "b.c", ".1", ".d1", "-", "xn--", "A")
# fmt: on
_NAMES = "a\u00e9e\u0301\u1100\u1161\u200d\u0915\u093c '=#:1+\"NV/A\u0e33\ufb1f\U0001f989"


def test_what_the_patterns_let_pass_the_rules_take_as_it_is() -> None:
    """Each beside good values, which alone would decide the row otherwise."""
    chance = random.Random(2)
    for _ in range(4000):
        name, company, mobile, email = (
            "".join(chance.choices(pieces, k=chance.randint(0, 7))) for pieces in (_NAMES, _NAMES, _NUMBERS, _ADDRESSES)
        )
        odd = {"employee_name": name, "company_name": company, "mobile_no": mobile, "email": email}
        rows = [
            [odd[at] if at == field else good for at, good in zip(FIELD_NAMES, GOOD_ROW, strict=True)] for field in odd
        ]
        assert check_rows(rows, CANONICAL) == one_by_one(rows, CANONICAL)


def test_fields_that_a_file_lacks_are_empty() -> None:
    layout = layout_of_names(REQUIRED_NAMES)
    for rows in files(1000, 5, near_miss):
        narrow = [row[: len(REQUIRED_NAMES)] for row in rows]
        whole = [[*row, *[""] * (len(FIELD_NAMES) - len(REQUIRED_NAMES))] for row in narrow]

        assert check_rows(narrow, layout) == one_by_one(narrow, layout) == one_by_one(whole, CANONICAL)


def test_field_that_a_layout_does_not_name_is_missing_unless_it_may_be_empty() -> None:
    row = [value for name, value in zip(FIELD_NAMES, GOOD_ROW, strict=True) if name != "mobile_no"]
    layout = layout_of_names([name for name in FIELD_NAMES if name != "mobile_no"])

    ((_, (fault,)),) = check_rows([row], layout).faults

    assert (fault.code, fault.field) == ("missing_value", "mobile_no")
