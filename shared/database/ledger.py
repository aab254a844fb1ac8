"""The ledger has an entry for each chunk that had its effect, with what became of its rows.

A consumer writes the entry in the transaction of the effect, and the producer reads it. Nothing else decides whether a
chunk is done.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import text

from shared.database.row_notes import NO_NOTES, RowNotes, as_bits
from shared.database.suppressions import SUPPRESSION_STATE, SuppressionState
from shared.messages import ChunkCounts

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from sqlalchemy import CursorResult, TextClause
    from sqlalchemy.ext.asyncio import AsyncConnection


class LedgerEntry(NamedTuple):
    first_row: int
    row_count: int
    byte_count: int
    counts: ChunkCounts
    # Only written here: who reads chunks for their counts has no use for them.
    notes: RowNotes = NO_NOTES

    @property
    def last_row(self) -> int:
        return self.first_row + self.row_count - 1


class Before(NamedTuple):
    """What a chunk's transaction asks once it has locked its upload, in one round trip: the last entry that begins at
    its last row or before, and who is suppressed.
    """

    entry: LedgerEntry | None
    suppressed: SuppressionState


class LedgerTotals(NamedTuple):
    row_count: int
    byte_count: int
    counts: ChunkCounts


# The entry and the exact number of employees change together; a conflict changes neither.
_INSERT_ENTRY = text("""
    WITH entry AS (
        INSERT INTO upload_chunks
            (upload_id, first_row, row_count, byte_count, inserted, updated, duplicates, rejected, rejected_by,
             noted_rows, duplicate_bits, updated_bits, displaced_rows)
        VALUES
            (:upload_id, :first_row, :row_count, :byte_count, :inserted, :updated, :duplicates, :rejected,
             CAST(:rejected_by AS jsonb), :noted_rows, :duplicate_bits, :updated_bits, :displaced_rows)
        ON CONFLICT DO NOTHING
        RETURNING inserted
    ), counted AS (
        UPDATE employee_totals SET total = total + entry.inserted
        FROM entry WHERE slot = :slot AND entry.inserted > 0
    )
    SELECT count(*) FROM entry
""")


async def insert_entry(connection: AsyncConnection, upload_id: uuid.UUID, entry: LedgerEntry, *, slot: int) -> bool:
    """False when the ledger has the chunk already: then the whole transaction must be rolled back."""
    inserted = await connection.execute(
        _INSERT_ENTRY,
        {
            "upload_id": upload_id,
            "first_row": entry.first_row,
            "row_count": entry.row_count,
            "byte_count": entry.byte_count,
            "inserted": entry.counts.inserted,
            "updated": entry.counts.updated,
            "duplicates": entry.counts.duplicates,
            "rejected": entry.counts.rejected,
            "rejected_by": json.dumps(entry.counts.rejected_by),
            "noted_rows": entry.row_count - entry.counts.rejected,
            "duplicate_bits": as_bits(entry.notes.duplicates, entry.first_row, entry.row_count),
            "updated_bits": as_bits(entry.notes.updated, entry.first_row, entry.row_count),
            "displaced_rows": entry.notes.displaced or None,
            "slot": slot,
        },
    )
    return bool(inserted.scalar_one())


class Ledger:
    """One upload's, or that of a preview: it has this form whatever table it stands in."""

    def __init__(self, statements: _Statements, key: uuid.UUID | int) -> None:
        self._statements = statements
        self._key = key

    async def entries_among(self, connection: AsyncConnection, first_rows: Sequence[int]) -> list[LedgerEntry]:
        """The entries of the chunks with these first rows, as far as they are done."""
        rows = await self._execute(connection, self._statements.among, first_rows=list(first_rows))
        return [_entry(row) for row in rows.all()]

    async def entries_from(self, connection: AsyncConnection, first_row: int, *, limit: int) -> list[LedgerEntry]:
        """Done chunks in file order, a page at a time, so that memory does not grow with the file."""
        rows = await self._execute(connection, self._statements.page, first_row=first_row, limit=limit)
        return [_entry(row) for row in rows.all()]

    async def look_back(self, connection: AsyncConnection, row_number: int) -> Before:
        """From the last row of a chunk."""
        row: Any = (await self._execute(connection, self._statements.back, row_number=row_number)).one()
        suppressed, entry = SuppressionState(*row[:2]), row[2:]
        return Before(None if entry[0] is None else _entry(entry), suppressed)

    async def rejected_rows(self, connection: AsyncConnection) -> int:
        return int((await self._execute(connection, self._statements.rejected)).scalar_one())

    async def totals(self, connection: AsyncConnection) -> LedgerTotals:
        row: Any = (await self._execute(connection, self._statements.totals)).one()
        row_count, byte_count, inserted, updated, duplicates, rejected, rejected_by = row
        counts = ChunkCounts(
            inserted=int(inserted),
            updated=int(updated),
            duplicates=int(duplicates),
            rejected=int(rejected),
            rejected_by={code: int(count) for code, count in _as_dict(rejected_by).items()},
        )
        return LedgerTotals(int(row_count), int(byte_count), counts)

    async def _execute(
        self, connection: AsyncConnection, statement: TextClause, **parameters: object
    ) -> CursorResult[Any]:
        return await connection.execute(statement, {"key": self._key, **parameters})


