"""The rules for values, which fields are declared with.

A rule is said twice: for one cell, with the reason of a refusal, and as a pattern that finds thousands of clean ones at
once (`employee_rows`). The pattern may be narrower than the rule and never wider; a property test holds the two
together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from shared.errors import RowCode

EMAIL_LIMIT: Final = 254
EMAIL_LOCAL_LIMIT: Final = 64
MOBILE_DIGITS: Final = (7, 15)


class RowFault(NamedTuple):
    """Why a row is refused. The message says what to do about it, and never quotes the cell."""

    code: RowCode
    field: str | None
    message: str


class CleanColumn(NamedTuple):
    """A field of many rows as it is stored, and the indices of those that are to be looked at one by one."""

    values: Sequence[str]
    uncertain: Sequence[int]


@dataclass(frozen=True, slots=True)
class Rule:
    """`limit` is how many characters a stored value may have.

    `clean` takes a field's name and its text, which is trimmed, not empty and free of characters that no field may
    have. `pattern` matches a cell that stays as it is, or that `clean_column` makes into what is stored.
    """

    limit: int
    clean: Callable[[str, str], str | RowFault]
    pattern: str
    clean_column: Callable[[Sequence[str]], CleanColumn] | None = None


# Unicode's White_Space but for the plain space. U+001C to U+001F, which Python also calls space, are refused.
SPACES: Final = r"\t-\r\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
# Control characters, and the invisible ones that make two different names look alike or turn text around.
REFUSED: Final = (
    r"\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"
    r"\ufeff\ufff9-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f"
)
# A lone surrogate, or what a decoder puts where it could not read a byte.
UNREADABLE: Final = r"\ud800-\udfff\ufffd"
# Persian and Indic names are spelt with these two, so they stay; at the ends they join nothing and are trimmed.
JOINERS: Final = "\u200c\u200d"


def text_rule(limit: int) -> Rule:
    """Any text of at most so many characters."""

    def clean(field: str, text: str) -> str | RowFault:
        return _too_long(field, text, limit) or text

    # Two spaces in a row are left to whoever joins the cells.
    ends = f"[^ {SPACES}{REFUSED}{UNREADABLE}{JOINERS}]"
    pattern = f"{ends}(?:[^{SPACES}{REFUSED}{UNREADABLE}]{{0,{limit - 2}}}{ends})?"
    return Rule(limit, clean, pattern)


def _too_long(field: str, text: str, limit: int) -> RowFault | None:
    if len(text) <= limit:
        return None
    return RowFault(
        RowCode.VALUE_TOO_LONG, field, f"{field} has {len(text)} characters: shorten it to {limit} at most."
    )


# https://html.spec.whatwg.org/multipage/input.html#valid-e-mail-address, with at least one dot in the domain.
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL: Final = rf"[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,{EMAIL_LOCAL_LIMIT}}}@{_LABEL}(?:\.{_LABEL})+"
_email = re.compile(_EMAIL)


def is_email(text: str) -> bool:
    """True when the trimmed text would do as an email of a row."""
    return len(text) <= EMAIL_LIMIT and _email.fullmatch(text) is not None


def _clean_email(field: str, text: str) -> str | RowFault:
    if fault := _too_long(field, text, EMAIL_LIMIT):
        return fault
    if _email.fullmatch(text):
        return text
    return RowFault(
        RowCode.INVALID_EMAIL,
        field,
        f"{field} must look like name@example.com: ASCII without spaces, at most {EMAIL_LOCAL_LIMIT} characters before "
        "the @, a dot in the domain.",
    )


# The pattern does not count all of its characters: `employee_rows` does, a line at a time.
EMAIL: Final = Rule(EMAIL_LIMIT, _clean_email, _EMAIL)


_mobile = re.compile(rf"\+?[0-9]{{{MOBILE_DIGITS[0]},{MOBILE_DIGITS[1]}}}")
# 9.19E+11, 9,19E+11: digits are lost. 7567377093.0 went through a float: dropping its dot would add a digit.
_spreadsheet_number = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]*)?[eE][+-]?[0-9]+|\+?[0-9]{7,}[.,]0+")
_drop_separators = str.maketrans("", "", " .()-\u2010\u2011\u2012\u2013\u2014\u2015")


def is_mobile(text: str) -> bool:
    """True when the text, without its separators, would do as a mobile of a row."""
    return _mobile.fullmatch(text) is not None


def _clean_mobile(field: str, text: str) -> str | RowFault:
    if _spreadsheet_number.fullmatch(text):
        return RowFault(
            RowCode.SPREADSHEET_DAMAGE,
            field,
            f"A spreadsheet has turned {field} into a decimal or scientific number: format the column as text, enter "
            "the number again and export anew.",
        )
    mobile = text.translate(_drop_separators)
    if is_mobile(mobile):
        return mobile
    least, most = MOBILE_DIGITS
    return RowFault(
        RowCode.INVALID_MOBILE,
        field,
        f"{field} must have {least} to {most} digits 0-9; a leading + and spaces, dots, dashes and parentheses "
        "between them are allowed, nothing else.",
    )


# The separators that the pattern lets pass; its digits are counted once they are gone.
_PATTERN_SEPARATORS: Final = " ()-"
# With a plus or without; 0 is a row that is not clean, or has none.
_CERTAIN_LENGTHS: Final = frozenset([0, *range(MOBILE_DIGITS[0] + 1, MOBILE_DIGITS[1] + 1)])


def _clean_mobiles(written: Sequence[str]) -> CleanColumn:
    joined = "\n".join(written)
    for separator in _PATTERN_SEPARATORS:
        joined = joined.replace(separator, "")
    mobiles = joined.split("\n")
    if _CERTAIN_LENGTHS.issuperset(map(len, mobiles)):
        return CleanColumn(mobiles, [])
    return CleanColumn(mobiles, [at for at, mobile in enumerate(mobiles) if mobile and not is_mobile(mobile)])


MOBILE: Final = Rule(MOBILE_DIGITS[1] + 1, _clean_mobile, "[+(0-9][0-9 ()-]{6,30}", _clean_mobiles)
