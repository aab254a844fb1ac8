"""Many rows at once: the same verdicts as `check_row`, at a fraction of its cost.

Nearly every row of a real file is clean already. One pattern, run over all rows of a chunk joined to one text, finds
those in the regular expression engine's own loop. The others, and whatever looks odd, go through `check_row`. So what
is taken here may be narrower than the rules and never wider; a property test holds the two together.
"""

from __future__ import annotations

import functools
import re
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from shared.rows.employee_row import check_row
from shared.rows.fields import FIELDS
from shared.rows.rules.email import EMAIL_LIMIT
from shared.rows.rules.text import JOINERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.rows.employee_row import EmployeeValues, RowFaults
    from shared.rows.layout import Layout

# Control characters, so that no clean value has them and no two values run into each other.
_BETWEEN: Final = "\x1f"
_END: Final = "\n"
_UNCERTAIN: Final = ("",) * len(FIELDS)
# No email in a line that is no longer than this is too long.
_LINE_LIMIT: Final = EMAIL_LIMIT
# What the patterns of fields let pass for speed, and a rule may not: a wide gap, and two dots in an email.
_ODD_PAIRS: Final = ("  ", "..")
# The same in a field that is joined from several cells: a mark of text before the second, or a joiner at their ends.
_ODD_PAIRS_JOINED: Final = (
    *_ODD_PAIRS, " '", *(pair for joiner in JOINERS for pair in (f"{joiner} ", f" {joiner}"))
)  # fmt: skip


@functools.lru_cache(maxsize=32)
def _verdicts(optional: tuple[str, ...]) -> re.Pattern[str]:
    """One match a line, whose group is empty unless the line is clean: what is clean is taken from the row itself."""
    clean_line = _BETWEEN.join(
        f"(?:{field.rule.pattern})?" if field.may_be_empty or field.name in optional else field.rule.pattern
        for field in FIELDS
    )
    return re.compile(rf"(?:{clean_line}({_END})|[^{_END}]*{_END})")


# The fields that are not stored as they are written.
_COLUMN_CLEANERS: Final = tuple(
    (at, field.rule.clean_column) for at, field in enumerate(FIELDS) if field.rule.clean_column is not None
)


class CheckedRows(NamedTuple):
    """The accepted rows with their indices, and the indices of all others with their faults; both in order."""

    indices: list[int]
    employees: list[EmployeeValues]
    faults: list[tuple[int, RowFaults]]


def check_rows(rows: Sequence[Sequence[str]], layout: Layout) -> CheckedRows:
    """The outcome of `check_row` for each of them."""
    if not rows:
        return CheckedRows([], [], [])
    employees, uncertain = _clean_ones(rows, layout)
    faults = []
    for index in uncertain:
        checked = check_row(rows[index], layout)
        if isinstance(checked, list):
            faults.append((index, checked))
        else:
            employees[index] = checked
    indices = list(range(len(rows)))
    for index, _ in reversed(faults):
        del indices[index], employees[index]
    return CheckedRows(indices, employees, faults)


def _clean_ones(rows: Sequence[Sequence[str]], layout: Layout) -> tuple[list[EmployeeValues], list[int]]:
    """The values of each row, and the indices, in order, of the uncertain ones, whose values mean nothing."""
    values = _values(rows, layout)
    lines = list(map(_BETWEEN.join, values))
    text = _without_odd_ones(lines, _ODD_PAIRS_JOINED if layout.joins_cells else _ODD_PAIRS)
    verdicts = _verdicts(layout.optional).findall(text)
    uncertain = []
    if "" in verdicts:
        uncertain = [index for index, verdict in enumerate(verdicts) if not verdict]
        values = list(values)
        for index in uncertain:
            values[index] = _UNCERTAIN
    columns: list[Sequence[str]] = list(zip(*values, strict=True))
    for at, clean in _COLUMN_CLEANERS:
        columns[at], more = clean(columns[at])
        if more:
            uncertain = sorted({*uncertain, *more})
    return list(zip(*columns, strict=True)), uncertain


def _without_odd_ones(lines: list[str], odd_pairs: Sequence[str]) -> str:
    """The lines as one text, with nothing in the place of those that the pattern must not see."""
    text = _END.join(lines) + _END
    if text.count(_END) != len(lines):
        lines = ["" if _END in line else line for line in lines]
    if max(map(len, lines)) > _LINE_LIMIT:
        lines = ["" if len(line) > _LINE_LIMIT else line for line in lines]
    for pair in odd_pairs:
        if pair in text:
            lines = ["" if pair in line else line for line in lines]
    return _END.join(lines) + _END


def _values(rows: Sequence[Sequence[str]], layout: Layout) -> Sequence[Sequence[str]]:
    """A value of each field for each row; nothing for a row that is too wide, whose cells may stand anywhere."""
    width = layout.width
    if {width}.issuperset(map(len, rows)):
        right = rows
    else:
        right = [cells if len(cells) == width else _filled_up(cells, width) for cells in rows]
    places = layout.in_order
    if layout.joins_cells:
        return [[" ".join([cells[at] for at in columns]) for columns in places] for cells in right]
    if () in places:
        # An empty cell at the end stands for the fields that the file lacks.
        right = [[*cells, ""] for cells in right]
    return list(map(itemgetter(*(columns[0] if columns else layout.width for columns in places)), right))


def _filled_up(cells: Sequence[str], width: int) -> list[str]:
    return [*cells, *[""] * (width - len(cells))] if len(cells) < width else [""] * width
