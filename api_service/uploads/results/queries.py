"""The statements on what became of an upload's rows. Nothing here commits."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.database.upload_layout import FORMAT_COLUMNS

DISPLACED_AT_ONCE: Final = 10_000

_SOURCE = text(f"""
    SELECT id, sequence, filename, object_key, sheet, finished_at, file_deleted_at, rows_read, inserted, updated,
           duplicates, rejected, unprocessed, CAST(problem AS text) AS problem, {FORMAT_COLUMNS}
    FROM uploads WHERE id = :upload_id
""")  # noqa: S608 - a constant

# Rows that were inserted and never displaced need no note.
_IS_UNKNOWN = text("""
    SELECT EXISTS (
        SELECT FROM upload_chunks
        WHERE upload_id = :upload_id AND (updated > 0 OR duplicates > 0)
          AND noted_rows IS DISTINCT FROM inserted + updated + duplicates
    )
""")

# From the entry on that the row is in.
_NOTED_ENTRIES = text("""
    SELECT first_row, row_count, rejected, duplicate_bits, updated_bits
    FROM upload_chunks
    WHERE upload_id = :upload_id AND first_row + row_count > :from_row AND first_row >= coalesce(
        (SELECT max(first_row) FROM upload_chunks WHERE upload_id = :upload_id AND first_row <= :from_row), 1)
    ORDER BY first_row LIMIT :limit
""")

_DISPLACED = text("""
    SELECT displaced.row_number
    FROM upload_chunks CROSS JOIN LATERAL unnest(displaced_rows) AS displaced (row_number)
    WHERE upload_id = :upload_id AND displaced_rows IS NOT NULL
      AND displaced.row_number BETWEEN :first_row AND :last_row
""")

_REJECTED_NUMBERS = text("""
    SELECT row_number FROM rejected_rows
    WHERE upload_id = :upload_id AND row_number BETWEEN :first_row AND :last_row
""")

_REJECTS = text("""
    SELECT row_number, code, field, message, CAST(other_faults AS text) AS other_faults
    FROM rejected_rows WHERE upload_id = :upload_id AND row_number = ANY(CAST(:row_numbers AS bigint[]))
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
    connection: AsyncConnection, upload_id: uuid.UUID, *, from_row: int, limit: int
) -> Sequence[Row[Any]]:
    """Done chunks in file order, the first that with this row if there is one."""
    values = {"upload_id": upload_id, "from_row": from_row, "limit": limit}
    return (await connection.execute(_NOTED_ENTRIES, values)).all()


async def displaced_numbers(
    engine: AsyncEngine, upload_id: uuid.UUID, first_row: int, last_row: int
) -> AsyncIterator[Sequence[int]]:
    """Of the rows from one to another those that others of their upload displaced, in no order."""
    values = {"upload_id": upload_id, "first_row": first_row, "last_row": last_row}
    async with engine.connect() as connection, connection.stream(_DISPLACED, values) as result:
        async for numbers in result.scalars().partitions(DISPLACED_AT_ONCE):
            yield numbers


async def rejected_numbers(
    connection: AsyncConnection, upload_id: uuid.UUID, first_row: int, last_row: int
) -> Sequence[int]:
    values = {"upload_id": upload_id, "first_row": first_row, "last_row": last_row}
    return (await connection.execute(_REJECTED_NUMBERS, values)).scalars().all()


async def rejects_by_number(
    connection: AsyncConnection, upload_id: uuid.UUID, row_numbers: Sequence[int]
) -> dict[int, Row[Any]]:
    """Why these rows were rejected."""
    rows = await connection.execute(_REJECTS, {"upload_id": upload_id, "row_numbers": row_numbers})
    return {row.row_number: row for row in rows.all()}


async def employees_by_key(connection: AsyncConnection, keys: Sequence[str]) -> dict[str, Row[Any]]:
    """Who has these emails, by the key of the email."""
    return {row.key: row for row in (await connection.execute(_EMPLOYEES, {"keys": keys})).all()}
