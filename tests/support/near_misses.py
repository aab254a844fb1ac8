"""Rows for property tests that are good, bad, and nearly one or the other."""

from __future__ import annotations

from hypothesis import strategies as st

GOOD_ROW = ("Ada Lovelace", "Analytical Engines", "+441234567890", "ada@engines.example")

# fmt: off
# Pieces of good and bad values, which in any order reach every branch of the rules.
_fragments = st.sampled_from([
    "Ada", " ", "  ", "\n", "\t", "\u00a0", "é", "王", "\u200d", "\0", "\x1f", "\ufffd", "\ud800", "+", "(", ")", "-",
    ".", "12", "1234567", "1234567890", "１", "E+11", ".0", "a@b.example", "@", "b.example", "x" * 64, "x" * 199, "\\",
])
# fmt: on
_values = st.lists(_fragments, max_size=5).map("".join)


def near_misses() -> st.SearchStrategy[tuple[str, ...]]:
    """Four cells in the order of the fields."""
    return st.tuples(*(_values | st.just(good) for good in GOOD_ROW))
