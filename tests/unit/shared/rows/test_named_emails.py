"""Whom a row names, also when it is refused: nobody who may be named must be taken for one who is lacking."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.rows.employee_row import check_row, email_key
from shared.rows.fields import FIELD_NAMES, KEY
from shared.rows.layout import Layout, layout_of_names
from shared.rows.named_emails import NamedEmails, named_emails

LAYOUT = layout_of_names([*FIELD_NAMES, "manager"])
ASHA = dict(zip(FIELD_NAMES, ("Asha Rao", "Initech", "+919876543210", "Asha@Initech.example"), strict=False))


def row(manager: str = "boss@initech.example", **values: str) -> list[str]:
    return [*(ASHA | values).values(), manager]


@pytest.mark.parametrize(
    ("cells", "keys", "is_unreadable"),
    [
        (row(), {"asha@initech.example"}, False),
        # As it is stored, whatever else is wrong.
        (row(email=" Asha Rao <ASHA@initech.example>"), {"asha@initech.example"}, False),
        (row(mobile_no="none", employee_name=""), {"asha@initech.example"}, False),
        # Nobody knows who that is. Whoever else is in the row is spared, too.
        (row(email=""), {"boss@initech.example"}, True),
        (row(email="asha(at)initech.example"), {"boss@initech.example"}, True),
        (row(email="asha..rao@initech.example"), {"boss@initech.example"}, True),
        (row(email="", manager=""), set(), True),
        # An unquoted delimiter moved the cells, or one is lacking: any of them may be the email.
        (["Asha", *row(manager="")], {"asha@initech.example"}, False),
        (["Asha Rao", "asha@initech.example"], {"asha@initech.example"}, False),
        (["Asha Rao", "Initech"], set(), True),
        ([""] * 5, set(), True),
    ],
)
def test_row_names_whoever_can_be_read_in_it(cells: list[str], keys: set[str], is_unreadable: bool) -> None:
    assert named_emails([cells], LAYOUT) == NamedEmails(frozenset(keys), int(is_unreadable))


def test_row_that_the_reader_refused_may_have_swallowed_others() -> None:
    swallowed = ['Asha Rao"\nBo Ek', "Initech", "", "bo@initech.example", ""]
    names = frozenset({"asha@initech.example", "bo@initech.example"})
    assert named_emails([row(), swallowed], LAYOUT, [1]) == NamedEmails(names, 1)


def test_email_of_several_columns_is_what_they_join_to() -> None:
    layout = Layout(3, {"employee_name": (0,), "email": (1, 2)})
    named = named_emails([["Asha", "", "asha@initech.example"]], layout)
    assert named == NamedEmails(frozenset({"asha@initech.example"}), 0)


@given(
    st.lists(
        st.lists(
            st.sampled_from(
                ["", "x", "a@b.example", " A@B.example ", "c..d@b.example", "'e@b.example", "+44123456789"]
            ),
            max_size=6,
        )
    )
)
def test_whoever_would_be_written_is_named(rows: list[list[str]]) -> None:
    written = [checked for cells in rows if isinstance(checked := check_row(cells, LAYOUT), tuple)]
    assert {email_key(values[KEY]) for values in written} <= named_emails(rows, LAYOUT).keys
