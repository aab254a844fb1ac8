"""What a cell means: the rules for values once more, in plain string operations and with none of the services' code.

A value is judged to its code; which text a refusal has is for the unit tests of the rules.
"""

from __future__ import annotations

import re
import string
import unicodedata
from datetime import datetime
from typing import Final, NamedTuple

from shared.rows.fields import Field

LOCAL_CHARACTERS: Final = frozenset(string.ascii_letters + string.digits + ".!#$%&'*+/=?^_`{|}~-")
WHITE_SPACE_CONTROLS: Final = frozenset("\t\n\v\f\r\x85")
JOINERS: Final = "\u200c\u200d"
UNSEEN: Final = frozenset(
    map(chr, (0xAD, 0x61C, 0x180E, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF))
)
ERRORS: Final = ("#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!")
DATES: Final = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%d/%m/%y",
    "%d.%m.%y",
    "%d-%b-%y",
    "%d-%b-%Y",
)
NO_NUMBER: Final = ("-", "–", "—", "n/a", "none", "null", "unknown")
ZERO_IS_DIALLED: Final = ("39", "378", "379", "225", "229", "241", "242")


class Fault(NamedTuple):
    code: str


def plain(cell: str) -> str:
    """Without what nobody sees at its ends, and without what a spreadsheet writes around a text."""
    before = None
    while before != cell:
        before = cell
        while cell and (cell[0].isspace() or cell[0] in UNSEEN) and cell[0] not in "\x1c\x1d\x1e\x1f":
            cell = cell[1:]
        while cell and (cell[-1].isspace() or cell[-1] in UNSEEN) and cell[-1] not in "\x1c\x1d\x1e\x1f":
            cell = cell[:-1]
        if cell[:1] == "'" and cell[1:2] and cell[1] in "0123456789+-=@":
            cell = cell[1:]
        elif cell[:2] == '="' and cell[2:] and cell[-1] == '"' and '"' not in cell[2:-1].replace('""', ""):
            cell = cell[2:-1].replace('""', '"')
    return unicodedata.normalize("NFC", cell)


def judged(field: Field, cells: list[str], *, is_optional: bool = False) -> str | Fault:
    """What is stored of a field that stands in these cells, or the code that refuses its row."""
    value = plain(" ".join(map(plain, cells)) if len(cells) > 1 else "".join(cells))
    if is_optional and field.name == "mobile_no" and value.lower() in NO_NUMBER:
        return ""
    if not value:
        return "" if field.may_be_empty or is_optional else Fault("missing_value")
    if code := _character_fault(value):
        return Fault(code)
    if "#" in value and any(error in value.upper() for error in ERRORS):
        return Fault("spreadsheet_damage")
    match field.name:
        case "mobile_no":
            return _mobile(value)
        case "email":
            return _email(" ".join(value.split()))
        case "employee_name" | "company_name":
            return _text(value, 200)
        case _:
            return _text(value, field.rule.limit)


def _text(value: str, limit: int) -> str | Fault:
    value = " ".join(value.split())
    return value if len(value) <= limit else Fault("value_too_long")


def _character_fault(value: str) -> str | None:
    if value.isascii() and value.isprintable():
        return None
    for character in value:
        category = unicodedata.category(character)
        if category in ("Cc", "Cf") and character not in WHITE_SPACE_CONTROLS and character not in JOINERS:
            return "control_character"
    if any(character == "\ufffd" or unicodedata.category(character) == "Cs" for character in value):
        return "unreadable_character"
    return None


def _email(value: str) -> str | Fault:
    address = _without_mailto(value)
    if address.endswith(">") and address.count("<") == 1 and address.count(">") == 1:
        name, _, inside = address[:-1].partition("<")
        quoted = name.strip().startswith('"')
        if "@" not in name or quoted or name.strip(" '").lower() == inside.strip().lower():
            address = _without_mailto(inside.strip())
    if len(value) > 1000 or (len(address) > 254 and address[0] != "'" and ".." not in address):
        return Fault("value_too_long")
    return address if _is_email(address) else Fault("invalid_email")


def _without_mailto(value: str) -> str:
    return value[7:].strip() if value[:7].lower() == "mailto:" else value


def _is_email(value: str) -> bool:
    local, _, domain = value.rpartition("@")
    labels = domain.split(".")
    return (
        1 <= len(local) <= 64
        and LOCAL_CHARACTERS.issuperset(local)
        and local[0] not in "'`"
        and ".." not in value
        and len(labels) >= 2
        and not labels[-1].isdigit()
        and all(
            1 <= len(label) <= 63
            and label.isascii()
            and label.replace("-", "a").isalnum()
            and not label.startswith("-")
            and not label.endswith("-")
            for label in labels
        )
    )


