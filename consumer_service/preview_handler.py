"""Notes what a chunk of a preview would bring, in one transaction: its valid rows, its rejects and its ledger entry.

It is handled as a chunk of an upload, with the same invariants, but what it leads to is a note in place of an employee
and of a dead letter, and the ledger is the preview's. No chunk joins another preview than its own, nor one that is
over: whoever ends a preview takes its upload `FOR UPDATE`.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from consumer_service.chunk_handler import AnyChunkHandler, DoneAlready, Handled
from consumer_service.named_emails import note_previewed_emails
from consumer_service.note_writer import note_rows, store_preview_rejects
from consumer_service.row_writer import write_one_by_one
from shared.database.ledger import ledger_of_preview
from shared.messages import PreviewChunkRequest, PreviewReply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from consumer_service.dead_letters import Reject, UnpublishedLetters
    from consumer_service.employee_writer import Written
    from consumer_service.row_results import RawRows
    from shared.database.ledger import Ledger, LedgerEntry

# It does not wait for the disk. What a crash of the server loses is the whole chunk, with its entry, so that its
# producer sends it again; and whatever it commits later is lost as well, or nothing of this is.
_LOCK_UPLOAD = text("""
    SELECT status, preview_id, 0 AS sequence, on_duplicate, reader_version, absent_scope,
           set_config('synchronous_commit', 'off', true)
    FROM uploads WHERE id = :upload_id FOR KEY SHARE
""")

_INSERT_ENTRY = text("""
    INSERT INTO preview_chunks
        (preview_id, first_row, row_count, byte_count, inserted, updated, duplicates, rejected, rejected_by)
    VALUES (:preview_id, :first_row, :row_count, :byte_count, :valid, 0, 0, :rejected, CAST(:rejected_by AS jsonb))
    ON CONFLICT DO NOTHING
""")


class PreviewHandler(AnyChunkHandler[PreviewChunkRequest]):
    """Of chunks of previews."""

    inside_transaction = "consumer.inside_preview"

    def _one_by_one(self, chunk: PreviewChunkRequest) -> Callable[..., Awaitable[tuple[Written, list[Reject]]]]:
        return partial(write_one_by_one, write=partial(note_rows, chunk=chunk))

    async def _handle_quickly(self, chunk: PreviewChunkRequest) -> Handled:
        return await self._handle_with(chunk, partial(note_rows, chunk=chunk))

    async def _lock_upload(self, connection: AsyncConnection, chunk: PreviewChunkRequest) -> Row[Any] | None:
        return (await connection.execute(_LOCK_UPLOAD, {"upload_id": chunk.upload_id})).one_or_none()

    def _takes(self, upload: Row[Any], chunk: PreviewChunkRequest) -> bool:
        return (upload.status, upload.preview_id) == ("previewing", chunk.preview_id)

    def _ledger(self, chunk: PreviewChunkRequest) -> Ledger:
        return ledger_of_preview(chunk.preview_id)

    async def _note_names(
        self, connection: AsyncConnection, upload: Row[Any], chunk: PreviewChunkRequest, rows: RawRows
    ) -> None:
        if upload.absent_scope is not None:
            await note_previewed_emails(connection, chunk.preview_id, chunk.first_row, rows, chunk.layout)

    async def _store(
        self, connection: AsyncConnection, chunk: PreviewChunkRequest, rejects: Sequence[Reject], entry: LedgerEntry
    ) -> list[UnpublishedLetters]:
        await store_preview_rejects(connection, chunk.preview_id, rejects)
        inserted = await connection.execute(
            _INSERT_ENTRY,
            {
                "preview_id": chunk.preview_id,
                "first_row": entry.first_row,
                "row_count": entry.row_count,
                "byte_count": entry.byte_count,
                "valid": entry.counts.inserted,
                "rejected": entry.counts.rejected,
                "rejected_by": json.dumps(entry.counts.rejected_by),
            },
        )
        if not inserted.rowcount:
            raise DoneAlready
        return []

    def _reply(self, chunk: PreviewChunkRequest, entry: LedgerEntry | None) -> PreviewReply:
        return PreviewReply(preview_id=chunk.preview_id, **self._reply_values(chunk, entry))

    async def _letters_of(self, connection: AsyncConnection, chunk: PreviewChunkRequest) -> list[UnpublishedLetters]:
        return []
