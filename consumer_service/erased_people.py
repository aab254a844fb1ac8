"""Refuses the rows of people who were erased (docs/erasure.md): they are `erased_person`, and their cells are not kept.

While there are none, a chunk asks so with what it asks anyway, and its rows go the way that they always went.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Final

import msgspec
from sqlalchemy import text

from shared.errors import ERASED_REFUSAL, RowCode
from shared.rows.employee_row import email_key
from shared.rows.employee_rows import CheckedRows
from shared.rows.fields import KEY, KEY_NAME
from shared.rows.named_people import NamedPeople
from shared.rows.record import READER_FAULT_MESSAGES
from shared.rows.rules.rule import RowFault

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from consumer_service.dead_letters import Reject
    from consumer_service.row_check import CheckRows
    from shared.database.suppressions import Suppressions, SuppressionState
    from shared.rows.layout import Layout

ERASED_FAULT: Final = RowFault(RowCode.ERASED_PERSON, KEY_NAME, ERASED_REFUSAL)
_FORGET_CELLS: Final = text("""
    UPDATE rejected_rows SET cells = CAST(:cells AS jsonb), original_cells = NULL
    WHERE upload_id = :upload_id AND row_number = :row_number
""")
_BROKEN: Final = frozenset(READER_FAULT_MESSAGES)


class ErasedPeople:
    """Those of the moment at which a transaction asked."""

    def __init__(self, is_erased: Callable[[str], bool]) -> None:
        self._is_erased = is_erased
        self._named = NamedPeople(is_erased)

    def refused_by(self, check_rows: CheckRows) -> CheckRows:
        """The check, and then this one."""

        def check(rows: Sequence[Sequence[str]], layout: Layout) -> CheckedRows:
            checked = check_rows(rows, layout)
            erased = {at for at, values in enumerate(checked.employees) if self._is_erased(email_key(values[KEY]))}
            if not erased:
                return checked
            refused = [(index, [ERASED_FAULT]) for at, index in enumerate(checked.indices) if at in erased]
            return CheckedRows(
                [index for at, index in enumerate(checked.indices) if at not in erased],
                [values for at, values in enumerate(checked.employees) if at not in erased],
                sorted([*checked.faults, *refused], key=itemgetter(0)),
            )

        return check

    def without_words(self, rejects: Sequence[Reject], layout: Layout) -> list[Reject]:
        """The rejects, of which nothing is kept that is about one of them, whatever they were refused for."""
        return [self._without_words(reject, layout) for reject in rejects]

    async def forget_cells(
        self, connection: AsyncConnection, upload_id: uuid.UUID, rejects: Sequence[Reject], layout: Layout
    ) -> list[Reject]:
        """The same of rejects that are stored already; what is stored of them goes."""
        after = self.without_words(rejects, layout)
        for before, left in zip(rejects, after, strict=True):
            if left is not before:
                row = {"upload_id": upload_id, "row_number": left.row_number}
                await connection.execute(_FORGET_CELLS, row | {"cells": msgspec.json.encode(left.cells).decode()})
        return after

    def erase_from_row(self, cells: Sequence[str], layout: Layout) -> list[str] | None:
        """None when they name none of them."""
        left = self._named.erase_from_row(cells, layout)
        return None if left is None else left.cells

    def _without_words(self, reject: Reject, layout: Layout) -> Reject:
        left = self._named.erase_from_row(reject.cells, layout, is_broken=reject.code in _BROKEN)
        if left is None:
            return reject
        if not left.is_whole:
            return reject._replace(cells=left.cells)
        return reject._replace(
            code=ERASED_FAULT.code,
            field=ERASED_FAULT.field,
            message=ERASED_FAULT.message,
            cells=left.cells,
            other_faults=(),
        )


async def read_erased_people(
    connection: AsyncConnection, suppressions: Suppressions, state: SuppressionState | None = None
) -> ErasedPeople | None:
    """None while there are none. The transaction has locked its upload, or written, before it read the state."""
    is_erased = await suppressions.read(connection, state)
    return None if is_erased is None else ErasedPeople(is_erased)
