"""By which part of a term its rows are looked up."""

from __future__ import annotations

import unicodedata

import pytest

from api_service.employees.search_term import LookupPart, TermTooVague, parse_search_term


@pytest.mark.parametrize("apart", ["Zoe\u0308", "  Zoe\u0308 ", "e\u0301", "\u1100\u1161"])
def test_term_is_compared_in_nfc_however_it_was_typed(apart: str) -> None:
    term = parse_search_term(apart)
    assert term is not None
    assert term == parse_search_term(unicodedata.normalize("NFC", apart))


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("asha", LookupPart.EITHER),
        ("firm.example", LookupPart.EITHER),
        ("asha@", LookupPart.EITHER),
        ("a@b@c", LookupPart.EITHER),
        ("asha@firm.example", LookupPart.LOCAL_PART),
        ("ha@f", LookupPart.LOCAL_PART),
        ("priya.s@firm.example", LookupPart.LOCAL_PART),
        ("john_5@firm.example", LookupPart.LOCAL_PART),
        ("priya.@firm.example", LookupPart.LOCAL_PART),
        ("-s@firm.example", LookupPart.LOCAL_PART),
        ("s@firm.example", LookupPart.DOMAIN),
        ("@firm.example", LookupPart.DOMAIN),
        ("+@firm.example", LookupPart.DOMAIN),
    ],
)
def test_term_is_looked_up_by_the_part_that_has_trigrams(text: str, part: LookupPart) -> None:
    term = parse_search_term(text)
    assert term is not None
    assert term.lookup_part is part


def test_trigrams_of_a_term_with_an_at_sign_are_of_its_lookup_part() -> None:
    term = parse_search_term("christopher@two.example")
    assert term is not None
    assert {"chr", "her"} <= set(term.trigrams)
    assert "two" not in term.trigrams


@pytest.mark.parametrize(
    "text", ["%%%", "-", ".", "@", "+", "...", "@@", " ' ", "½", "²³", "😀", "’", "a--", "s@-", "é.."]
)
def test_term_without_a_trigram_is_refused(text: str) -> None:
    with pytest.raises(TermTooVague):
        parse_search_term(text)


@pytest.mark.parametrize(
    "text", ["o'", "7%", "a", "李", "é", "-a", "@f", "+1", "a--b", "李明", "明.", "\0", "\n\0", "٣"]
)
def test_term_with_a_letter_or_digit_is_looked_up(text: str) -> None:
    assert parse_search_term(text) is not None
