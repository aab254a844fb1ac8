"""The runner's counts, as pytest prints them at its end."""

from __future__ import annotations

import re
from dataclasses import dataclass

# As `=== 3 failed, 12 passed, 1 skipped, 2 warnings in 4.20s ===`.
_SUMMARY = re.compile(r"=* ?(\d+ [a-z]+(?:, \d+ [a-z]+)*) in [\d.]+s.*")
_COUNT = re.compile(r"(\d+) ([a-z]+)")
_OF_PYTEST = {"passed", "failed", "skipped", "error", "errors", "xfailed", "xpassed", "deselected"}


@dataclass(frozen=True)
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        words = f"{self.passed} passed, {self.failed} failed"
        return f"{words}, {self.skipped} skipped" if self.skipped else words


def counts_in(line: str) -> Counts | None:
    """The counts of a line that is pytest's summary; an error is a failure."""
    found = _SUMMARY.fullmatch(line.strip())
    if found is None:
        return None
    counted = {word: int(number) for number, word in _COUNT.findall(found[1])}
    if not _OF_PYTEST & counted.keys():
        return None
    failed = sum(counted.get(word, 0) for word in ("failed", "error", "errors"))
    passed = counted.get("passed", 0) + counted.get("xpassed", 0)
    return Counts(passed, failed, counted.get("skipped", 0) + counted.get("xfailed", 0))
