"""From raw rows to what is to be written: valid employees on one side, rejects with their reason on the other."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from consumer_service.dead_letters import Reject
from consumer_service.employee_writer import NumberedEmployee
from shared.errors import RowCode
from shared.messages import ChunkCounts
from shared.rows.employee_row import RowFault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumer_service.employee_writer import Written
    from shared.failpoints import CheckRow
    from shared.rows.employee_row import Layout

_REASONS = {
    RowCode.ROW_TOO_LONG: "A record may be 256 KiB long; is a quote or a line break missing?",
    RowCode.DUPLICATE_EMAIL: "An employee with this email is there already; this upload rejects duplicates.",
    RowCode.INTERNAL_ERROR: "Rollcall failed on this row alone. The row is kept; redrive it after an update.",
    RowCode.POISON_ROW: "Consumers died on this row, again and again. The row is kept; redrive it after an update.",
}


class RawRow(NamedTuple):
    """A row as it came: the cells of the file, and what the reader had against it."""

    row_number: int
    line_number: int
    cells: Sequence[str]
    fault: RowCode | None = None


def check_rows(
    rows: Sequence[RawRow], layout: Layout, check_row: CheckRow
) -> tuple[list[NumberedEmployee], list[Reject]]:
    """Raises whatever a row makes the check raise: then the rows have to be taken one by one."""
    valid: list[NumberedEmployee] = []
    rejects: list[Reject] = []
    for row in rows:
        if row.fault is not None:
            rejects.append(reject(row, row.fault))
            continue
        checked = check_row(row.cells, layout)
        if isinstance(checked, RowFault):
            rejects.append(Reject(row.row_number, row.line_number, *checked, row.cells))
        else:
            valid.append(NumberedEmployee(row.row_number, checked))
    return valid, rejects


def reject(row: RawRow, code: RowCode) -> Reject:
    """A reject for what validation does not see."""
    field = "email" if code is RowCode.DUPLICATE_EMAIL else None
    return Reject(row.row_number, row.line_number, code, field, _REASONS[code], row.cells)


def refuse_duplicates(rows: Sequence[RawRow], rejects: list[Reject], written: Written) -> list[Reject]:
    """The rejects in file order, together with what `reject` mode turned away."""
    if not written.refused:
        return rejects
    duplicates = [reject(row, RowCode.DUPLICATE_EMAIL) for row in rows if row.row_number in written.refused]
    return sorted([*rejects, *duplicates], key=lambda one: one.row_number)


def count(written: Written, rejects: Sequence[Reject]) -> ChunkCounts:
    return ChunkCounts(
        inserted=written.inserted,
        updated=written.updated,
        duplicates=written.duplicates,
        rejected=len(rejects),
        rejected_by=dict(Counter(str(one.code) for one in rejects)),
    )
