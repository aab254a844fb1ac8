"""Marks leavers of an upload as left, a range in one transaction with its ledger's entry.

Each then stands as a row below zero of the upload, which replaced what stood before: so an undo restores it, and a row
of the same upload or a later one brings it back. docs/architecture.md, "Leavers", has the invariants.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from sqlalchemy import text

from consumer_service.employee_locks import BY_KEYS, LOCK_EMPLOYEES
from shared.database.absence import IN_SCOPE
from shared.errors import RollcallError
from shared.messages import ChunkReply

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from shared.messages import LeaversRequest
    from shared.service.failpoints import Failpoints

_LOCK_UPLOAD: Final = text("SELECT status, sequence, absent_scope FROM uploads WHERE id = :upload_id FOR KEY SHARE")

_IS_DONE: Final = text("SELECT 1 FROM leaver_ranges WHERE upload_id = :upload_id AND first_number = :first_number")

_FIND: Final = text("""
    SELECT employee_id FROM leavers WHERE upload_id = :upload_id AND number BETWEEN :first_number AND :last_number
""")

# Whom a later upload named, or took out of the scope, between the decision and this lock, stays and is taken off.
_MARK: Final = text(f"""
    WITH marked AS (
        UPDATE employees AS e
        SET left_at = now(), upload_sequence = :sequence, row_number = -l.number, by_update = true,
            replaced_sequence = e.upload_sequence, replaced_row = NULL, field_provenance = NULL, updated_at = now()
        FROM leavers AS l
        WHERE l.upload_id = :upload_id AND l.number BETWEEN :first_number AND :last_number AND e.id = l.employee_id
          AND e.left_at IS NULL AND e.upload_sequence < :sequence AND {IN_SCOPE}
        RETURNING l.number
    ), stayed AS (
        DELETE FROM leavers AS l
        WHERE l.upload_id = :upload_id AND l.number BETWEEN :first_number AND :last_number
          AND l.number <> ALL(ARRAY(SELECT number FROM marked))
    )
    SELECT count(*) FROM marked
""")  # noqa: S608 - constants

_INSERT_ENTRY: Final = text("""
    INSERT INTO leaver_ranges (upload_id, first_number, last_number, deactivated)
    VALUES (:upload_id, :first_number, :last_number, :deactivated)
    ON CONFLICT DO NOTHING
""")


class _DoneAlready(RollcallError):
    """Another delivery of the same range committed first: this transaction must not."""


class LeaversHandler:
    def __init__(self, engine: AsyncEngine, failpoints: Failpoints) -> None:
        self._engine = engine
        self._failpoints = failpoints

    async def handle(self, request: LeaversRequest) -> ChunkReply:
        """Mark the range, unless it was. An error that this raises is not the range's fault (P5)."""
        try:
            async with self._engine.begin() as connection:
                outcome = await self._mark(connection, request)
        except _DoneAlready:
            outcome = "done"
        self._failpoints.hit("consumer.after_leavers")
        return ChunkReply(upload_id=request.upload_id, first_row=request.first_number, outcome=outcome)

    async def _mark(self, connection: AsyncConnection, request: LeaversRequest) -> Literal["done", "closed"]:
        key = {"upload_id": request.upload_id, "first_number": request.first_number}
        upload = (await connection.execute(_LOCK_UPLOAD, {"upload_id": request.upload_id})).one_or_none()
        if (await connection.execute(_IS_DONE, key)).one_or_none() is not None:
            return "done"
        if upload is None or upload.status != "running":
            return "closed"
        await connection.execute(BY_KEYS)
        rows = key | {"last_number": request.last_number}
        ids = list((await connection.execute(_FIND, rows)).scalars())
        await connection.execute(LOCK_EMPLOYEES, {"ids": ids})
        # This statement has a snapshot of its own, taken under these locks.
        marked = await connection.execute(_MARK, rows | {"sequence": upload.sequence, "scope": upload.absent_scope})
        if not (await connection.execute(_INSERT_ENTRY, rows | {"deactivated": marked.scalar_one()})).rowcount:
            raise _DoneAlready
        self._failpoints.hit("consumer.inside_leavers")
        return "done"
