"""Keeps a spreadsheet from running a cell as a formula, such that our own reader undoes it."""

from __future__ import annotations

import re

# Spreadsheets strip leading white space and control characters, and take the full-width forms in some locales.
_BEFORE = r"[\s\x00-\x1f\x7f-\x9f\ufeff]*"
_SIGN = "[=+\\-@＝＋－＠]"
_FORMULA = _BEFORE + _SIGN
_formula = re.compile(_FORMULA)
_escaped_formula = re.compile(f"'{_FORMULA}")
# Or the beginning of one that goes on behind the end of the text.
_any_escaped_formula = re.compile(f"'{_BEFORE}(?:{_SIGN}|\\Z)")
# Digits and punctuation after one + can name no function and no cell.
_plain_phone_number = re.compile(r"\+[0-9(][0-9 ().-]*")


def escape_formula(cell: str) -> str:
    """Put `'` before what a spreadsheet would run. A plain phone number such as +91 98765-43210 stays as it is."""
    if _formula.match(cell) and not _plain_phone_number.fullmatch(cell):
        return "'" + cell
    return cell


def unescape_formula(cell: str) -> str:
    """Drop the `'` of `escape_formula`, or one that a person typed for the same purpose.

    The inverse of `escape_formula` for every cell that the reader delivers: it never delivers one that still has
    a `'` before a formula.
    """
    return cell[1:] if _escaped_formula.match(cell) else cell


def may_hold_escaped_formula(text: str) -> bool:
    """False only if `unescape_formula` changes no cell that is cut from this text, or from it and what follows it."""
    return "'" in text and _any_escaped_formula.search(text) is not None
