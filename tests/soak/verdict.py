"""What a soak has seen so far, and what it makes of it."""

from __future__ import annotations

from collections import Counter


class Verdict:
    """`differences` are the checker's sentences, each with the upload that it is about."""

    def __init__(self) -> None:
        self.uploads = 0
        self.rows = 0
        self.faults: Counter[str] = Counter()
        self.differences: list[str] = []

    def finished(self, rows: int) -> None:
        self.uploads += 1
        self.rows += rows

    def struck(self, kind: str) -> None:
        self.faults[kind] += 1

    def differs(self, subject: str, differences: list[str]) -> None:
        for difference in differences:
            self.differences.append(f"{subject}: {difference}")
            print(self.differences[-1], flush=True)

    def summary(self, seconds: float, under_way: int) -> str:
        """One line for people who watch."""
        return (
            f"{seconds:5.0f} s  uploads {self.uploads} finished, {under_way} under way  rows {self.rows:,}"
            f"  faults {self.faults.total()} of {len(self.faults)} kinds  {self._faults_found()}"
        )

    def report(self, minutes: float) -> str:
        """The faults by kind, every difference, and the last word."""
        lines = [f"  {times:4d}  {kind}" for kind, times in sorted(self.faults.items())]
        lines += [
            f"{self.faults.total()} faults of {len(self.faults)} kinds in {minutes:.1f} minutes",
            f"{self.uploads} uploads with {self.rows:,} rows: {self._faults_found()}",
            *(f"  {difference}" for difference in self.differences),
            "every row is where the reference has it" if not self.differences else "NOT as the reference has it",
        ]
        return "\n".join(lines)

    def _faults_found(self) -> str:
        lost, twice, dead = (self._count(sign) for sign in (": lost ", ": doubled ", ": unexpected in the dead"))
        other = len(self.differences) - lost - twice - dead
        return f"lost {lost}  twice {twice}  valid dead {dead}  other {other}"

    def _count(self, sign: str) -> int:
        return sum(sign in difference for difference in self.differences)
