"""The version that services say is the one whose changes are written down."""

from __future__ import annotations

import re
from pathlib import Path

from shared.version import VERSION

CHANGELOG = Path(__file__).parents[3] / "CHANGELOG.md"


def test_the_newest_version_of_the_changelog_is_the_one_that_runs() -> None:
    newest = re.search(r"^## (\d+\.\d+\.\d+)", CHANGELOG.read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == VERSION
