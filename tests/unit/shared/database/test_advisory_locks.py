"""No two of our locks have one number, and no number stands anywhere but in the register."""

from __future__ import annotations

import re

from shared.database import advisory_locks
from tests.support.servers import CHECKOUT

PACKAGES = ("api_service", "benchmarks", "consumer_service", "deploy", "migrations", "producer_service", "shared")


def test_no_two_locks_have_one_number() -> None:
    numbers = [number for name, number in vars(advisory_locks).items() if name.isupper()]

    assert len(numbers) == len(set(numbers)) > 1


def test_locks_are_never_taken_by_a_bare_number() -> None:
    taken_by_number = [
        str(path.relative_to(CHECKOUT))
        for package in PACKAGES
        for path in (CHECKOUT / package).rglob("*.py")
        if re.search(r"advisory\w*lock\w*\(\s*\d", path.read_text())
    ]

    assert taken_by_number == []
