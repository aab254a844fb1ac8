"""What may be wrong with a mobile number, each with a text of its own.

Texts come with one kind of blank, dash and line end. What is said of them tells what to do, and never quotes the cell.
"""

from __future__ import annotations

import re
from typing import Final

from shared.rows.rules.text import name_of

# So many digits are a number by themselves; a few less are, where several groups of them stand far apart.
_COMPLETE: Final = 7
_COMPLETE_AMONG_EQUALS: Final = 6

_LIKE_THIS: Final = "write it as in +44 20 7946 0101."
_not_of_numbers = re.compile(r"[^0-9+(). -]+")
_strange = re.compile(r"[^0-9+(). \n-]")
_far_apart = re.compile(r"\n| {2,}| *- +| +- *")
_others = re.compile(r"[^0-9]+")

_WORDS_FOR_EXTENSION: Final = (
    "x", "xt", "ext", "extn", "exten", "extension", "durchwahl", "dw", "apparat", "app", "nebenstelle", "nst", "klappe",
    "kl", "poste", "post", "p", "interno", "int", "anexo", "anx", "extensión", "extensao", "extensão", "ramal", "r",
    "toestel", "tst", "wew", "wewn", "wewnętrzny", "anknytning", "ankn", "lokal", "lok", "alanumero", "linka", "mellék",
    "доб", "добавочный", "вн", "ip", "w", "分机", "转", "内線", "내선",
)  # fmt: skip
_extension = re.compile(
    r"[0-9)] ?[,;/(]? ?"
    rf"(?:(?:ext|isub) ?=|[#*]|(?:{'|'.join(_WORDS_FOR_EXTENSION)})(?![^\W\d])[.:#]{{0,2}}) ?[0-9]{{1,7}} ?\)?\Z",
    re.IGNORECASE,
)
_pause = re.compile(r"[0-9)] ?[,;]+ ?[0-9]{1,5}\Z")
_last_in_brackets = re.compile(r"[0-9][^0-9(]*\((?P<last>[^()]*)\)\Z")
_short_dashed = re.compile(r"(?P<before>[^-]*?(?P<group>[0-9]+)\)?) *- *(?P<last>[0-9]{1,3})\Z")
_four_dotted = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")

# Countries without a trunk prefix, whose numbers may begin with a 0 that is dialled from abroad too: Italy, San Marino,
# the Vatican, Ivory Coast, Benin, Gabon and the Republic of the Congo.
_KEEPS_ITS_ZERO: Final = frozenset(["39", "378", "379", "225", "229", "241", "242"])
_zero_after_plus = re.compile(r"\(? *\+[ .()\n-]*0")
_after_country_code = re.compile(
    r"\(? *(?:\+|00)[ .()\n-]*(?P<code>[1-9][0-9]{0,2})(?![0-9])\)?(?P<rest>.*)", re.DOTALL
)
_bracket_with_zero = re.compile(r"[ .\n-]*\( *0[0-9 .-]+\)")
_lone_zero = re.compile(r"[ .\n-]+0[ .(\n-]|0 *\(")
TRUNK_ZERO: Final = re.compile(r"\( *0 *\)")


def fault_before_reading(text: str) -> str | None:
    """What a text holds that is no single number, however that may be written."""
    if any(character.isdigit() and not character.isascii() for character in text):
        return "has digits of another script or width: write it with the digits 0 to 9."
    if not any(map(str.isdigit, text)):
        return "has no digit: write a number, such as +44 20 7946 0101."
    if _holds_several(text):
        return "holds more than one number: keep one, and give the others a row or a column of their own."
    if _has_extension(text):
        return "has an extension: remove it, and keep the number alone."
    if any(map(str.isalpha, text)):
        return (
            "has letters: write the digits that they stand for, if they do (as in 0800-FLOWERS), and put words into a "
            "column of their own."
        )
    if _four_dotted.fullmatch(text):
        return "has four numbers with dots between, as an IP address has: if it is a phone number, write blanks."
    return None


def fault_of_signs(text: str) -> str:
    """Why a text of one number cannot be read as plus, digits and single separators between groups of digits."""
    if strange := _strange.search(text):
        return f"has a character that no number has, {name_of(strange[0])}: {_LIKE_THIS}"
    if "+" in text.lstrip("( ")[1:]:
        return f"has a + that is not at its beginning: {_LIKE_THIS}"
    if text.count("(") != text.count(")"):
        return "has a bracket that is not closed, or was never opened: mend or remove it."
    if text[0] in ".-" or text[-1] in ".-":
        return "begins or ends with a dot or dash: remove it."
    return f"has several separators where one is enough, or brackets that hold no group of digits: {_LIKE_THIS}"


def fault_of_zeros(text: str) -> str | None:
    """A zero that may be dialled within the country alone, or may not."""
    if _zero_after_plus.match(text):
        return "has a 0 right after the +: no country code begins with 0. Remove the zeros or the +."
    found = _after_country_code.fullmatch(text)
    zeros = [zero.start() for zero in TRUNK_ZERO.finditer(text) if zero.start()]
    if found is None:
        return (
            "has (0) elsewhere than after a country code with a +: write the number as it is dialled."
            if zeros
            else None
        )
    rest, keeps = found["rest"], found["code"] in _KEEPS_ITS_ZERO
    if len(zeros) > 1 or (zeros and _others.sub("", text[found.end("code") : zeros[0]])):
        return "has (0) in its midst: write the number as it is dialled."
    if zeros and keeps:
        return "has (0) after the code of a country where that 0 is part of the number: write it without brackets."
    if not keeps and (_bracket_with_zero.match(rest) or (not zeros and _lone_zero.match(rest))):
        return "has a 0 after the country code that is not dialled from abroad: leave it out, or write (0)."
    return None


def _holds_several(text: str) -> bool:
    apart = _counts(_not_of_numbers.split(text))
    far = _counts(_far_apart.split(text))
    near = [_counts(re.split(separator, text)) for separator in ("[ \n]", "[()]", "[^0-9]")]
    return (
        any(sum(count >= _COMPLETE for count in counts) > 1 for counts in (apart, far, *near))
        or any(
            len(counts) > 1 and len(set(counts)) == 1 and counts[0] >= _COMPLETE_AMONG_EQUALS for counts in (apart, far)
        )
        or sum(count >= _COMPLETE_AMONG_EQUALS for count in _counts(text.split("+")[1:])) > 1
    )


def _counts(parts: list[str]) -> list[int]:
    """How many digits each of them has that has any."""
    return [count for part in parts if (count := sum("0" <= character <= "9" for character in part))]


def _has_extension(text: str) -> bool:
    if _extension.search(text):
        return True
    if _pause.search(text):
        return sum(_counts(re.split("[,;]", text))[:1]) >= _COMPLETE
    if found := _last_in_brackets.search(text):
        return found["last"].strip() != "0" and 0 < sum(_counts([found["last"]])) < _COMPLETE
    found = _short_dashed.fullmatch(text)
    return (
        found is not None and sum(_counts([found["before"]])) >= _COMPLETE and len(found["last"]) < len(found["group"])
    )
