"""What a row becomes: which values are taken, as what, and which code refuses the others."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import RowCode
from shared.rows.employee_row import check_row, email_key, storable
from shared.rows.fields import FIELD_NAMES, FIELDS, REQUIRED_NAMES
from shared.rows.layout import Layout, layout_of_names
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
    assert not isinstance(outcome, list), outcome
    return dict(zip(FIELD_NAMES, outcome, strict=True))


def refused(**changes: str) -> tuple[RowCode, str | None]:
    outcome = check_row(row(**changes), CANONICAL)
    assert isinstance(outcome, list), outcome
    (fault,) = outcome
    return fault.code, fault.field


def codes(cells: Sequence[str], layout: Layout = CANONICAL) -> list[tuple[RowCode, str | None]]:
    outcome = check_row(cells, layout)
    assert isinstance(outcome, list), outcome
    return [(fault.code, fault.field) for fault in outcome]


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


INVISIBLE = "\xad\u061c\u180e\u200b\u200e\u200f\u202a\u202e\u2060\u2066\u2069\ufeff"


@pytest.mark.parametrize("field", FIELD_NAMES)
@pytest.mark.parametrize("character", ["\0", "\x07", "\x1b", "\x1c", "\x1f", "\x7f", "\x9f", *INVISIBLE])
def test_control_and_invisible_characters_inside_are_refused(field: str, character: str) -> None:
    value = GOOD[field]
    assert refused(**{field: value[:3] + character + value[3:]}) == (RowCode.CONTROL_CHARACTER, field)


@pytest.mark.parametrize("field", FIELD_NAMES)
@pytest.mark.parametrize("character", INVISIBLE)
def test_invisible_characters_at_the_ends_are_trimmed(field: str, character: str) -> None:
    assert accepted(**{field: f" {character}\u00a0{GOOD[field]}{character} {character}"}) == GOOD


@pytest.mark.parametrize(
    ("character", "name"),
    [("\u200b", "ZERO WIDTH SPACE (U+200B)"), ("\xad", "SOFT HYPHEN (U+00AD)"), ("\x07", "U+0007")],
)
def test_a_character_that_cannot_be_seen_is_named(character: str, name: str) -> None:
    faults = check_row(row(employee_name=f"Ada{character}Lovelace"), CANONICAL)
    assert isinstance(faults, list)
    assert name in faults[0].message


def test_the_tags_of_a_flag_are_not_cut_off() -> None:
    assert refused(company_name="Flags \U0001f3f4\U000e0067\U000e007f") == (RowCode.CONTROL_CHARACTER, "company_name")


@pytest.mark.parametrize("composed", ["Zoë Müller", "가나다", "Ǆ Ångström", "Nguyễn Thị", "कख़"])
def test_text_is_stored_in_nfc(composed: str) -> None:
    apart = unicodedata.normalize("NFD", composed)
    stored = unicodedata.normalize("NFC", composed)
    assert accepted(employee_name=apart, company_name=f" {apart} ") == GOOD | {
        "employee_name": stored,
        "company_name": stored,
    }


def test_length_is_that_of_what_is_stored() -> None:
    assert accepted(employee_name="e\u0301" * 200)["employee_name"] == "é" * 200


@pytest.mark.parametrize("field", FIELD_NAMES)
@pytest.mark.parametrize("mark", ['="{}"', ' ="{}" ', '\'="{}"'])
def test_the_formula_that_keeps_a_text_as_it_is_is_taken_off(field: str, mark: str) -> None:
    assert accepted(**{field: mark.format(GOOD[field])}) == GOOD


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("'4711 Ltd", "4711 Ltd"),
        ("'+Plus", "+Plus"),
        ("'-x", "-x"),
        ("'@home", "@home"),
        ("'=1+1", "=1+1"),
        ('="The ""A"" Shop"', 'The "A" Shop'),
        ('="\'12"', "12"),
        ("'Acme", "'Acme"),
        ("'t Hooft", "'t Hooft"),
        ("''12", "''12"),
        ("O'1", "O'1"),
        ('="A" & "B"', '="A" & "B"'),
        ('="Acme', '="Acme'),
        ("=Acme", "=Acme"),
    ],
)
def test_marks_of_text_are_taken_off_and_nothing_else(written: str, stored: str) -> None:
    assert accepted(company_name=written)["company_name"] == stored


def test_marks_and_ends_of_each_cell_that_is_joined_are_taken_off() -> None:
    assert check_row(['="Ada"', '\ufeff\'="Lovelace" ', *ADA[1:]], TWO_NAMES) == ADA


@pytest.mark.parametrize("field", FIELD_NAMES)
@pytest.mark.parametrize(
    "error",
    [
        "#N/A",
        "#REF!",
        "#VALUE!",
        "#NAME?",
        "#DIV/0!",
        "#NUM!",
        "#NULL!",
        "Ada #n/a",
        "x#REF!y",
        "#BEZUG!",
        "#WERT!",
        "#NV",
        "#VALEUR!",
        "#¡REF!",
        "#N/D",
        "#ERROR!",
        "#SPILL!",
        "Err:502",
        "#####",
    ],
)
def test_the_error_of_a_formula_is_damage_in_every_field(field: str, error: str) -> None:
    assert refused(**{field: error}) == (RowCode.SPREADSHEET_DAMAGE, field)


@pytest.mark.parametrize("name", ["C# Works", "No. #5", "#1 Cars", "#NVIDIA fans", "Err: 502", "##"])
def test_a_number_sign_alone_is_no_error(name: str) -> None:
    assert accepted(company_name=name)["company_name"] == name


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


@pytest.mark.parametrize("cells", [[*ADA, "x"], [*ADA, "", "x"]])
def test_a_row_with_more_than_empty_cells_past_the_last_column_is_refused(cells: list[str]) -> None:
    assert codes(cells) == [(RowCode.WRONG_COLUMN_COUNT, None)]


def test_cells_that_are_missing_at_the_end_are_empty() -> None:
    wide = Layout(len(ADA) + 2, CANONICAL.columns)
    assert check_row(ADA, wide) == ADA
    assert codes(ADA[: FIELD_NAMES.index("email")]) == [(RowCode.MISSING_VALUE, "email")]
    assert codes([]) == [(RowCode.MISSING_VALUE, field.name) for field in FIELDS if not field.may_be_empty]


def test_empty_cells_past_the_last_column_are_forgiven() -> None:
    assert check_row([*ADA, "", "  "], CANONICAL) == ADA


def test_what_a_file_lacks_is_empty() -> None:
    assert check_row(ADA[: len(REQUIRED_NAMES)], layout_of_names(REQUIRED_NAMES)) == tuple(
        "" if field.is_optional else GOOD[field.name] for field in FIELDS
    )


def test_every_fault_is_named_in_the_order_of_the_fields() -> None:
    assert codes(row(employee_name="\0a", company_name="x" * 201, mobile_no="", email="no")) == [
        (RowCode.CONTROL_CHARACTER, "employee_name"),
        (RowCode.VALUE_TOO_LONG, "company_name"),
        (RowCode.MISSING_VALUE, "mobile_no"),
        (RowCode.INVALID_EMAIL, "email"),
    ]


def test_the_width_comes_first_and_hides_no_fault_of_a_field() -> None:
    assert codes([*row(mobile_no="12"), "surplus"]) == [
        (RowCode.WRONG_COLUMN_COUNT, None),
        (RowCode.INVALID_MOBILE, "mobile_no"),
    ]


def test_of_cells_that_stand_one_column_too_far_right_only_the_width_is_said() -> None:
    assert codes([ADA[0], "Kettle", *ADA[1:]]) == [(RowCode.WRONG_COLUMN_COUNT, None)]


def test_within_a_field_the_order_of_the_faults_is_fixed() -> None:
    assert refused(employee_name="\ufffd\0" + "x" * 300)[0] == RowCode.CONTROL_CHARACTER
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
    faults = check_row(cells, CANONICAL)
    assert isinstance(faults, list)
    assert all(fault.message and "secret" not in fault.message for fault in faults)


@pytest.mark.slow
@settings(derandomize=True, deadline=None, max_examples=1000)
@given(st.tuples(*(st.text() for _ in FIELDS)), near_misses())
def test_whatever_is_accepted_obeys_the_rules(wild: tuple[str, ...], near: tuple[str, ...]) -> None:
    for cells in (wild, near):
        outcome = check_row(cells, CANONICAL)
        if not isinstance(outcome, list):
            values = dict(zip(FIELD_NAMES, outcome, strict=True))
            assert all(field.may_be_empty or values[field.name] for field in FIELDS)
            assert all(len(values[field.name]) <= field.rule.limit for field in FIELDS)
            assert all(value == " ".join(value.split()) for value in outcome)
            assert not any("\0" <= character < " " for value in outcome for character in value)
            assert all(unicodedata.is_normalized("NFC", value) for value in outcome)
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
