"""The statements on what became of an upload's rows. Nothing here commits."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.database.upload_layout import FORMAT_COLUMNS

DISPLACED_AT_ONCE: Final = 10_000

# Of what is previewed the counts are those of the preview.
_COUNTS = ", ".join(
    f"CASE WHEN status = 'previewed' THEN (preview ->> '{name}')::bigint ELSE {name} END AS {name}"
    for name in ("rows_read", "inserted", "updated", "duplicates", "rejected", "unprocessed")
)
_SOURCE = text(f"""
    SELECT id, status, sequence, filename, object_key, sheet, finished_at, file_deleted_at, preview_id,
           {_COUNTS}, CAST(problem AS text) AS problem,
           (SELECT count(*) FROM kept_rows WHERE upload_id = :upload_id AND row_number > 0) AS kept,
           EXISTS (SELECT FROM corrections WHERE upload_id = :upload_id) AS has_corrections, {FORMAT_COLUMNS}
    FROM uploads WHERE id = :upload_id
""")  # noqa: S608 - constants

# Rows that were inserted and never displaced need no note.
_IS_UNKNOWN = text("""
    SELECT EXISTS (
        SELECT FROM upload_chunks
        WHERE upload_id = :upload_id AND (updated > 0 OR duplicates > 0)
          AND noted_rows IS DISTINCT FROM inserted + updated + duplicates
    )
""")


_DISPLACED = text("""
    SELECT displaced.row_number
    FROM upload_chunks CROSS JOIN LATERAL unnest(displaced_rows) AS displaced (row_number)
    WHERE upload_id = :upload_id AND displaced_rows IS NOT NULL
      AND displaced.row_number BETWEEN :first_row AND :last_row
""")


_KEPT_NUMBERS = text("""
    SELECT row_number FROM kept_rows WHERE upload_id = :upload_id AND row_number BETWEEN :first_row AND :last_row
""")

# Those that went in, and of rows that are rejected still those that were tried last.
_CORRECTED_CELLS = text("""
    SELECT r.row_number, CAST(r.cells AS text) AS cells
    FROM corrections AS c JOIN corrected_rows AS r ON r.correction_id = c.id
    WHERE c.upload_id = :upload_id AND r.row_number = ANY(CAST(:row_numbers AS bigint[]))
      AND r.outcome IN ('inserted', 'updated', 'duplicate')
    UNION ALL
    SELECT row_number, CAST(cells AS text) FROM rejected_rows
    WHERE upload_id = :upload_id AND row_number = ANY(CAST(:row_numbers AS bigint[])) AND original_cells IS NOT NULL
""")


class _Tables:
    """The statements on a ledger and its rejects, whose column `key` says whose they are."""

    def __init__(self, chunks: str, rejects: str, key: str) -> None:
        # From the entry on that the row is in.
        self.noted_entries = text(f"""
            SELECT first_row, row_count, rejected, duplicate_bits, updated_bits
            FROM {chunks}
            WHERE {key} = :key AND first_row + row_count > :from_row AND first_row >= coalesce(
                (SELECT max(first_row) FROM {chunks} WHERE {key} = :key AND first_row <= :from_row), 1)
            ORDER BY first_row LIMIT :limit
        """)  # noqa: S608 - names of this module
        self.rejected_numbers = text(f"""
            SELECT row_number FROM {rejects}
            WHERE {key} = :key AND row_number BETWEEN :first_row AND :last_row
        """)  # noqa: S608 - names of this module
        self.rejects = text(f"""
            SELECT row_number, code, field, message, CAST(other_faults AS text) AS other_faults
            FROM {rejects} WHERE {key} = :key AND row_number = ANY(CAST(:row_numbers AS bigint[]))
        """)  # noqa: S608 - names of this module


_OF_UPLOADS = _Tables("upload_chunks", "rejected_rows", "upload_id")
_OF_PREVIEWS = _Tables("preview_chunks", "preview_rejects", "preview_id")

# Of one span, so that few entries are looked through.
_STANDING_ROWS = text("""
    SELECT repeated.row_number, repeated.standing_row
    FROM preview_chunks AS c
    CROSS JOIN LATERAL unnest(c.repeated_rows, c.standing_rows) AS repeated (row_number, standing_row)
    WHERE c.preview_id = :preview_id AND c.repeated_rows IS NOT NULL
      AND c.first_row <= :last_row AND c.first_row + c.row_count > :first_row
      AND repeated.row_number = ANY(CAST(:row_numbers AS bigint[]))
