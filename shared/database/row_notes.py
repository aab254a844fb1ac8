"""What the ledger notes of a chunk's rows beyond their counts, so that each row's fate can be told (P11).

A row that was not rejected is inserted unless it is noted. It may be noted by another chunk than its own: by the one
with the row that displaced it. So the union of all notes is the same in whatever order chunks come.

Bit i of a set, from the lowest of the first byte as Postgres's `get_bit` counts, stands for row `first_row + i`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence


class RowNotes(NamedTuple):
    """The numbers of rows that were not written, that replaced another upload's, and that this one's displaced.

    `updated` has the rows too that took the place of one that had. `displaced` may be rows of any chunk.
    """

    duplicates: Collection[int]
    updated: Collection[int]
    displaced: Sequence[int]


NO_NOTES = RowNotes((), (), ())


def join_notes(parts: Iterable[RowNotes]) -> RowNotes:
    joined: tuple[list[int], list[int], list[int]] = ([], [], [])
    for part in parts:
        for numbers, more in zip(joined, part, strict=True):
            numbers.extend(more)
    return RowNotes(*joined)


def as_bits(row_numbers: Collection[int], first_row: int, row_count: int, before: bytes | None = None) -> bytes | None:
    """The set as a chunk's entry holds it, with what it held before; null for no row at all."""
    if not row_numbers:
        return before
    bits = bytearray(before or bytes(-(-row_count // 8)))
    for row_number in row_numbers:
        at = row_number - first_row
        bits[at >> 3] |= 1 << (at & 7)
    return bytes(bits)
