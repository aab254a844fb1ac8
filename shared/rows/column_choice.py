"""Which of several columns is the field, by what they are called and what they hold; if that does not tell, we ask."""

from __future__ import annotations

from collections.abc import Sequence

from shared.rows.column_names import ColumnNames, NamedColumn, folded
from shared.rows.column_problems import ambiguous
from shared.rows.column_source import ColumnSource, Why
from shared.rows.fields import Field
from shared.rows.sample import Sample


def choose(field: Field, found: Sequence[NamedColumn], columns: ColumnNames, sample: Sample) -> ColumnSource:
    """One of the columns that were found, best first. A blank one gives way, then the less sure name, then a code.

    Raises FileProblem ambiguous_columns.
    """
    filled = [column for column in found if not sample.is_blank(column.place)] or list(found)
    best = [column for column in filled if column.rank == filled[0].rank]
    why = _why_named(field, columns.names[best[0].place])
    if any(column.rank <= best[0].rank and sample.is_blank(column.place) for column in found if column not in filled):
        why = Why.OTHER_IS_BLANK
    if len(best) > 1 and field.never_a_code:
        names = [column for column in best if not sample.is_code(column.place)]
        if len(names) == 1:
            best, why = names, Why.OTHER_IS_A_CODE
    if len(best) > 1:
        raise ambiguous(field.name, columns.names, [column.place for column in best])
    chosen = best[0].place
    return ColumnSource((chosen,), why, tuple(column.place for column in found if column.place != chosen))


def _why_named(field: Field, name: str) -> Why:
    return Why.CANONICAL_NAME if folded(name) == folded(field.name) else Why.ALIAS
