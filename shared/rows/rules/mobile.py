"""A mobile number: which are taken, as what, and the pattern that finds the clean ones.

Stored are its digits, and a plus if it has one. Groups of digits stand apart by blanks, a dot or a dash, or in
brackets. What is certain is said differently but in one way only: a leading `00` is a plus, `tel:` is no part of the
number, and `(0)` after a country code is dialled within the country alone. Everything that may be more or less than one
number is refused (`mobile_faults`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from shared.errors import RowCode
from shared.rows.rules.damaged_number import damage_of
from shared.rows.rules.mobile_faults import TRUNK_ZERO, fault_before_reading, fault_of_signs, fault_of_zeros
from shared.rows.rules.rule import CleanColumn, RowFault, Rule

MOBILE_DIGITS: Final = (7, 15)

_mobile = re.compile(rf"\+?[0-9]{{{MOBILE_DIGITS[0]},{MOBILE_DIGITS[1]}}}")
_scheme = re.compile(r"tel:\s*", re.IGNORECASE)
# More characters are no number, whatever they are.
_LONGEST: Final = 100
_white_space = re.compile(r"\s+")
_line_end = re.compile(r"[\n\r\v\f\x85\u2028\u2029]")
_dashes = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"))

_BETWEEN: Final = r"(?: *+[.\n-] *+| ++)"
_GROUPS: Final = rf"[0-9]++(?:{_BETWEEN}[0-9]++)*+"
_PART: Final = rf"(?:{_GROUPS}|\( *+{_GROUPS} *+\))"
_number = re.compile(rf"(?:\+ *+{_PART}|\( *+\+ *+{_GROUPS} *+\)|{_PART})(?:{_BETWEEN}?{_PART})*+")

_prefix = re.compile(r"\(? *(?:\+|00(?=[ .()\n-]*[1-9]))")
_not_digits = re.compile(r"[^0-9]+")


# One number for sure, if it is short enough: nothing in it may be a date, a zero of the trunk, a prefix or an
# extension.
_BLANKS: Final = r"(?!00|\+0)\+?[0-9]++(?: [0-9]{2,}+)*+(?:-[0-9]{4,6}+)?+"
_AREA_FIRST: Final = r"\([1-9][0-9]{1,4}\) ?[0-9]{3,8}(?:[ -][0-9]{4})?|[2-9][0-9]{2}-[0-9]{3}-[0-9]{4}"
_CERTAIN: Final = f"(?:{_BLANKS}|{_AREA_FIRST})"
_certain = re.compile(_CERTAIN)
# The separators that it lets pass; its digits are counted once they are gone.
_PATTERN_SEPARATORS: Final = " ()-"
_no_separators = str.maketrans("", "", _PATTERN_SEPARATORS)
# What has fewer than twice the digits of a number is not two. With a plus or without.
_CERTAIN_LENGTHS: Final = range(MOBILE_DIGITS[0] + 1, 2 * MOBILE_DIGITS[0])


def is_mobile(text: str) -> bool:
    """True when the text, without its separators, would do as a mobile of a row."""
    return _mobile.fullmatch(text) is not None


def _clean_mobile(field: str, written: str) -> str | RowFault:
    if _certain.fullmatch(written):
        mobile = written.translate(_no_separators)
        if len(mobile) in _CERTAIN_LENGTHS and len(set(mobile)) > 2:
            return mobile
    text = _one_spelling(written)
    if len(text) > _LONGEST:
        return RowFault(RowCode.INVALID_MOBILE, field, f"{field} has {len(text)} characters: write one number alone.")
    if damage := damage_of(text):
        return RowFault(RowCode.SPREADSHEET_DAMAGE, field, f"{field} {damage}")
    wrong = fault_before_reading(text)
    if wrong is None:
        wrong = fault_of_zeros(text) if _number.fullmatch(text) else fault_of_signs(text)
    mobile = _dialled(text)
    if wrong := wrong or _fault_of_digits(mobile.removeprefix("+")):
        return RowFault(RowCode.INVALID_MOBILE, field, f"{field} {wrong}")
    return mobile


def _one_spelling(written: str) -> str:
    """With one kind of dash, and of white space one for a blank, a wide gap and a line end; without `tel:`."""
    text = _white_space.sub(_one_gap, written).translate(_dashes)
    return _scheme.sub("", text, count=1) if _scheme.match(text) else text


def _one_gap(found: re.Match[str]) -> str:
    if _line_end.search(found[0]):
        return "\n"
    return "  " if len(found[0]) > 1 or found[0] == "\t" else " "


def _dialled(text: str) -> str:
    """The plus and digits of a readable number without a fault."""
    if found := _prefix.match(text):
        # The only (0) that has no fault and does not begin the number is that after the country code.
        return "+" + _not_digits.sub("", TRUNK_ZERO.sub("", text[found.end() :]))
    return _not_digits.sub("", text)


def _fault_of_digits(digits: str) -> str | None:
    least, most = MOBILE_DIGITS
    if not least <= len(digits) <= most:
        hint = " Is there more than one number in the cell?" if len(digits) > most else ""
        return f"has {len(digits)} digits: a number has {least} to {most}.{hint}"
    if len(set(digits)) == 1:
        return "is one digit over and over, which is no number: write the real one."
    return None


# 0 is a row that is not clean, or has none.
_CERTAIN_OR_NONE: Final = frozenset([0, *_CERTAIN_LENGTHS])
# Perhaps of a number that is one digit over and over.
_RUNS: Final = tuple(digit * MOBILE_DIGITS[0] for digit in "0123456789")


def _clean_mobiles(written: Sequence[str]) -> CleanColumn:
    joined = "\n".join(written)
    for separator in _PATTERN_SEPARATORS:
        joined = joined.replace(separator, "")
    mobiles = joined.split("\n")
    runs = [run for run in _RUNS if run in joined]
    if not runs and _CERTAIN_OR_NONE.issuperset(map(len, mobiles)):
        return CleanColumn(mobiles, [])
    return CleanColumn(
        mobiles,
        [
            at
            for at, mobile in enumerate(mobiles)
            if len(mobile) not in _CERTAIN_OR_NONE or any(run in mobile for run in runs)
        ],
    )


MOBILE: Final = Rule(MOBILE_DIGITS[1] + 1, _clean_mobile, _CERTAIN, _clean_mobiles)