""")

_EMPLOYEES = text("""
    SELECT lower(email) AS key, id, employee_name, upload_sequence, row_number
    FROM employees WHERE lower(email) = ANY(CAST(:keys AS text[]))
""")


async def upload_with_format(connection: AsyncConnection, upload_id: uuid.UUID) -> Row[Any] | None:
    """An upload as far as its results need it, with the columns for `format_of`."""
    return (await connection.execute(_SOURCE, {"upload_id": upload_id})).one_or_none()


async def has_unnoted_rows(connection: AsyncConnection, upload_id: uuid.UUID) -> bool:
    """Whether consumers that noted nothing leave it open which rows became what."""
    return bool((await connection.execute(_IS_UNKNOWN, {"upload_id": upload_id})).scalar_one())


async def noted_entries(
    connection: AsyncConnection, upload: Row[Any], *, from_row: int, limit: int
) -> Sequence[Row[Any]]:
    """Done chunks in file order, the first that with this row if there is one."""
    tables, key = _tables_of(upload)
    values = {"key": key, "from_row": from_row, "limit": limit}
    return (await connection.execute(tables.noted_entries, values)).all()


async def displaced_numbers(
    engine: AsyncEngine, upload: Row[Any], first_row: int, last_row: int
) -> AsyncIterator[Sequence[int]]:
    """Of the rows from one to another those that others of their upload displaced, in no order. A preview notes them
    with their own chunks.
    """
    values = {"upload_id": upload.id, "first_row": first_row, "last_row": last_row}
    async with engine.connect() as connection, connection.stream(_DISPLACED, values) as result:
        async for numbers in result.scalars().partitions(DISPLACED_AT_ONCE):
            yield numbers


async def rejected_numbers(
    connection: AsyncConnection, upload: Row[Any], first_row: int, last_row: int
) -> Sequence[int]:
    tables, key = _tables_of(upload)
    values = {"key": key, "first_row": first_row, "last_row": last_row}
    return (await connection.execute(tables.rejected_numbers, values)).scalars().all()


async def rejects_by_number(
    connection: AsyncConnection, upload: Row[Any], row_numbers: Sequence[int]
) -> dict[int, Row[Any]]:
    """Why these rows were rejected."""
    tables, key = _tables_of(upload)
    rows = await connection.execute(tables.rejects, {"key": key, "row_numbers": row_numbers})
    return {row.row_number: row for row in rows.all()}


async def employees_by_key(connection: AsyncConnection, keys: Sequence[str]) -> dict[str, Row[Any]]:
    """Who has these emails, by the key of the email."""
    return {row.key: row for row in (await connection.execute(_EMPLOYEES, {"keys": keys})).all()}


async def standing_rows(connection: AsyncConnection, preview_id: int, row_numbers: Sequence[int]) -> dict[int, int]:
    """By the numbers of those rows of a preview that repeat the email of another: the one that would stand."""
    values = {
        "preview_id": preview_id,
        "row_numbers": row_numbers,
        "first_row": min(row_numbers),
        "last_row": max(row_numbers),
    }
    rows = (await connection.execute(_STANDING_ROWS, values)).all()
    return {row.row_number: row.standing_row for row in rows}


def _tables_of(upload: Row[Any]) -> tuple[_Tables, uuid.UUID | int]:
    return (_OF_UPLOADS, upload.id) if upload.preview_id is None else (_OF_PREVIEWS, upload.preview_id)


async def kept_numbers(
    connection: AsyncConnection, upload_id: uuid.UUID, first_row: int, last_row: int
) -> Sequence[int]:
    """The rows of an undone upload whose employees another upload had changed."""
    values = {"upload_id": upload_id, "first_row": first_row, "last_row": last_row}
    return (await connection.execute(_KEPT_NUMBERS, values)).scalars().all()


async def corrected_cells(
    connection: AsyncConnection, upload_id: uuid.UUID, row_numbers: Sequence[int]
) -> dict[int, list[str]]:
    """The cells of rows that were corrected, for as long as their corrections are kept."""
    rows = await connection.execute(_CORRECTED_CELLS, {"upload_id": upload_id, "row_numbers": row_numbers})
    return {row.row_number: json.loads(row.cells) for row in rows.all()}
