"""By which part of a term its rows are looked up."""

from __future__ import annotations

import pytest

from api_service.employees.search_term import Place, parse_search_term


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("asha", Place.EITHER),
        ("firm.example", Place.EITHER),
        ("asha@", Place.EITHER),
        ("a@b@c", Place.EITHER),
        ("asha@firm.example", Place.LOCAL_PART),
        ("ha@f", Place.LOCAL_PART),
        ("priya.s@firm.example", Place.LOCAL_PART),
        ("john_5@firm.example", Place.LOCAL_PART),
        ("priya.@firm.example", Place.LOCAL_PART),
        ("-s@firm.example", Place.LOCAL_PART),
        ("s@firm.example", Place.DOMAIN),
        ("@firm.example", Place.DOMAIN),
        ("+@firm.example", Place.DOMAIN),
    ],
)
def test_term_is_looked_up_by_the_part_that_has_trigrams(text: str, place: Place) -> None:
    term = parse_search_term(text)
    assert term is not None
    assert term.place is place


def test_trigrams_of_a_term_with_an_at_sign_are_of_its_place() -> None:
    term = parse_search_term("christopher@two.example")
    assert term is not None
    assert {"chr", "her"} <= set(term.trigrams)
    assert "two" not in term.trigrams