class _Statements:
    """On the entries of one table, whose column `key` says whose they are."""

    def __init__(self, table: str, key: str) -> None:
        entries = f"""
            SELECT first_row, row_count, byte_count, inserted, updated, duplicates, rejected, rejected_by
            FROM {table} WHERE {key} = :key
        """  # noqa: S608 - names of this module
        self.among = text(f"{entries} AND first_row = ANY(:first_rows)")
        self.page = text(f"{entries} AND first_row >= :first_row ORDER BY first_row LIMIT :limit")
        self.back = text(f"""
            SELECT suppressed.number, suppressed.newest, entry.*
            FROM ({SUPPRESSION_STATE}) AS suppressed
            LEFT JOIN LATERAL (
                {entries} AND first_row <= :row_number ORDER BY first_row DESC LIMIT 1
            ) AS entry ON true
        """)  # noqa: S608 - as above
        self.rejected = text(f"SELECT coalesce(sum(rejected), 0) FROM {table} WHERE {key} = :key")  # noqa: S608 - as above
        self.totals = text(f"""
            SELECT coalesce(sum(row_count), 0), coalesce(sum(byte_count), 0), coalesce(sum(inserted), 0),
                   coalesce(sum(updated), 0), coalesce(sum(duplicates), 0), coalesce(sum(rejected), 0),
                   coalesce((SELECT jsonb_object_agg(code, total) FROM (
                       SELECT key AS code, sum(value::bigint) AS total
                       FROM {table} AS c, jsonb_each_text(c.rejected_by)
                       WHERE c.{key} = :key GROUP BY key
                   ) AS by_code), '{{}}')
            FROM {table} WHERE {key} = :key
        """)  # noqa: S608 - as above


_OF_UPLOADS = _Statements("upload_chunks", "upload_id")


_OF_PREVIEWS = _Statements("preview_chunks", "preview_id")


def ledger_of(upload_id: uuid.UUID) -> Ledger:
    return Ledger(_OF_UPLOADS, upload_id)


def ledger_of_preview(preview_id: int) -> Ledger:
    return Ledger(_OF_PREVIEWS, preview_id)


def _entry(row: Sequence[Any]) -> LedgerEntry:
    first_row, row_count, byte_count, inserted, updated, duplicates, rejected, rejected_by = row
    counts = ChunkCounts(
        inserted=int(inserted),
        updated=int(updated),
        duplicates=int(duplicates),
        rejected=int(rejected),
        rejected_by=_as_dict(rejected_by),
    )
    return LedgerEntry(int(first_row), int(row_count), int(byte_count), counts)


def _as_dict(value: Any) -> dict[str, int]:
    """In a textual statement `jsonb` comes as text."""
    return dict(json.loads(value)) if isinstance(value, str) else dict(value or {})
