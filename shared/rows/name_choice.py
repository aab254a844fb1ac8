"""Which columns are a field that may stand in parts: one of them, or first and last name joined in this order.

`Name` beside a surname alone may be the whole name or the first one. The rows tell: where one of the two contains the
other in nine of ten rows it is the whole name, where in none of them, they are parts. Otherwise it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shared.rows.column_choice import choose
from shared.rows.column_names import ColumnNames, NamedColumn, folded_words
from shared.rows.column_problems import ambiguous
from shared.rows.column_source import ColumnSource, Why
from shared.rows.fields import Field
from shared.rows.sample import NEARLY_ALL, Sample

_CODE: Final = "One of them looks like a code, which is nobody's name. "
_UNCLEAR: Final = "In some rows one contains the other and in some not, so they may be a whole name or parts of one. "
_NO_ROWS: Final = "The first rows do not tell whether they are a whole name or parts of one. "
_STRANGERS: Final = "The whole name never contains the parts beside it. "


def choose_name(field: Field, columns: ColumnNames, sample: Sample) -> ColumnSource | None:
    """None if the header has neither the whole nor all needed parts. Raises FileProblem ambiguous_columns."""
    return _NameChoice(field, columns, sample).source()


class _NameChoice:
    def __init__(self, field: Field, columns: ColumnNames, sample: Sample) -> None:
        self._field = field
        self._columns = columns
        self._sample = sample
        self._whole = columns.of_kinds((field.name, *field.kinds))
        self._halves = columns.of_kinds(field.half_kinds)
        self._parts = [columns.of_kinds(part.kinds) for part in field.parts]
        needed = [found for part, found in zip(field.parts, self._parts, strict=True) if part.is_needed]
        self._has_parts = bool(needed) and all(needed)
        self._lone_part = next((found for found in needed if found), None)

    def source(self) -> ColumnSource | None:
        whole = self._useful(self._whole, has_others=bool(self._halves) or self._has_parts)
        if whole:
            others = [*self._halves, *(column for part in self._parts for column in part)]
            return self._passing_over(choose(self._field, whole, self._columns, self._sample), others)
        halves = self._useful(self._halves, has_others=self._has_parts)
        if halves and self._has_parts:
            return self._whole_beside_parts(halves)
        if halves and self._lone_part:
            return self._half_or_whole(halves, self._lone_part)
        if halves:
            return choose(self._field, halves, self._columns, self._sample)
        return self._joined() if self._has_parts else None

    def _useful(self, found: list[NamedColumn], *, has_others: bool) -> list[NamedColumn]:
        """Without the ones that are blank or codes, if there is something else."""
        useful = [
            column
            for column in found
            if not (self._sample.is_blank(column.place) or self._sample.is_code(column.place))
        ]
        return useful if useful or has_others else found

    def _whole_beside_parts(self, halves: list[NamedColumn]) -> ColumnSource:
        chosen = self._only(halves)
        parts = [self._only(found) for found in self._parts if found]
        pairs = [pair for part in parts for pair in self._sample.pairs(chosen, part)]
        if pairs and not any(_contains(whole, part) for whole, part in pairs):
            raise self._ambiguous([chosen, *parts], _STRANGERS)
        return ColumnSource((chosen,), Why.FULL_NAME, tuple(parts))

    def _half_or_whole(self, halves: list[NamedColumn], part_columns: list[NamedColumn]) -> ColumnSource:
        half, part = self._only(halves), self._only(part_columns)
        pairs = self._sample.pairs(half, part)
        telling = [(one, other) for one, other in pairs if folded_words(one) != folded_words(other)]
        if self._sample.is_empty:
            return self._joined(half)
        if self._sample.is_code(half) or self._sample.is_code(part):
            raise self._ambiguous([half, part], _CODE)
        if not telling:
            if pairs or (self._sample.is_blank(part) and not self._sample.is_blank(half)):
                why = Why.FULL_NAME if pairs else Why.OTHER_IS_BLANK
                return ColumnSource((half,), why, (part,))
            raise self._ambiguous([half, part], _NO_ROWS)
        in_half = sum(_contains(one, other) for one, other in telling)
        in_part = sum(_contains(other, one) for one, other in telling)
        if in_half >= NEARLY_ALL * len(telling):
            return ColumnSource((half,), Why.FULL_NAME, (part,))
        if in_part >= NEARLY_ALL * len(telling):
            return ColumnSource((part,), Why.FULL_NAME, (half,))
        if in_half or in_part:
            raise self._ambiguous([half, part], _UNCLEAR)
        return self._joined(half)

    def _joined(self, half: int | None = None) -> ColumnSource:
        """The parts in their order; `half` is the needed one that has no column of its own."""
        places = []
        for part, found in zip(self._field.parts, self._parts, strict=True):
            if found:
                places.append(self._only(found))
            elif part.is_needed and half is not None:
                places.append(half)
        return ColumnSource(tuple(places), Why.PARTS_JOINED)

    def _only(self, found: list[NamedColumn]) -> int:
        return choose(self._field, found, self._columns, self._sample).columns[0]

    def _ambiguous(self, places: Sequence[int], why: str) -> Exception:
        return ambiguous(self._field.name, self._columns.names, places, why)

    def _passing_over(self, source: ColumnSource, others: list[NamedColumn]) -> ColumnSource:
        return source._replace(passed_over=(*source.passed_over, *(column.place for column in others)))


def _contains(whole: str, part: str) -> bool:
    words = folded_words(part)
    return bool(words) and words <= folded_words(whole)
