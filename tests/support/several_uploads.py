"""What is to become of several uploads at once whose rows say some fields only, in plain words and dictionaries.

Whoever is first brings somebody in. Of an upload that skips or rejects, which comes first, the row that stands is the
first of its file; an `update` reads its file from top to bottom on top of that, and of several the later accepted comes
later. So the end depends on who brought somebody in, and on nothing else of the order in which rows come.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Mode = Literal["skip", "update", "reject"]
Fields = Mapping[str, str]


@dataclass(frozen=True)
class SaidRow:
    """A valid row: what it says, its email among it."""

    upload: int
    number: int
    said: Fields

    @property
    def key(self) -> str:
        return self.said["email"].lower()


@dataclass
class Outcomes:
    inserted: int = 0
    updated: int = 0
    duplicates: int = 0
    rejected: dict[int, str] = field(default_factory=dict)


@dataclass
class _Person:
    creator: int
    rows: list[SaidRow] = field(default_factory=list)


class SeveralUploads:
    """Uploads by the order of their acceptance, from 1; `take` their rows in whatever order they come."""

    def __init__(self) -> None:
        self.modes: dict[int, Mode] = {}
        self.outcomes: dict[int, Outcomes] = {}
        self._people: dict[str, _Person] = {}

    def accept(self, mode: Mode) -> int:
        upload = len(self.modes) + 1
        self.modes[upload] = mode
        self.outcomes[upload] = Outcomes()
        return upload

    def take(self, rows: Iterable[SaidRow]) -> None:
        """Rows of one chunk in file order."""
        for row in rows:
            self._take(row)

    def _take(self, row: SaidRow) -> None:
        outcomes, mode = self.outcomes[row.upload], self.modes[row.upload]
        person = self._people.get(row.key)
        if person is None and "employee_name" not in row.said:
            outcomes.rejected[row.number] = "unknown_email"
            return
        if person is None:
            self._people[row.key] = _Person(row.upload, [row])
            outcomes.inserted += 1
            return
        if mode == "reject":
            outcomes.rejected[row.number] = "duplicate_email"
            return
        came_before = {known.upload for known in person.rows}
        overtaken_by = {upload for upload in came_before if self.modes[upload] == "update" and upload > row.upload}
        if mode == "update" and row.upload not in came_before and not overtaken_by:
            outcomes.updated += 1
        else:
            outcomes.duplicates += 1
        person.rows.append(row)

    def employees(self) -> dict[str, dict[str, str]]:
        """By key, what everybody stands as in the end: read from top to bottom."""
        return {key: self._end(person) for key, person in self._people.items()}

    def _end(self, person: _Person) -> dict[str, str]:
        in_order = sorted(person.rows, key=lambda row: (row.upload, row.number))
        first = next(row for row in in_order if row.upload == person.creator)
        stands: dict[str, str] = {} if self.modes[person.creator] == "update" else dict(first.said)
        for row in in_order:
            if self.modes[row.upload] == "update":
                stands |= row.said
        return stands
