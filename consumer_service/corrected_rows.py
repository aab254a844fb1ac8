"""The rows of a correction: which of them still wait, their new cells, and what became of each.

Whoever gives a row its outcome holds the lock on it in `corrected_rows`, and commits the outcome with the effect. So a
request that is delivered again, or after somebody stopped the correction, finds nothing that waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import text

from consumer_service.row_results import RawRows
from shared.rows.employee_row import storable

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from consumer_service.dead_letters import Reject
    from consumer_service.erased_people import ErasedPeople
    from shared.database.row_notes import RowNotes
    from shared.messages import CorrectionRequest
    from shared.rows.layout import Layout

_LOCK_WAITING = text("""
    SELECT row_number FROM corrected_rows
    WHERE correction_id = :correction_id AND row_number = ANY(CAST(:row_numbers AS bigint[])) AND outcome IS NULL
    ORDER BY row_number FOR UPDATE
""")

_KEEP_CELLS = text("""
    UPDATE rejected_rows AS r
    SET original_cells = coalesce(r.original_cells, r.cells), cells = CAST(corrected.cells AS jsonb)
    FROM unnest(CAST(:row_numbers AS bigint[]), CAST(:cells AS text[])) AS corrected (row_number, cells)
    WHERE r.upload_id = :upload_id AND r.row_number = ANY(CAST(:row_numbers AS bigint[]))
      AND r.row_number = corrected.row_number
""")

_FORGET_CELLS = text("""
    UPDATE corrected_rows SET cells = CAST(:cells AS jsonb)
    WHERE correction_id = :correction_id AND row_number = :row_number
""")

_NOTE_OUTCOMES = text("""
    UPDATE corrected_rows AS c SET outcome = noted.outcome
    FROM unnest(CAST(:row_numbers AS bigint[]), CAST(:outcomes AS text[])) AS noted (row_number, outcome)
    WHERE c.correction_id = :correction_id AND c.row_number = ANY(CAST(:row_numbers AS bigint[]))
      AND c.row_number = noted.row_number
""")


class CorrectedRows:
    """Of one request, in one transaction."""

    def __init__(self, request: CorrectionRequest) -> None:
        self._upload_id: uuid.UUID = request.upload_id
        self._correction_id: uuid.UUID = request.correction_id
        self._cells = {row_number: storable(cells) for row_number, _, cells in request.rows}
        self._outcomes: dict[int, str] = {}

    async def lock_waiting(self, connection: AsyncConnection, wanted: dict[int, int]) -> dict[int, int]:
        """Those of the wanted rows that have no outcome yet; each gets one by `note_outcomes`."""
        parameters = {"correction_id": self._correction_id, "row_numbers": list(wanted)}
        waiting = (await connection.execute(_LOCK_WAITING, parameters)).scalars().all()
        # A transaction before this one may have been rolled back.
        self._outcomes = dict.fromkeys(waiting, "row_changed")
        return {row_number: wanted[row_number] for row_number in waiting}

    def with_new_cells(self, rows: RawRows) -> RawRows:
        """What the reader had against the row in the file is nothing against the cells that it has now."""
        return RawRows(rows.row_numbers, rows.line_numbers, [self._cells[number] for number in rows.row_numbers], {})

    async def settle(
        self, connection: AsyncConnection, row_numbers: Sequence[int], notes: RowNotes, rejects: Sequence[Reject]
    ) -> None:
        """Know the outcomes of rows that stood at their attempts. What is dead again keeps its cells, old and new."""
        duplicates = {*notes.duplicates, *notes.displaced}
        updated, rejected = set(notes.updated), {reject.row_number for reject in rejects}
        for row_number in row_numbers:
            self._outcomes[row_number] = (
                "rejected"
                if row_number in rejected
                else "duplicate"
                if row_number in duplicates
                else "updated"
                if row_number in updated
                else "inserted"
            )
        await connection.execute(
            _KEEP_CELLS,
            {
                "upload_id": self._upload_id,
                "row_numbers": list(rejected),
                "cells": [msgspec.json.encode(self._cells[row_number]).decode() for row_number in rejected],
            },
        )

    async def note_outcomes(self, connection: AsyncConnection) -> None:
        """Those of all rows that waited; one that stood at its attempt no more has changed under the correction."""
        await connection.execute(
            _NOTE_OUTCOMES,
            {
                "correction_id": self._correction_id,
                "row_numbers": list(self._outcomes),
                "outcomes": list(self._outcomes.values()),
            },
        )

    async def forget_cells(self, connection: AsyncConnection, erased: ErasedPeople, layout: Layout) -> None:
        """What they say of people who were erased, whatever became of the rows."""
        for row_number, cells in self._cells.items():
            if (left := erased.erase_from_row(cells, layout)) is not None:
                row = {"correction_id": self._correction_id, "row_number": row_number}
                await connection.execute(_FORGET_CELLS, row | {"cells": msgspec.json.encode(left).decode()})
