"""What a row becomes: which values are taken, as what, and which code refuses the others."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import RowCode
from shared.rows.employee_row import check_row, email_key, storable
from shared.rows.fields import FIELD_NAMES, FIELDS, REQUIRED_NAMES
from shared.rows.layout import Layout, layout_of_names
from shared.rows.rules import RowFault
from tests.support.near_misses import GOOD_ROW, near_misses

CANONICAL = layout_of_names(FIELD_NAMES)
ADA = GOOD_ROW
TWO_NAMES = Layout(
    len(FIELD_NAMES) + 1, {name: (at,) for at, name in enumerate(FIELD_NAMES, 1)} | {"employee_name": (0, 1)}
)
GOOD = dict(zip(FIELD_NAMES, GOOD_ROW, strict=True))


def row(**changes: str) -> list[str]:
    return list((GOOD | changes).values())


def accepted(**changes: str) -> dict[str, str]:
    outcome = check_row(row(**changes), CANONICAL)
    assert not isinstance(outcome, RowFault), outcome
    return dict(zip(FIELD_NAMES, outcome, strict=True))


def refused(**changes: str) -> tuple[RowCode, str | None]:
    outcome = check_row(row(**changes), CANONICAL)
    assert isinstance(outcome, RowFault), outcome
    return outcome.code, outcome.field


def test_a_clean_row_comes_back_as_it_is() -> None:
    assert accepted() == GOOD


def test_fields_are_taken_from_where_the_layout_says() -> None:
    backwards = layout_of_names(FIELD_NAMES[::-1])
    layout = Layout(backwards.width + 1, backwards.columns)
    assert check_row([*ADA[::-1], "extra"], layout) == ADA


def test_a_name_in_two_columns_is_joined_with_one_space() -> None:
    assert check_row(["Ada ", " Lovelace", *ADA[1:]], TWO_NAMES) == ADA


def test_one_half_of_a_name_in_two_columns_may_be_empty() -> None:
    assert check_row(["Ada", "", *ADA[1:]], TWO_NAMES)[0] == "Ada"


@pytest.mark.parametrize(
    "written",
    [
        "  Ada Lovelace\t",
        "Ada  Lovelace",
        "Ada\nLovelace",
        "Ada\r\nLovelace",
        "Ada\u00a0Lovelace",
        "\u3000Ada \u2003\x85 Lovelace\u2028",
    ],
)
def test_white_space_of_every_kind_is_trimmed_and_collapsed(written: str) -> None:
    assert accepted(employee_name=written)["employee_name"] == "Ada Lovelace"


@pytest.mark.parametrize("name", ["José Núñez", "王小明", "O'Brien-Smith, Jr.", "Zoë 🦉", "A", "x" * 200, "٣"])
def test_names_of_every_script_are_taken(name: str) -> None:
    assert accepted(employee_name=name, company_name=name) == GOOD | {"employee_name": name, "company_name": name}


def test_joiners_stay_inside_a_word_and_go_at_its_ends() -> None:
    assert accepted(employee_name="\u200cعلی\u200cرضا\u200d")["employee_name"] == "علی\u200cرضا"


@pytest.mark.parametrize("field", [field.name for field in FIELDS if not field.may_be_empty])
@pytest.mark.parametrize("empty", ["", "   ", "\u00a0\n\t", "\u200d"])
def test_a_field_without_a_visible_character_is_missing(field: str, empty: str) -> None:
    assert refused(**{field: empty}) == (RowCode.MISSING_VALUE, field)


@pytest.mark.parametrize("field", FIELD_NAMES)
@pytest.mark.parametrize(
    "character", ["\0", "\x07", "\x1b", "\x1c", "\x1f", "\x7f", "\x9f", "\xad", "\u200b", "\u202e", "\u2066", "\ufeff"]
)
def test_control_and_invisible_characters_are_refused(field: str, character: str) -> None:
    value = GOOD[field]
    assert refused(**{field: value[:3] + character + value[3:]}) == (RowCode.CONTROL_CHARACTER, field)


@pytest.mark.parametrize("field", FIELD_NAMES)
def test_what_a_decoder_could_not_read_is_refused(field: str) -> None:
    value = GOOD[field]
    for character in "\ufffd\ud800\udfff":
        assert refused(**{field: value + character}) == (RowCode.UNREADABLE_CHARACTER, field)


@pytest.mark.parametrize("field", ["employee_name", "company_name"])
def test_a_name_of_201_characters_is_too_long(field: str) -> None:
    assert refused(**{field: "x" * 201}) == (RowCode.VALUE_TOO_LONG, field)


def test_length_is_measured_after_trimming() -> None:
    assert accepted(employee_name=" " * 300 + "x" * 200)["employee_name"] == "x" * 200


def test_an_email_of_254_characters_is_the_longest() -> None:
    longest = f"a@{'b' * 62}.{'c' * 63}.{'d' * 63}.{'e' * 61}"
    assert len(longest) == 254
    assert accepted(email=longest)["email"] == longest
    assert refused(email=longest + "e") == (RowCode.VALUE_TOO_LONG, "email")


def test_the_local_part_of_an_email_has_64_characters_at_most() -> None:
    assert accepted(email=f"{'a' * 64}@b.example")["email"]
    assert refused(email=f"{'a' * 65}@b.example") == (RowCode.INVALID_EMAIL, "email")


@pytest.mark.parametrize(
    "email", ["a@1.com", "First.Last+tag@Sub.Example.COM", "!#$%&'*+/=?^_`{|}~-@x-y.example", ".a.@b.c"]
)
def test_an_email_is_stored_as_written(email: str) -> None:
    assert accepted(email=f" {email} ")["email"] == email


@pytest.mark.parametrize(
    "email",
    [
        "ada",
        "ada@",
        "@b.example",
        "ada@localhost",
        "ada@b..example",
        "ada@.example",
        "ada@b.example.",
        "ada@-b.example",
        "ada@b-.example",
        "ada lovelace@b.example",
        "ada@b@c.example",
        "ada@bücher.example",
        "åda@b.example",
        f"a@{'b' * 64}.example",
        "ada@b.example, bob@b.example",
        "<ada@b.example>",
    ],
)
def test_what_is_no_email_is_refused(email: str) -> None:
    assert refused(email=email) == (RowCode.INVALID_EMAIL, "email")


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("7567377093", "7567377093"),
        ("+91 98765-43210", "+919876543210"),
        ("(020) 7946.0000", "02079460000"),
        ("(+44) 20 7946 0000", "+442079460000"),
        ("020\u00a07946\u20130000", "02079460000"),
        ("1234567", "1234567"),
        ("123456789012345", "123456789012345"),
    ],
)
def test_a_mobile_keeps_its_digits_and_its_plus(written: str, stored: str) -> None:
    assert accepted(mobile_no=written)["mobile_no"] == stored


@pytest.mark.parametrize(
    "mobile",
    [
        "123456",
        "1234567890123456",
        "+123456",
        "12345a7",
        "1+2345678",
        "++12345678",
        "+",
        "-",
        "1234567/8",
        "123,456,789",
    ],
)
def test_what_is_no_mobile_is_refused(mobile: str) -> None:
    assert refused(mobile_no=mobile) == (RowCode.INVALID_MOBILE, "mobile_no")


@pytest.mark.parametrize("mobile", ["７５６７３７７０９３", "٧٥٦٧٣٧٧٠٩٣", "७५६७३७७०९३", "²²²²²²²²"])
def test_digits_of_other_scripts_are_no_digits(mobile: str) -> None:
    assert refused(mobile_no=mobile) == (RowCode.INVALID_MOBILE, "mobile_no")


@pytest.mark.parametrize(
    "mobile", ["9.19E+11", "9,19E+11", "9.19877e+11", "9E11", " 9.19E+11 ", "-9.1E+11", "7567377093.0", "7567377093,00"]
)
def test_a_number_that_a_spreadsheet_has_reformatted_has_a_code_of_its_own(mobile: str) -> None:
    assert refused(mobile_no=mobile) == (RowCode.SPREADSHEET_DAMAGE, "mobile_no")


@pytest.mark.parametrize("cells", [[], ["Ada"], list(ADA[:-1]), [*ADA, "x"], [*ADA, "", "x"]])
def test_a_row_of_another_width_is_refused(cells: list[str]) -> None:
    fault = check_row(cells, CANONICAL)
    assert isinstance(fault, RowFault)
    assert (fault.code, fault.field) == (RowCode.WRONG_COLUMN_COUNT, None)


def test_empty_cells_past_the_last_column_are_forgiven() -> None:
    assert check_row([*ADA, "", "  "], CANONICAL) == ADA


def test_what_a_file_lacks_is_empty() -> None:
    assert check_row(ADA[: len(REQUIRED_NAMES)], layout_of_names(REQUIRED_NAMES)) == tuple(
        "" if field.is_optional else GOOD[field.name] for field in FIELDS
    )


def test_the_width_is_looked_at_before_the_fields() -> None:
    fault = check_row(["", "", ""], CANONICAL)
    assert fault[0] == RowCode.WRONG_COLUMN_COUNT


def test_the_first_faulty_field_gives_the_code() -> None:
    assert refused(company_name="x" * 201, mobile_no="", email="no") == (RowCode.VALUE_TOO_LONG, "company_name")


def test_within_a_field_the_order_of_the_faults_is_fixed() -> None:
    assert refused(employee_name="\0\ufffd" + "x" * 300)[0] == RowCode.CONTROL_CHARACTER
    assert refused(employee_name="\ufffd" + "x" * 300)[0] == RowCode.UNREADABLE_CHARACTER


@pytest.mark.parametrize(
    "cells",
    [
        ["secret\0", *["secret"] * (len(ADA) - 1)],
        ["secret\ufffd", *ADA[1:]],
        ["secret" * 50, *ADA[1:]],
        row(mobile_no="secret"),
        row(email="secret"),
        [*ADA, "secret"],
    ],
)
def test_no_message_quotes_a_cell(cells: list[str]) -> None:
    fault = check_row(cells, CANONICAL)
    assert isinstance(fault, RowFault)
    assert fault.message
    assert "secret" not in fault.message


@pytest.mark.slow
@settings(derandomize=True, deadline=None, max_examples=1000)
@given(st.tuples(*(st.text() for _ in FIELDS)), near_misses())
def test_whatever_is_accepted_obeys_the_rules(wild: tuple[str, ...], near: tuple[str, ...]) -> None:
    for cells in (wild, near):
        outcome = check_row(cells, CANONICAL)
        if not isinstance(outcome, RowFault):
            values = dict(zip(FIELD_NAMES, outcome, strict=True))
            assert all(field.may_be_empty or values[field.name] for field in FIELDS)
            assert all(len(values[field.name]) <= field.rule.limit for field in FIELDS)
            assert all(value == " ".join(value.split()) for value in outcome)
            assert not any("\0" <= character < " " for value in outcome for character in value)
            assert re.fullmatch(r"\+?[0-9]{7,15}", values["mobile_no"])
            assert values["email"].isascii()
            assert check_row(outcome, CANONICAL) == outcome


def test_emails_that_differ_in_case_alone_are_one() -> None:
    assert email_key("Ada@Engines.Example") == email_key("aDA@engines.example") == "ada@engines.example"


@settings(derandomize=True, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=[]) | st.sampled_from("\0\ud800"))))
def test_storable_cells_go_through_json_and_utf8_unchanged(cells: list[str]) -> None:
    stored = storable(cells)
    assert "\0" not in "".join(stored)
    assert json.loads(json.dumps(stored, ensure_ascii=False).encode()) == stored
    assert [len(cell) for cell in stored] == [len(cell) for cell in cells]


def test_storable_changes_only_what_cannot_be_stored() -> None:
    assert storable(["José 🦉\n\x01\ufffe", "a\0b", "\ud83d"]) == ["José 🦉\n\x01\ufffe", "a\ufffdb", "\ufffd"]
