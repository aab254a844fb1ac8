"""What is remembered of search terms, and for how long."""

from __future__ import annotations

import pytest

from api_service.employees.search_term import SearchTerm, parse_search_term
from api_service.employees.term_cache import REMEMBERED_SECONDS, TermCache, Weight

COMMON = Weight(200_000, is_common=True)


def term(text: str) -> SearchTerm:
    parsed = parse_search_term(text)
    assert parsed is not None
    return parsed


def test_a_term_is_remembered_for_its_time_and_then_forgotten() -> None:
    now = 1000.0
    cache = TermCache(clock=lambda: now)
    assert cache.get(term("asha")) is None
    assert cache.put(term("asha"), COMMON) == COMMON
    now += REMEMBERED_SECONDS - 1
    assert cache.get(term("asha")) == COMMON
    assert cache.get(term("ash")) is None
    now += 1
    assert cache.get(term("asha")) is None


def test_only_the_last_terms_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api_service.employees.term_cache.REMEMBERED_TERMS", 2)
    cache = TermCache()
    for text in ("first", "second", "first", "third"):
        cache.put(term(text), COMMON)
    assert [cache.get(term(text)) for text in ("first", "second", "third")] == [COMMON, None, COMMON]
