"""Deadlines grow with what the machine has to do, and never shrink."""

from __future__ import annotations

import os

import pytest

from tests.support import patience as machine
from tests.support.waiting import eventually


@pytest.fixture
def fast_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "slowness", lambda: 1.0)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


@pytest.mark.usefixtures("fast_machine")
@pytest.mark.parametrize(("load", "factor"), [(0.1, 1.0), (2.0, 1.0), (5.0, 2.5), (400.0, machine.MOST)])
def test_deadlines_grow_with_load(monkeypatch: pytest.MonkeyPatch, load: float, factor: float) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0))
    assert machine.patience() == factor


def test_slow_machine_in_a_crowd_has_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "slowness", lambda: 1.5)
    monkeypatch.setattr(machine, "crowdedness", lambda: 2.0)
    assert machine.patience() == 3.0


def test_this_machine_is_measured() -> None:
    assert 1.0 <= machine.patience() <= machine.MOST


async def test_wait_that_fails_names_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.waiting.patience", lambda: 3.0)
    with pytest.raises(AssertionError, match=r"still not so after 0\.3 s"):
        await eventually(lambda: False, seconds=0.1)


async def test_wait_that_means_its_time_is_not_made_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.waiting.patience", lambda: 3.0)
    with pytest.raises(AssertionError, match=r"still not so after 0\.1 s"):
        await eventually(lambda: False, seconds=0.1, exactly=True)
