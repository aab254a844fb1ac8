"""Formulas in reports: what is escaped, and that reading it back gives what was there."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.rows.formula import escape_formula, unescape_formula


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        "+SUM(A1)",
        "-2+3",
        "@cmd",
        "\t=1+1",
        "\r=1+1",
        " =1+1",
        "\n \x00=1",
        "＝1+1",
        "+1=HYPERLINK()",
        "-5",
        "+",
    ],
)
def test_what_a_spreadsheet_would_run_is_escaped(cell: str) -> None:
    assert escape_formula(cell) == "'" + cell


@pytest.mark.parametrize(
    "cell",
    ["", "Ada", "a=b", "a@b.example", "'quoted'", "+91 98765-43210", "+919876543210", "+(44) 20.7946", "123-456"],
)
def test_plain_text_and_phone_numbers_stay_as_they_are(cell: str) -> None:
    assert escape_formula(cell) == cell


@pytest.mark.parametrize(
    ("cell", "meant"),
    [("'=1+1", "=1+1"), ("'+91 98765", "+91 98765"), ("' @x", " @x"), ("'tis", "'tis"), ("''=1", "''=1")],
)
def test_the_reader_drops_an_apostrophe_only_before_a_formula(cell: str, meant: str) -> None:
    assert unescape_formula(cell) == meant


@pytest.mark.slow
@settings(derandomize=True, deadline=None, max_examples=2000)
@given(st.text(st.sampled_from("'=+-@＝ \t\r\n\0\ufeff1a") | st.characters(), max_size=6))
@example("''=1")
def test_what_the_reader_delivered_survives_a_report_and_another_reading(written: str) -> None:
    delivered = unescape_formula(written)
    assert unescape_formula(escape_formula(delivered)) == delivered
