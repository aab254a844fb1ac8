"""Which trigrams of a term are looked up."""

from __future__ import annotations

from typing import Any

import pytest

from api_service.employees import statements
from api_service.employees.search_term import parse_search_term
from api_service.employees.trigram_shares import TrigramShares


@pytest.mark.parametrize(
    ("text", "trigrams"),
    [
        ("asha", ()),
        ("smith", ()),
        ("aaaaaaaa", ()),
        ("ÅSHARAM", ()),
        ("ashara", ()),
        ("Noonbal", ("noo", "oon", "nba", "bal", "onb")),
        ("ing-noonbal", ("ing", "oon", "onb", "bal", "noo", "nba")),
        ("ing noonbal", ("ing", "oon", "onb", "bal")),
        ("100%_sure", ()),
        ("a.b.c.d.e.f", ()),
    ],
)
def test_a_long_term_has_trigrams_of_letters_and_digits(text: str, trigrams: tuple[str, ...]) -> None:
    term = parse_search_term(text)
    assert term is not None
    assert term.trigrams == trigrams


async def test_the_rarest_are_taken_once_there_is_a_sample() -> None:
    shares = TrigramShares()
    trigrams = ("noo", "onb", "bal", "oon", "nba")
    assert shares.rarest(trigrams, 3) == ["noo", "onb", "bal"]

    async def fetch(statement: str, *arguments: Any) -> list[Any]:
        if statement == statements.COUNT:
            return [[200_000]]
        assert (statement, arguments) == (statements.TRIGRAM_SAMPLE, (10.0,))
        return [{"trigram": "noo", "count": 900}, {"trigram": "bal", "count": 80}, {"trigram": "oon", "count": 7}]

    await shares.sample(fetch)
    assert shares.rarest(trigrams, 3) == ["onb", "nba", "oon"]
