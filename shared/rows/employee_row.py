"""What one row means: four clean fields, or the one reason why not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from shared.errors import RowCode

FIELDS: Final = ("employee_name", "company_name", "mobile_no", "email")

NAME_LIMIT: Final = 200
EMAIL_LIMIT: Final = 254
EMAIL_LOCAL_LIMIT: Final = 64
MOBILE_DIGITS: Final = (7, 15)


class Layout(NamedTuple):
    """Where the fields stand in a file. A field in several columns is their cells joined with one space."""

    width: int
    fields: tuple[tuple[int, ...], ...]


class Employee(NamedTuple):
    """An accepted row, as it is stored."""

    employee_name: str
    company_name: str
    mobile_no: str
    email: str


class RowFault(NamedTuple):
    """Why a row is refused. The message says what to do about it, and never quotes the cell."""

    code: RowCode
    field: str | None
    message: str


# Unicode's White_Space but for the plain space. U+001C to U+001F, which Python also calls space, are refused.
_SPACES: Final = r"\t-\r\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
# Control characters, and the invisible ones that make two different names look alike or turn text around.
_REFUSED: Final = (
    r"\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"
    r"\ufeff\ufff9-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f"
)
# A lone surrogate, or what a decoder puts where it could not read a byte.
_UNREADABLE: Final = r"\ud800-\udfff\ufffd"
# Persian and Indic names are spelt with these two, so they stay; at the ends they join nothing and are trimmed.
_JOINERS: Final = "\u200c\u200d"

_SEPARATORS: Final = " .()-\u2010\u2011\u2012\u2013\u2014\u2015"
# https://html.spec.whatwg.org/multipage/input.html#valid-e-mail-address, with at least one dot in the domain.
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
CLEAN_EMAIL: Final = rf"[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,{EMAIL_LOCAL_LIMIT}}}@{_LABEL}(?:\.{_LABEL})+"
_MOBILE: Final = rf"\+?[0-9]{{{MOBILE_DIGITS[0]},{MOBILE_DIGITS[1]}}}"

_space_run = re.compile(rf"[ {_SPACES}]+")
_refused = re.compile(f"[{_REFUSED}]")
_unreadable = re.compile(f"[{_UNREADABLE}]")
_unstorable = re.compile(r"[\x00\ud800-\udfff]")
_email = re.compile(CLEAN_EMAIL)
_mobile = re.compile(_MOBILE)
# 9.19E+11, 9,19E+11: digits are lost. 7567377093.0 went through a float: dropping its dot would add a digit.
_spreadsheet_number = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]*)?[eE][+-]?[0-9]+|\+?[0-9]{7,}[.,]0+")
_drop_separators = str.maketrans("", "", _SEPARATORS)

# What stays as it is, unless it has two spaces in a row: for `employee_rows`, which looks at many at once.
CLEAN_NAME: Final = (
    rf"[^ {_SPACES}{_REFUSED}{_UNREADABLE}{_JOINERS}]"
    rf"(?:[^{_SPACES}{_REFUSED}{_UNREADABLE}]{{0,{NAME_LIMIT - 2}}}"
    rf"[^ {_SPACES}{_REFUSED}{_UNREADABLE}{_JOINERS}])?"
)


def check_row(cells: Sequence[str], layout: Layout) -> Employee | RowFault:
    """Clean one record, or name the first thing wrong with it: its width, then its fields in order."""
    if len(cells) != layout.width and (fault := _check_width(cells, layout)):
        return fault
    cleaned = []
    for field, columns in zip(FIELDS, layout.fields, strict=True):
        text = _clean_text(field, " ".join([cells[at] for at in columns]))
        if field == "mobile_no" and isinstance(text, str):
            text = _clean_mobile(text)
        elif field == "email" and isinstance(text, str):
            text = _clean_email(text)
        if isinstance(text, RowFault):
            return text
        cleaned.append(text)
    return Employee(*cleaned)


def email_key(email: str) -> str:
    """What decides whether two rows are the same employee; equal to `lower(email)` in the database."""
    return email.lower()


def is_email(text: str) -> bool:
    """Whether the trimmed text would do as an email of a row."""
    return len(text) <= EMAIL_LIMIT and _email.fullmatch(text) is not None


def is_mobile(text: str) -> bool:
    """Whether the text, without its separators, would do as a mobile of a row."""
    return _mobile.fullmatch(text) is not None


def storable(cells: Sequence[str]) -> list[str]:
    """The cells as JSON and Postgres take them: NUL and lone surrogates, which neither does, become U+FFFD."""
    return [_unstorable.sub("\ufffd", cell) for cell in cells]


def _check_width(cells: Sequence[str], layout: Layout) -> RowFault | None:
    if len(cells) > layout.width and not any(cell.strip() for cell in cells[layout.width :]):
        return None
    return RowFault(
        RowCode.WRONG_COLUMN_COUNT,
        None,
        f"The row has {len(cells)} columns where the file has {layout.width}: add the missing cells or remove the "
        "extra ones; a cell that contains the delimiter must stand in double quotes.",
    )


def _clean_text(field: str, value: str) -> str | RowFault:
    text = _space_run.sub(" ", value).strip(" " + _JOINERS)
    if not text:
        return RowFault(RowCode.MISSING_VALUE, field, f"{field} is empty: fill it in.")
    if found := _refused.search(value):
        return RowFault(
            RowCode.CONTROL_CHARACTER,
            field,
            f"{field} has a control or invisible character at position {found.start() + 1}: delete it, or type the "
            "value anew.",
        )
    if found := _unreadable.search(value):
        return RowFault(
            RowCode.UNREADABLE_CHARACTER,
            field,
            f"{field} has an unreadable character at position {found.start() + 1}: correct it, or "
            "send the file with the encoding it was saved in.",
        )
    limit = {"email": EMAIL_LIMIT, "mobile_no": None}.get(field, NAME_LIMIT)
    if limit is not None and len(text) > limit:
        return RowFault(
            RowCode.VALUE_TOO_LONG,
            field,
            f"{field} has {len(text)} characters: shorten it to {limit} at most.",
        )
    return text


def _clean_mobile(text: str) -> str | RowFault:
    if _spreadsheet_number.fullmatch(text):
        return RowFault(
            RowCode.SPREADSHEET_DAMAGE,
            "mobile_no",
            "A spreadsheet has turned mobile_no into a decimal or scientific number: format the column as text, enter "
            "the number again and export anew.",
        )
    mobile = text.translate(_drop_separators)
    if is_mobile(mobile):
        return mobile
    least, most = MOBILE_DIGITS
    return RowFault(
        RowCode.INVALID_MOBILE,
        "mobile_no",
        f"mobile_no must have {least} to {most} digits 0-9; a leading + and spaces, dots, dashes and parentheses "
        "between them are allowed, nothing else.",
    )


def _clean_email(text: str) -> str | RowFault:
    if _email.fullmatch(text):
        return text
    return RowFault(
        RowCode.INVALID_EMAIL,
        "email",
        f"email must look like name@example.com: ASCII without spaces, at most {EMAIL_LOCAL_LIMIT} characters before "
        "the @, a dot in the domain.",
    )
