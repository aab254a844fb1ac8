"""What uploads and undos leave, said plainly: an undo strikes one upload out of the history of every employee."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from shared.rows.fields import KEY


class Version(NamedTuple):
    sequence: int
    row_number: int
    values: tuple[str, ...]


@dataclass(frozen=True)
class Undone:
    """`kept` says for each row the sequence of the upload that changed its employee."""

    deleted: int = 0
    restored: int = 0
    kept: Mapping[int, int] = field(default_factory=dict)

    @property
    def counts(self) -> tuple[int, int, int]:
        return self.deleted, self.restored, len(self.kept)

    def __add__(self, other: Undone) -> Undone:
        return Undone(self.deleted + other.deleted, self.restored + other.restored, {**self.kept, **other.kept})


class Histories:
    """Of every email, the newest version last; at most one of each upload."""

    def __init__(self) -> None:
        self._versions: dict[str, list[Version]] = {}
        self._by_update: set[int] = set()

    def write(self, mode: str, row: Version) -> None:
        """One row of an upload in this mode."""
        history = self._versions.setdefault(row.values[KEY].lower(), [])
        if mode == "update":
            self._by_update.add(row.sequence)
        if not history:
            history.append(row)
            return
        stands = history[-1]
        is_own = stands.sequence == row.sequence
        if mode == "update":
            wins = stands.sequence not in self._by_update or row[:2] > stands[:2]
        else:
            wins = mode == "skip" and is_own and row.row_number < stands.row_number
        if wins and is_own:
            history[-1] = row
        elif wins:
            history.append(row)

    def undo(self, sequence: int, first_row: int, last_row: int) -> Undone:
        """Strike out what stands as these rows."""
        undone = Undone()
        for history in self._versions.values():
            for at, version in enumerate(history):
                if version.sequence != sequence or not first_row <= version.row_number <= last_row:
                    continue
                if at + 1 < len(history):
                    undone += Undone(kept={version.row_number: history[at + 1].sequence})
                else:
                    undone += Undone(restored=1) if at else Undone(deleted=1)
                del history[at]
                break
        return undone

    def standing(self) -> dict[str, Version]:
        """What each employee is, by email in lower case."""
        return {email: history[-1] for email, history in self._versions.items() if history}
