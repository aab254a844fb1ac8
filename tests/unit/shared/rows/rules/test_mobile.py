"""A mobile number: which are taken and as what, and which text refuses the others."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import RowCode
from shared.rows.employee_row import clean_value
from shared.rows.fields import FIELDS
from shared.rows.rules import RowFault

MOBILE = next(field for field in FIELDS if field.name == "mobile_no")


def stored(written: str) -> str:
    value = clean_value(MOBILE, written)
    assert isinstance(value, str), value
    return value


def refused(written: str) -> RowFault:
    fault = clean_value(MOBILE, written)
    assert isinstance(fault, RowFault), fault
    assert fault.field == "mobile_no"
    return fault


def assert_invalid(written: str, why: str) -> None:
    fault = refused(written)
    assert fault.code == RowCode.INVALID_MOBILE
    assert why in fault.message


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("7567377093", "7567377093"),
        ("+91 98765-43210", "+919876543210"),
        ("(020) 7946.0000", "02079460000"),
        ("(+44) 20 7946 0000", "+442079460000"),
        ("+(44) 20 7946 0000", "+442079460000"),
        ("+ 44 20 7946 0000", "+442079460000"),
        ("020\u00a07946\u20130000", "02079460000"),
        ("020\u202f7946\u22120000", "02079460000"),
        ("(201)555-0101", "2015550101"),
        ("201-555-0101", "2015550101"),
        ("1-201-555-0101", "12015550101"),
        ("+1 201 555-0101", "+12015550101"),
        ("01.23.45.67.89", "0123456789"),
        ("+33-6-12-34-56-78", "+33612345678"),
        ("+7 912 345-67-89", "+79123456789"),
        ("+385 91 234-567", "+38591234567"),
        ("+47 22 55 01-01", "+4722550101"),
        ("98765 - 43210", "9876543210"),
        ("+44 20  7946 0000", "+442079460000"),
        ("+44 20\n7946 0000", "+442079460000"),
        ("tel:+44-20-7946-0000", "+442079460000"),
        ("TEL: 020 7946 0000", "02079460000"),
        ("1234567", "1234567"),
        ("123456789012345", "123456789012345"),
        ("'07911 550101", "07911550101"),
        ('="07911550102"', "07911550102"),
        ("\u202a+44 20 7946 0000\u202c", "+442079460000"),
    ],
)
def test_a_mobile_keeps_its_digits_and_its_plus(written: str, value: str) -> None:
    assert stored(written) == value


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("+44 (0)20 7946 0101", "+442079460101"),
        ("+44(0)20 7946 0101", "+442079460101"),
        ("+49 (0) 30 5550102", "+49305550102"),
        ("(+44) (0)20 7946 0101", "+442079460101"),
        ("+358 (0)9 5550101", "+35895550101"),
        ("0044 (0)20 7946 0101", "+442079460101"),
        ("(0)30 5550103", "0305550103"),
        ("+39 06 5550 0104", "+390655500104"),
        ("+39 (06) 5550 0104", "+390655500104"),
        ("0049 30 5550105", "+49305550105"),
        ("(0049) 30 5550105", "+49305550105"),
        ("00 49 30 5550105", "+49305550105"),
        ("0005550105", "0005550105"),
    ],
)
def test_zeros_that_are_dialled_in_one_country_alone_are_understood(written: str, value: str) -> None:
    assert stored(written) == value


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("+0049 30 5550105", "right after the +"),
        ("+ (0)30 5550105", "right after the +"),
        ("+07911 550101", "right after the +"),
        ("44 (0)20 7946 0101", "elsewhere than after a country code"),
        ("+44 20 (0) 7946 0101", "in its midst"),
        ("+44 (0)20 (0)7946 0101", "in its midst"),
        ("+39 (0)6 5550 0104", "part of the number"),
        ("+44 (020) 7946 0101", "after the country code"),
        ("+44 0 20 7946 0101", "after the country code"),
        ("+44 0(20) 7946 0101", "after the country code"),
    ],
)
def test_zeros_of_which_it_is_not_certain_are_refused(written: str, why: str) -> None:
    assert_invalid(written, why)


@pytest.mark.parametrize(
    "written",
    [
        "555-0101\n555-0102",
        "555 0101\r\n\r\n555 0102",
        "555 0103  555 0104",
        "555 0103\t555 0104",
        "5550105 - 5550106",
        "5550105 \u2013 5550106",
        "5550107 ::: 5550108",
        "5550109 / 5550110",
        "5550109/5550110",
        "020 7946 0101;020 7946 0102",
        "020 7946 0101, 020 7946 0102",
        "020 7946 0101 | 020 7946 0102",
        "020 7946 0101 & 020 7946 0102",
        "020 7946 0101 or 020 7946 0102",
        "020 7946 0101 und 020 7946 0102",
        "+1 201 555 0111\n+1 201 555 0112",
        "+1 201 555 0111 +1 201 555 0112",
        "+12015550111+12015550112",
        "5550101 5550102",
        "555-0101 555-0102",
        "0791155010 0791155011",
        "550101  550102",
        "550101/550102",
        "555 0101 (555 0102)",
        "5550101;5550102;5550103",
        "W: 555 0101 M: 555 0102",
    ],
)
def test_two_numbers_in_a_cell_are_refused_as_such(written: str) -> None:
    assert_invalid(written, "more than one number")


@pytest.mark.parametrize(
    "between", ["\n", "\r\n", "  ", "\t", " - ", " – ", "/", " / ", ";", "; ", ",", " ::: ", "|", " & "]
)
@settings(derandomize=True, deadline=None, max_examples=30)
@given(numbers=st.lists(st.integers(1_000_000, 9_999_999_999).map(str), min_size=2, max_size=3))
def test_two_numbers_are_refused_whatever_they_are(between: str, numbers: list[str]) -> None:
    assert refused(between.join(numbers)).code in (RowCode.INVALID_MOBILE, RowCode.SPREADSHEET_DAMAGE)


@pytest.mark.parametrize(
    "extension",
    [
        " x12",
        "x12",
        " ext 12",
        " ext. 12",
        " extn. 12",
        " Extension: 12",
        ", ext 12",
        ";ext=12",
        " #12",
        "#12",
        "*12",
        ",12",
        " (12)",
        " (ext. 12)",
        "-12",
        " - 3",
        " Durchwahl 12",
        " DW 12",
        " App. 12",
        " Nst. 12",
        " poste 12",
        " int. 12",
        " interno 12",
        " anexo 12",
        " ramal 12",
        " toestel 12",
        " wew. 12",
        " ankn. 12",
        " доб. 12",
        " 内線12",
        "转12",
    ],
)
def test_an_extension_is_refused_as_such(extension: str) -> None:
    assert_invalid(f"020 79460101{extension}", "extension")


@pytest.mark.parametrize("written", ["+49 30 5550-102", "030 1234567-0", "tel:+442079460101;ext=12"])
def test_a_short_group_behind_a_whole_number_is_an_extension(written: str) -> None:
    assert_invalid(written, "extension")


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("123456", "6 digits"),
        ("+123456", "6 digits"),
        ("1234567890123456", "16 digits"),
        ("0000000", "one digit over and over"),
        ("+1111111111", "one digit over and over"),
        ("(999) 999-9999", "one digit over and over"),
        ("192.168.10.25", "IP address"),
        ("10.0.0.127", "IP address"),
        ("1-800-FLOWERS", "letters"),
        ("0800 GO FEDEX", "letters"),
        ("12345a7", "letters"),
        ("020 7946 0101 (work)", "letters"),
        ("Mobile: 020 7946 0101", "letters"),
        ("O2O 7946 OIOI", "letters"),
        ("+", "no digit"),
        ("-", "no digit"),
        ("n/a", "no digit"),
        ("unknown", "no digit"),
        ("1+2345678", "not at its beginning"),
        ("++12345678", "not at its beginning"),
        ("2345678+", "not at its beginning"),
        ("020/79460101", "SOLIDUS"),
        ("1234567/8", "SOLIDUS"),
        ("123,456,789", "COMMA"),
        ("079'123'45'67", "APOSTROPHE"),
        ("020_7946_0101", "LOW LINE"),
        ("[020] 7946 0101", "LEFT SQUARE BRACKET"),
        ("12:30:0001", "COLON"),
        ("(020 7946 0101", "bracket"),
        ("020) 7946 0101", "bracket"),
        ("()0207946", "brackets that hold no"),
        ("020--7946 0101", "several separators"),
        ("020.-7946 0101", "several separators"),
        ("020 7946 0101.", "begins or ends"),
        ("-020 7946 0101", "begins or ends"),
        ("1" * 1000, "1000 characters"),
    ],
)
def test_what_is_no_mobile_is_refused_with_what_is_wrong(written: str, why: str) -> None:
    assert_invalid(written, why)


@pytest.mark.parametrize(
    "digits", ["７５６７３７７０９３", "٧٥٦٧٣٧٧٠٩٣", "۷۵۶۷۳۷۷۰۹۳", "७५६७३७७०९३", "²²²²²²²²", "020 7946 010１"]
)
def test_digits_of_other_scripts_are_refused_as_such(digits: str) -> None:
    assert_invalid(digits, "another script")


@pytest.mark.parametrize(
    "written",
    [
        "9.19E+11",
        "9,19E+11",
        "9.19877e+11",
        "9E11",
        " 9.19E+11 ",
        "-9.1E+11",
        "9.19 E+11",
        "9,19x10^11",
        "9.19*10^11",
        "7567377093.0",
        "7567377093,00",
        "7567377093.50",
        "+7567377093.0",
    ],
)
def test_a_number_that_a_spreadsheet_has_reformatted_has_a_code_of_its_own(written: str) -> None:
    fault = refused(written)
    assert fault.code == RowCode.SPREADSHEET_DAMAGE
    assert "decimal or scientific" in fault.message


@pytest.mark.parametrize(
    "written",
    [
        "2024-01-05",
        "2024/1/5",
        "2024.01.05",
        "2024. 01. 05.",
        "05/01/2024",
        "1/5/24",
        "5.1.2024",
        "05-01-2024",
        "31.12.1999",
        "2024-01-05T00:00:00",
        "2024-01-05 00:00:00",
        "1/5/2024 12:00:00 AM",
        "05.01.2024 10:30",
        "2024-01-05T00:00:00Z",
        "5-Jan-2024",
        "05 Jan 24",
        "Jan-24",
        "5. März 2024",
        "5 janvier 2024",
        "5 de enero de 2024",
        "January 5, 2024",
        "Friday, January 5, 2024",
        "5-mei-24",
        "5 maj 2024",
        "2024年1月5日",
    ],
)
def test_a_date_is_damage(written: str) -> None:
    fault = refused(written)
    assert fault.code == RowCode.SPREADSHEET_DAMAGE
    assert "date" in fault.message


@pytest.mark.parametrize("written", ["20240105", "05 01 2024", "2024 0105", "201-555-2024", "+20 24-01-05 12"])
def test_digits_that_might_be_a_date_in_other_hands_are_a_number(written: str) -> None:
    assert stored(written)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.text(st.sampled_from("0123456789+() .-/\n\t\u00a0"), max_size=24))
def test_no_digit_is_added_and_none_lost_but_zeros_of_prefix_and_trunk(written: str) -> None:
    value = clean_value(MOBILE, written)
    if isinstance(value, str):
        digits = "".join(filter(str.isdigit, written))
        kept = value.removeprefix("+")
        assert digits == kept or len(digits) - len(kept) in (1, 2, 3)
        assert digits.replace("0", "") == kept.replace("0", "")
        assert digits.endswith(kept) or "(0" in written.replace(" ", "")
        assert ("+" in written) <= value.startswith("+")


@pytest.mark.parametrize("unit", ["1 ", "1-", "1", "(", "1(", " ", "1  ", "1,", "+", "1.", "x1", "1\n", "٣"])
def test_a_long_cell_is_judged_in_time(unit: str) -> None:
    cell = "1" + unit * (250_000 // len(unit)) + "1"
    assert clean_value(MOBILE, cell)
