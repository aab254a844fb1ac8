"""No test can be forgotten: each file belongs to one part of CI."""

from __future__ import annotations

from pathlib import Path

from deploy.checkout import CHECKOUT
from tools.ci.parts import PARTS


def all_test_files() -> list[Path]:
    return sorted((CHECKOUT / "tests").rglob("test_*.py"))


def parts_of(file: Path) -> list[str]:
    return [part.name for part in PARTS for test in part.tests if file.is_relative_to(CHECKOUT / test)]


def test_every_test_file_belongs_to_exactly_one_part() -> None:
    astray = {str(file.relative_to(CHECKOUT)): parts_of(file) for file in all_test_files() if len(parts_of(file)) != 1}
    assert astray == {}, "say in tools/ci/parts.py where it belongs"


def test_every_part_has_tests_that_are_there() -> None:
    missing = [test for part in PARTS for test in part.tests if not (CHECKOUT / test).exists()]
    assert missing == []


def test_parts_have_names_of_their_own() -> None:
    names = [part.name for part in PARTS]
    assert len(set(names)) == len(names)
