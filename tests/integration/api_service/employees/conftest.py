"""Searches that are as slow as the machine."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def no_search_is_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that takes its time on a busy machine is not answered in another way for that, unless a test says so."""
    monkeypatch.setattr("api_service.employees.listing.INDEX_SEARCH_SECONDS", 60)
