"""The first rows of a file, from which it is seen what its columns hold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from shared.rows.record import Record

# Counted in characters of the cells.
SAMPLE_CHARACTERS: Final = 64 * 1024
# So many of ten rows are nearly all of them.
NEARLY_ALL: Final = 0.9
# What people write into a cell that has nothing to say.
_NOTHING: Final = frozenset({"", "-", "--", "—", "–", "n/a", "na", "none", "null", "unknown", "?"})


class SampledCell(NamedTuple):
    """A cell that says something, and the physical line that its row begins on."""

    line_number: int
    text: str


class Sample:
    """The rows that can be read; those without any cell filled in are none."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._rows: list[Record] = []
        self._cells: dict[int, list[SampledCell]] = {}
        # Nothing is at stake where there are no rows at all, not even broken ones.
        self.is_empty = True
        room = SAMPLE_CHARACTERS
        for record in records:
            is_filled = any(map(str.strip, record.cells))
            if is_filled and record.fault is None:
                self._rows.append(record)
            self.is_empty = self.is_empty and not is_filled
            room -= sum(map(len, record.cells)) + len(record.cells)
            if room < 0:
                break

    def cells(self, place: int) -> list[SampledCell]:
        """The cells of a column that say something."""
        if place not in self._cells:
            found = [(row.line_number, row.cells[place].strip()) for row in self._rows if place < len(row.cells)]
            self._cells[place] = [SampledCell(*cell) for cell in found if cell[1].casefold() not in _NOTHING]
        return self._cells[place]

    def pairs(self, one: int, other: int) -> list[tuple[str, str]]:
        """The cells of two columns where both say something."""
        others = {cell.line_number: cell.text for cell in self.cells(other)}
        return [(cell.text, others[cell.line_number]) for cell in self.cells(one) if cell.line_number in others]

    def is_blank(self, place: int) -> bool:
        """Whether there are rows, and this column says nothing in any of them."""
        return bool(self._rows) and not self.cells(place)

    def is_code(self, place: int) -> bool:
        """Whether the column looks like numbers or codes of what it should name."""
        cells = self.cells(place)
        codes = sum(looks_like_a_code(cell.text) for cell in cells)
        return bool(cells) and codes >= NEARLY_ALL * len(cells)


def looks_like_a_code(text: str) -> bool:
    return " " not in text and any(map(str.isdigit, text))
