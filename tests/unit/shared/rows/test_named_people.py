"""A person is found by their email however it is written, and nobody else is."""

from __future__ import annotations

import pytest

from shared.errors import RowCode
from shared.rows.layout import layout_of_names
from shared.rows.named_people import ERASED, NamedPeople, folded, folded_email

ADA = NamedPeople("ada.cole@heron.example".__eq__)
LAYOUT = layout_of_names(["employee_name", "company_name", "mobile_no", "email"])


@pytest.mark.parametrize(
    "text",
    [
        "ada.cole@heron.example",
        "ADA.Cole@Heron.Example",
        "Ada Cole <ada.cole@heron.example>",
        "mailto:ada.cole@heron.example.",
        "'ada.cole@heron.example'",
        "=ada.cole@heron.example",
        "bo@heron.example; ada.cole@heron.example",
        "\uff41da.cole\uff20heron.example",
        "ada.cole@\u200bheron.example",
        "\u00adada.cole@heron.example\ufeff",
    ],
)
def test_email_is_found_however_it_is_written(text: str) -> None:
    assert ADA.are_named_in(text)

    left = ADA.erase_from(text)
    assert ERASED in left
    assert not ADA.are_named_in(left)


@pytest.mark.parametrize(
    "text",
    [
        "mada.cole@heron.example",
        "ada.cole@heron.example.org",
        "ada.cole@heron.examples",
        "cole@heron.example",
        "Ada Cole",
    ],
)
def test_another_email_is_another(text: str) -> None:
    assert not ADA.are_named_in(text)
    assert ADA.erase_from(text) == text


def test_words_around_an_email_stay() -> None:
    assert ADA.erase_from("ask ADA.cole@heron.example, or Bo") == f"ask {ERASED}, or Bo"


@pytest.mark.parametrize(
    "cells",
    [
        ["Ada", "Heron", "+493055501", "Ada.Cole@heron.example"],
        ["Ada", "", "no number", "ada.cole@heron.example"],
        ["Ada", "Heron", "Inc", "+493055501", "ada.cole@heron.example"],
        ["Ada", "ada.cole@heron.example"],
        ["Ada", "ada.cole@heron.example", "+493055501", "not at all an email"],
    ],
)
def test_row_that_may_be_theirs_is_erased_whole(cells: list[str]) -> None:
    left = ADA.erase_from_row(cells, LAYOUT)

    assert left is not None
    assert left.is_whole
    assert left.cells == [ERASED if cell else "" for cell in cells]


def test_row_of_another_loses_the_mention_alone() -> None:
    left = ADA.erase_from_row(["Bo", "Heron (boss: ada.cole@heron.example)", "1", "bo@heron.example"], LAYOUT)

    assert left is not None
    assert not left.is_whole
    assert left.cells == ["Bo", f"Heron (boss: {ERASED})", "1", "bo@heron.example"]


def test_broken_row_is_whoevers_it_names() -> None:
    left = ADA.erase_from_row(["ada.cole@heron.example", "x", "1", "bo@heron.example"], LAYOUT, is_broken=True)

    assert left is not None
    assert left.is_whole


def test_row_of_nobody_we_look_for_is_left_alone() -> None:
    assert ADA.erase_from_row(["Bo", "Heron", "1", "bo@heron.example"], LAYOUT) is None


@pytest.mark.parametrize(
    "text", ["", "ada", "a b@heron.example", "@heron.example", "a@b@c", "x" * 250 + "@heron.example"]
)
def test_what_is_no_email_cannot_be_looked_for(text: str) -> None:
    assert folded_email(text) is None


def test_email_that_no_row_is_taken_with_can_be_looked_for() -> None:
    assert folded_email(" Jos\u00e9@Ex\u00e4mple.example ") == folded("jose\u0301@exa\u0308mple.example")


def test_code_of_the_erased_is_stable() -> None:
    assert RowCode.ERASED_PERSON.value == "erased_person"
