"""An email address: which are taken and as what, and which text refuses the others."""

from __future__ import annotations

import pytest

from shared.errors import RowCode
from shared.rows.employee_row import clean_value
from shared.rows.fields import FIELDS
from shared.rows.rules import RowFault

EMAIL = next(field for field in FIELDS if field.name == "email")


def refused(written: str) -> RowFault:
    fault = clean_value(EMAIL, written)
    assert isinstance(fault, RowFault), fault
    assert fault.field == "email"
    return fault


@pytest.mark.parametrize(
    "email",
    [
        "a@1.com",
        "First.Last+tag@Sub.Example.COM",
        "!#$%&'*+/=?^_`{|}~-@x-y.example",
        ".a.@b.c",
        "o'neil@b.example",
        "ann@xn--bcher-kva.example",
        "ann@a.b1",
        "=ann@b.example",
    ],
)
def test_an_email_is_stored_as_written(email: str) -> None:
    assert clean_value(EMAIL, f" {email}\n") == email


@pytest.mark.parametrize(
    "written",
    [
        "mailto:ann@x.example",
        "MailTo: ann@x.example",
        "<ann@x.example>",
        "< ann@x.example >",
        "<mailto:ann@x.example>",
        "mailto:<ann@x.example>",
        "Ann Lee <ann@x.example>",
        "Ann Lee<ann@x.example>",
        "Lee, Ann <ann@x.example>",
        '"Lee, Ann" <ann@x.example>',
        '"Ann ""@"" Lee" <ann@x.example>'.replace('""', '\\"'),
        "Ann O'Neil (Sales) <ann@x.example>",
        "Zoë <ann@x.example>",
        "ann@x.example <ann@x.example>",
        "'ann@x.example' <ann@x.example>",
        '"ann@x.example" <ann@x.example>',
        '="ann@x.example"',
        "\ufeffann@x.example\u200b",
    ],
)
def test_what_stands_around_an_address_is_taken_off(written: str) -> None:
    assert clean_value(EMAIL, written) == "ann@x.example"


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("ann@x.example, bob@x.example", "several addresses"),
        ("ann@x.example;bob@x.example", "several addresses"),
        ("ann@x.example bob@x.example", "several addresses"),
        ("ann@x.example\nbob@x.example", "several addresses"),
        ("ann@x.example / bob@x.example", "several addresses"),
        ("Ann <ann@x.example>, Bob <bob@x.example>", "several addresses"),
        ("bob@x.example <ann@x.example>", "several addresses"),
        ("ann@@x.example", "several addresses"),
        ("ann@x.example.", "ends with"),
        ("ann@x.example;", "ends with"),
        ("ann@x.example,", "ends with"),
        ("mailto:ann@x.example.", "ends with"),
        ("ann@x..example", "two dots"),
        ("ann..lee@x.example", "two dots"),
        ("ann lee@x.example", "space"),
        ("ann@ x.example", "space"),
        ("ann@x.example (Ann)", "space"),
        ("ann@x\n.example", "space"),
        ("ann@bücher.example", "punycode"),
        ("ann@例え.example", "punycode"),
        ("åda@x.example", "before the @"),
        ("ann@x,example", "comma"),
        ("ann,lee@x.example", "comma"),
        ("ann@192.168.0.1", "IP address"),
        ("ann@[192.168.0.1]", "IP address"),
        ("ann@[IPv6:2001:db8::1]", "IP address"),
        ("ann@x.123", "ends with a number"),
        ("'ann@x.example'", "quotation mark"),
        ("'ann@x.example", "quotation mark"),
        ('"ann@x.example"', "quotation mark"),
        ("\u201cann@x.example\u201d", "quotation mark"),
        ("Ann <ann@x.example", "< or >"),
        ("ann@x.example>", "< or >"),
        ("mailto:ann@x.example?subject=Hi", "question mark"),
        ("ann at x.example", "a word for it"),
        ("ann[at]x.example", "a word for it"),
        ("ann", "no @"),
        ("n/a", "no @"),
        ("ann\uff20x.example", "no @"),
        ("ann@", "before or behind"),
        ("@x.example", "before or behind"),
        ("ann@localhost", "no dot"),
        ("a" * 65 + "@x.example", "64 characters"),
        ("ann@-x.example", "must look like"),
        ("ann@x-.example", "must look like"),
        ("ann@x_y.example", "must look like"),
        ("ann@.example", "must look like"),
        (f"ann@{'b' * 64}.example", "must look like"),
    ],
)
def test_what_is_no_email_is_refused_with_what_is_wrong(written: str, why: str) -> None:
    fault = refused(written)
    assert fault.code == RowCode.INVALID_EMAIL
    assert why in fault.message


def test_an_email_of_254_characters_is_the_longest() -> None:
    longest = f"a@{'b' * 62}.{'c' * 63}.{'d' * 63}.{'e' * 61}"
    assert len(longest) == 254
    assert clean_value(EMAIL, longest) == longest
    assert clean_value(EMAIL, f"Ann Lee <{longest}>") == longest
    assert refused(longest + "e").code == RowCode.VALUE_TOO_LONG


@pytest.mark.parametrize("unit", ["@[", "<", "a <", "a@", ".", ",", '"', "\\", " ", "a@b.", "mailto:"])
def test_a_long_cell_is_judged_in_time(unit: str) -> None:
    assert refused("a" + unit * (250_000 // len(unit)) + "a").code in (RowCode.VALUE_TOO_LONG, RowCode.INVALID_EMAIL)
