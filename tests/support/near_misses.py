"""Rows for property tests that are good, bad, and nearly one or the other."""

from __future__ import annotations

import random
from typing import Final

from hypothesis import strategies as st

from shared.rows.fields import FIELDS

ADA: Final = {
    "employee_name": "Ada Lovelace",
    "company_name": "Analytical Engines",
    "mobile_no": "+441234567890",
    "email": "ada@engines.example",
}
# As it is stored.
GOOD_ROW: Final = tuple(ADA.get(field.name, field.stored_example) for field in FIELDS)

# fmt: off
# Pieces of good and bad values, which in any order reach every branch of the rules.
_FRAGMENTS: Final = (
    "Ada", " ", "  ", "\n", "\t", "\u00a0", "é", "王", "\u200d", "\0", "\x1f", "\ufffd", "\ud800", "+", "(", ")", "-",
    ".", "12", "1234567", "1234567890", "１", "E+11", ".0", "a@b.example", "@", "b.example", "x" * 64, "x" * 199, "\\",
    "..", "'", "=", '"', '="', "#N/A", "Err:502", "\u200b", "\u202a", "\ufeff", "\u200c", "e\u0301", "\u0301",
    "\u1161", "🦉",
    "0", "00", "(0)", "+44", "-12", "555-0101", "2024-01-05", " - ", "/", "ext", "mailto:", "<", ">", "1.1",
    "tel:", "a..b@c.example",
)
# fmt: on
_values = st.lists(st.sampled_from(_FRAGMENTS), max_size=5).map("".join)


def near_misses() -> st.SearchStrategy[tuple[str, ...]]:
    """A cell for each field, in their order."""
    return st.tuples(*(_values | st.just(good) for good in GOOD_ROW))


def near_miss(chance: random.Random) -> tuple[str, ...]:
    """The same by plain chance: a hundred times as many in the same time, and nothing that shrinks them."""
    return tuple(
        good if chance.random() < 0.5 else "".join(chance.choices(_FRAGMENTS, k=chance.randint(0, 5)))
        for good in GOOD_ROW
    )
