"""An email address: which are taken, as what, and what is wrong with the others."""

from __future__ import annotations

import re
from typing import Final

from shared.errors import RowCode
from shared.rows.rules.rule import RowFault, Rule
from shared.rows.rules.text import single_spaced, too_long

EMAIL_LIMIT: Final = 254
EMAIL_LOCAL_LIMIT: Final = 64
# With a name before it, and whatever else stands around it.
_LONGEST_WRITTEN: Final = 1000

# https://html.spec.whatwg.org/multipage/input.html#valid-e-mail-address, with at least one dot in the domain.
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_LOCAL: Final = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]"
_email = re.compile(rf"{_LOCAL}{{1,{EMAIL_LOCAL_LIMIT}}}@{_LABEL}(?:\.{_LABEL})+")

_scheme = re.compile(r"mailto: ?", re.IGNORECASE)
# A name in quotes may have anything in it; without them neither an address nor brackets, or it would not be certain
# which part is the address.
_in_brackets = re.compile(r'(?P<name>"(?:[^"\\]|\\.)*+"|[^<>@"]*+) ?<(?P<address>[^<>]*+)>')
_address_as_name = re.compile(r"""["']?(?P<name>[^<>"' ]++)["']? ?<(?P<address>[^<>]*+)>""")

_ip_domain = re.compile(r"@(?:\[.*\]|[0-9]+(?:\.[0-9]+)*)\Z")
_numeric_top = re.compile(r"\.[0-9]+\Z")
_comma_for_dot = re.compile(r"[^,]*,[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")
_spelt_at = re.compile(r"[\[({ ] ?at ?[\])} ]", re.IGNORECASE)
_END_MARKS: Final = ".,;:!?/|-"
_QUOTES: Final = "\"'`\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb"


def is_email(text: str) -> bool:
    """True when the text has the form of an email: what a line must have somewhere to look like a row."""
    return len(text) <= EMAIL_LIMIT and _email.fullmatch(text) is not None


def _clean_email(field: str, text: str) -> str | RowFault:
    written = single_spaced(text)
    if fault := too_long(field, written, _LONGEST_WRITTEN):
        return fault
    address = _address(written)
    wrong = _certain_fault(address)
    if wrong is None and _email.fullmatch(address):
        return too_long(field, address, EMAIL_LIMIT) or address
    if wrong is None and (fault := too_long(field, address, EMAIL_LIMIT)):
        return fault
    return RowFault(RowCode.INVALID_EMAIL, field, f"{field} {wrong or _other_fault(address)}")


def _address(text: str) -> str:
    """Without `mailto:`, and without `<…>` and the name before it: only where it is certain what is meant."""
    text = _scheme.sub("", text, count=1) if _scheme.match(text) else text
    found = _in_brackets.fullmatch(text)
    if found is None:
        found = _address_as_name.fullmatch(text)
        if found is None or found["name"].lower() != found["address"].strip().lower():
            return text
    inside = found["address"].strip()
    return _scheme.sub("", inside, count=1) if _scheme.match(inside) else inside


def _certain_fault(address: str) -> str | None:
    """What is wrong with a text that may have the form of an address, or would have it but for this."""
    if address.startswith(("'", "`")):
        return "begins with a quotation mark: remove it."
    if ".." in address:
        return "has two dots in a row: remove one."
    if _ip_domain.search(address):
        return "has an IP address for a domain: write the domain's name, as in name@example.com."
    if "@" in address and _numeric_top.search(address):
        return "ends with a number: no domain does. Write it as in name@example.com."
    return None


def _other_fault(address: str) -> str:
    """What to mend in a text that has not the form of an address."""
    if address.count("@") > 1:
        return "holds several addresses, or more than one @: keep one address, and give the other a row or column."
    if "@" not in address:
        if _spelt_at.search(address):
            return "has no @ but a word for it: write it as in name@example.com."
        return "has no @: write it as in name@example.com."
    if address[-1] in _END_MARKS:
        return "ends with a dot or another separator: remove it."
    if address[0] in _QUOTES or address[-1] in _QUOTES:
        return "stands in quotation marks: remove them."
    if "<" in address or ">" in address:
        return "has < or > around more or less than one address: write the address alone, as in name@example.com."
    return _fault_of_parts(address)


def _fault_of_parts(address: str) -> str:
    local, _, domain = address.partition("@")
    if not domain.isascii():
        return "has a domain with other than ASCII letters: write it in the form that begins with xn-- (punycode)."
    if not local.isascii():
        return "has an accent or another letter that is not ASCII before the @: write the address as it is registered."
    if " " in address:
        return "has a space or a line end inside: remove it, and whatever is no part of the address."
    if _comma_for_dot.fullmatch(domain) or "," in local:
        return "has a comma where a dot may be meant: correct it."
    if "?" in domain:
        return "has more behind the address, from the question mark on: remove that."
    if not local or not domain:
        return "lacks what stands before or behind the @: write it as in name@example.com."
    if len(local) > EMAIL_LOCAL_LIMIT:
        return f"has more than {EMAIL_LOCAL_LIMIT} characters before the @: no mail server takes that."
    if "." not in domain:
        return "has no dot in its domain: write it whole, as in name@example.com."
    return (
        "must look like name@example.com: letters, digits and some signs before the @, behind it names of letters, "
        "digits and dashes with dots between them."
    )


# Narrower than what is taken: it has neither a text mark nor an error value, and no number for its last name.
# `employee_rows` counts its characters, and leaves aside what has two dots in a row.
_CERTAIN_LOCAL: Final = _LOCAL.replace("#", "")
EMAIL: Final = Rule(
    EMAIL_LIMIT,
    _clean_email,
    rf"(?!'){_CERTAIN_LOCAL}{{1,{EMAIL_LOCAL_LIMIT}}}@{_LABEL}(?:\.{_LABEL})+(?<![0-9])",
)
