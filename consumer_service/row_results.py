"""From raw rows to what is to be written: valid employees on one side, rejects with their reason on the other."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from consumer_service.dead_letters import Reject
from consumer_service.employee_writer import NumberedEmployees
from shared.errors import EMAIL_REFUSALS, ERASED_REFUSAL, RowCode
from shared.messages import ChunkCounts
from shared.rows.fields import KEY_NAME
from shared.rows.record import READER_FAULT_MESSAGES
from shared.rows.rules.rule import RowFault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from consumer_service.employee_writer import Written
    from consumer_service.row_check import CheckRows
    from shared.rows.employee_row import RowFaults
    from shared.rows.layout import Layout

_REASONS = {
    **READER_FAULT_MESSAGES,
    **EMAIL_REFUSALS,
    RowCode.INTERNAL_ERROR: "Rollcall failed on this row alone. The row is kept; redrive it after an update.",
    RowCode.UPLOAD_UNDONE: "The upload of this row was undone, so it is not tried again: upload it in another file.",
    RowCode.ERASED_PERSON: ERASED_REFUSAL,
    RowCode.POISON_ROW: "Consumers died on this row, again and again. The row is kept; redrive it after an update.",
}


@dataclass(frozen=True, slots=True)
class RawRows:
    """Rows as they came, a list for each of their parts: a chunk has thousands, and most need no object of their own.

    `cells` are those of the file; `faults` maps an index to what the reader had against that row, `fault_messages` to
    what it said of it beyond the code.
    """

    row_numbers: Sequence[int]
    line_numbers: Sequence[int]
    cells: Sequence[Sequence[str]]
    faults: Mapping[int, RowCode]
    fault_messages: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.row_numbers)

    def one_by_one(self) -> Iterator[RawRows]:
        for index, fault in enumerate(map(self.faults.get, range(len(self)))):
            only = slice(index, index + 1)
            faults = {} if fault is None else {0: fault}
            messages = {0: self.fault_messages[index]} if index in self.fault_messages else {}
            yield RawRows(self.row_numbers[only], self.line_numbers[only], self.cells[only], faults, messages)

    def reject(self, index: int, code: RowCode) -> Reject:
        """A reject for what validation does not see."""
        column = KEY_NAME if code in EMAIL_REFUSALS else None
        return self._refuse(index, [RowFault(code, column, self.fault_messages.get(index, _REASONS[code]))])

    def check(self, layout: Layout, check_rows: CheckRows) -> tuple[NumberedEmployees, list[Reject]]:
        """Raises whatever a row makes the check raise: then the rows have to be taken one by one."""
        cells = self.cells
        if self.faults:
            # The rest of such a row must not pass for the row: without cells it is refused.
            cells = [() if index in self.faults else each for index, each in enumerate(cells)]
        checked = check_rows(cells, layout)
        rejects = [
            self.reject(index, self.faults[index]) if index in self.faults else self._refuse(index, faults)
            for index, faults in checked.faults
        ]
        row_numbers = [self.row_numbers[index] for index in checked.indices]
        return NumberedEmployees(row_numbers, checked.employees), rejects

    def refuse_by_email(self, rejects: list[Reject], written: Written) -> list[Reject]:
        """The rejects in file order, together with what was turned away for who is there already, or is not."""
        if not written.refused and not written.unknown:
            return rejects
        turned_away = [
            self.reject(index, RowCode.DUPLICATE_EMAIL if row_number in written.refused else RowCode.UNKNOWN_EMAIL)
            for index, row_number in enumerate(self.row_numbers)
            if row_number in written.refused or row_number in written.unknown
        ]
        return sorted([*rejects, *turned_away], key=lambda one: one.row_number)

    def _refuse(self, index: int, faults: RowFaults) -> Reject:
        first, *others = faults
        return Reject(self.row_numbers[index], self.line_numbers[index], *first, self.cells[index], others)


def count(written: Written, rejects: Sequence[Reject]) -> ChunkCounts:
    return ChunkCounts(
        inserted=written.inserted,
        updated=written.updated,
        duplicates=written.duplicates,
        rejected=len(rejects),
        rejected_by=dict(Counter(str(one.code) for one in rejects)),
    )