def _mobile(value: str) -> str | Fault:
    text = value
    for dash in "\u2010\u2011\u2012\u2013\u2014\u2015\u2212":
        text = text.replace(dash, "-")
    text = text[4:].strip() if text[:4].lower() == "tel:" else text
    # Nearly all numbers; the rest of this is too slow for a million of them.
    digits = text.removeprefix("+").replace(" ", "")
    is_plain = digits.isascii() and digits.isdigit() and "  " not in text and " 0 " not in text
    if is_plain and digits[0] != "0" and 7 <= len(digits) < 14 and len(set(digits)) > 1:
        return text.replace(" ", "")
    if _is_reformatted(text) or any(_is_date(text, form) for form in DATES):
        return Fault("spreadsheet_damage")
    pieces = re.findall("[0-9]+|[^0-9]+", f" {text} ")
    gaps, groups = pieces[::2], pieces[1::2]
    if not groups or _is_misread(gaps, groups) or _is_several(text, gaps, groups) or _is_extended(gaps, groups):
        return Fault("invalid_mobile")
    return _dialled(gaps, groups) or Fault("invalid_mobile")


def _is_reformatted(text: str) -> bool:
    number = (text[1:] if text[:1] in ("+", "-") else text).replace("\u00a0", " ").replace(" E", "E")
    mantissa, exponent, power = number.lower().partition("e")
    if exponent and power.lstrip("+-").isdigit() and mantissa.replace(",", ".", 1).replace(".", "", 1).isdigit():
        # Without a digit before the point it is nothing that a spreadsheet writes.
        return mantissa[0].isdigit() and len(power) - len(power.lstrip("+-")) < 2
    whole, point, part = number.replace(",", ".").partition(".")
    return (
        bool(point)
        and whole.isdigit()
        and len(whole) >= 7
        and part.isdigit()
        and (len(part) < 3 or not part.strip("0"))
    )


def _is_date(text: str, form: str) -> bool:
    if len(text) > len("31-Dec-2024") or len(text) < len("1/5/24"):
        return False
    try:
        found = datetime.strptime(text, form)  # noqa: DTZ007 - a day, nowhere
    except ValueError:
        return False
    return 1900 <= found.year <= 2099


def _is_misread(gaps: list[str], groups: list[str]) -> bool:
    """Whether something else than one sign stands between two groups, or a plus elsewhere than at the beginning."""
    gaps = [gaps[0].lstrip(), *gaps[1:]]
    first, *inner, last = ["".join(gap.split()) for gap in gaps]
    if first not in ("", "+", "(", "(+", "+(") or "\n" in gaps[0] or last not in ("", ")"):
        return True
    brackets = "".join(sign for gap in [first, *inner, last] for sign in gap if sign in "()")
    if brackets.replace("()", "") or any(gap.strip("()") not in ("", ".", "-") for gap in inner):
        return True
    if any(set(gap) & {"\n", "\r"} and set(gap) & {".", "-"} for gap in gaps[1:-1]):
        return True
    if any(")" in gap.lstrip(")") or "(" in gap.rstrip("(") for gap in inner):
        return True
    dotted = all(gap == "." for gap in inner) and len(groups) == 4 and all(len(group) <= 3 for group in groups)
    return dotted and not first and not last


def _is_several(text: str, gaps: list[str], groups: list[str]) -> bool:
    """Whether two parts of it are long enough to be numbers by themselves."""
    lengths = list(map(len, groups))

    def parts(*separators: str) -> list[int]:
        counted = [lengths[0]]
        for gap, length in zip(gaps[1:-1], lengths[1:], strict=True):
            if any(separator in gap for separator in separators):
                counted.append(length)
            else:
                counted[-1] += length
        return counted

    wide = parts("\n", "\r", "  ", "\t", " -", "- ")
    by_gap = [parts(" ", "\n", "\r", "\t", "\u00a0"), parts("(", ")"), lengths, wide]
    if any(sum(count >= 7 for count in counted) > 1 for counted in by_gap):
        return True
    return len(wide) > 1 and len(set(wide)) == 1 and wide[0] >= 6


def _is_extended(gaps: list[str], groups: list[str]) -> bool:
    if len(groups) < 2:
        return False
    last, before = groups[-1], "".join(groups[:-1])
    if "(" in gaps[-2] and ")" in gaps[-1] and last != "0" and len(last) < 7:
        return True
    dashes = sum(gap.count("-") for gap in gaps)
    return dashes == 1 and "-" in gaps[-2] and len(last) <= 3 and len(before) >= 7 and len(groups[-2]) > len(last)


def _dialled(gaps: list[str], groups: list[str]) -> str | None:
    digits = "".join(groups)
    is_international = "+" in gaps[0]
    if is_international and digits[0] == "0":
        return None
    zeros = [at for at, group in enumerate(groups) if at and group == "0" and "(" in gaps[at] and ")" in gaps[at + 1]]
    if not is_international and groups[0].startswith("00") and digits[2:3] not in ("", "0"):
        is_international, digits = True, digits[2:]
        groups = [group for group in [groups[0][2:], *groups[1:]] if group]
        zeros = [at - (groups[0] != digits[: len(groups[0])]) for at in zeros]
    if zeros:
        if not is_international or zeros != [1] or len(groups[0]) > 3 or groups[0] in ZERO_IS_DIALLED:
            return None
        digits = groups[0] + "".join(groups[2:])
    elif is_international and len(groups) > 1 and len(groups[0]) <= 3 and groups[0] not in ZERO_IS_DIALLED:
        is_lone = groups[1] == "0"
        digits = "" if is_lone or (groups[1].startswith("0") and "(" in gaps[1]) else digits
    if not 7 <= len(digits) <= 15 or len(set(digits)) == 1:
        return None
    return ("+" if is_international else "") + digits
