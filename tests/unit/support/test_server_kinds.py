"""The kinds of servers that a run can have are chosen by a variable, and a misspelt one is refused."""

from __future__ import annotations

import pytest

from tests.support.server_kinds import KINDS, VARIABLE, chosen_kind


@pytest.mark.parametrize("kind", KINDS)
def test_variable_chooses(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, kind)
    assert chosen_kind() == kind


def test_kind_that_there_is_not_is_refused_with_those_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "newest")
    with pytest.raises(ValueError, match="can be containers, next, private"):
        chosen_kind()
