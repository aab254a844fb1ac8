"""The statements on corrections and their rows. Nothing here commits."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

from sqlalchemy import Row, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.tables import corrected_rows, rejected_rows

CorrectionState = Literal["queued", "running", "cancelling", "cancelled", "succeeded"]
RowOutcome = Literal[
    "inserted", "updated", "duplicate", "rejected", "row_changed", "cancelled", "no_reject", "letter_deleted"
]
# Each row that is stopped is one that no consumer has locked, a step of them at a time.
CANCEL_STEP: Final = 5000


class Correction(NamedTuple):
    """`total` rows were corrected; `unchanged` ones are in the file as they were."""

    id: UUID
    upload_id: UUID
    state: CorrectionState
    total: int
    unchanged: int
    ignored_columns: list[str]
    created_at: datetime
    finished_at: datetime | None
    fence: int


class NewRow(NamedTuple):
    """A row of a correction. One without cells has its outcome already."""

    row_number: int
    attempt: int | None
    cells: list[str] | None
    outcome: RowOutcome | None = None


_COLUMNS: Final = ", ".join(Correction._fields)

_INSERT = text(f"""
    INSERT INTO corrections (upload_id, expires_at)
    VALUES (:upload_id, now() + make_interval(secs => :seconds)) RETURNING {_COLUMNS}
""")  # noqa: S608 - the columns are a constant of this module

_FIND = text(f"SELECT {_COLUMNS} FROM corrections WHERE id = :id AND upload_id = :upload_id")  # noqa: S608

_INSERT_ROWS = text("""
    INSERT INTO corrected_rows (correction_id, row_number, attempt, cells, outcome)
    SELECT :id, row_number, attempt, CAST(cells AS jsonb), outcome
    FROM unnest(CAST(:row_numbers AS bigint[]), CAST(:attempts AS int[]), CAST(:cells AS text[]),
                CAST(:outcomes AS text[])) AS row (row_number, attempt, cells, outcome)
""")

_DESCRIBE = text(f"""
    UPDATE corrections SET total = :total, unchanged = :unchanged, ignored_columns = :ignored_columns
    WHERE id = :id RETURNING {_COLUMNS}
""")  # noqa: S608

_COUNT_OUTCOMES = text("""
    SELECT outcome, count(*) FROM corrected_rows WHERE correction_id = :id GROUP BY outcome
""")

# The small ones first: a person waits for them.
_LEASE = text(f"""
    UPDATE corrections
    SET fence = fence + 1, expires_at = now() + make_interval(secs => :seconds),
        state = CASE WHEN state = 'queued' THEN 'running' ELSE state END
    WHERE id = (
        SELECT id FROM corrections
        WHERE finished_at IS NULL AND expires_at <= now()
          AND (CAST(:most_rows AS bigint) IS NULL OR total <= :most_rows)
        ORDER BY total, created_at LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING {_COLUMNS}
""")  # noqa: S608

_RENEW = text("""
    UPDATE corrections SET expires_at = now() + make_interval(secs => :seconds)
    WHERE id = :id AND fence = :fence AND finished_at IS NULL RETURNING state
""")

_CANCEL = text(
    "UPDATE corrections SET state = 'cancelling' WHERE id = :id AND upload_id = :upload_id AND finished_at IS NULL"
)

_CANCEL_ROWS = text("""
    UPDATE corrected_rows SET outcome = 'cancelled'
    WHERE correction_id = :id AND row_number IN (
        SELECT row_number FROM corrected_rows WHERE correction_id = :id AND outcome IS NULL
        ORDER BY row_number LIMIT :limit FOR UPDATE
    )
""")

# Whoever works on it: what is settled is settled.
_FINISH = text("""
    UPDATE corrections
    SET state = CASE WHEN state = 'cancelling' THEN 'cancelled' ELSE 'succeeded' END, finished_at = now()
    WHERE id = :id AND finished_at IS NULL
      AND NOT EXISTS (SELECT FROM corrected_rows WHERE correction_id = :id AND outcome IS NULL)
""")

_WAITING = text("""
    SELECT row_number, attempt, octet_length(CAST(cells AS text)) AS size FROM corrected_rows
    WHERE correction_id = :id AND outcome IS NULL AND row_number > :after ORDER BY row_number LIMIT :limit
""")

_STILL_WAITING = text("""
    SELECT row_number FROM corrected_rows
    WHERE correction_id = :id AND row_number = ANY(CAST(:row_numbers AS bigint[])) AND outcome IS NULL
    ORDER BY row_number
""")

_SIZES = text("""
    SELECT wanted.row_number, coalesce(octet_length(CAST(cells AS text)), 0) AS size
    FROM unnest(CAST(:row_numbers AS bigint[])) AS wanted (row_number)
    LEFT JOIN rejected_rows AS r ON r.upload_id = :upload_id AND r.row_number = wanted.row_number
    ORDER BY wanted.row_number
""")

_CELLS = text("""
    SELECT row_number, attempt, CAST(cells AS text) AS cells FROM corrected_rows
    WHERE correction_id = :id AND row_number = ANY(CAST(:row_numbers AS bigint[])) AND outcome IS NULL
    ORDER BY row_number
""")


async def insert_correction(connection: AsyncConnection, upload_id: UUID, *, seconds: float) -> Correction:
    """Nobody else takes it for so long."""
    return _correction((await connection.execute(_INSERT, {"upload_id": upload_id, "seconds": seconds})).one())


async def insert_rows(connection: AsyncConnection, correction_id: UUID, rows: Sequence[NewRow]) -> None:
    await connection.execute(
        _INSERT_ROWS,
        {
            "id": correction_id,
            "row_numbers": [row.row_number for row in rows],
            "attempts": [row.attempt for row in rows],
            "cells": [None if row.cells is None else json.dumps(row.cells) for row in rows],
            "outcomes": [row.outcome for row in rows],
        },
    )


async def describe_correction(
    connection: AsyncConnection,
    correction_id: UUID,
    *,
    total: int,
    unchanged: int = 0,
    ignored_columns: Sequence[str] = (),
) -> Correction:
    """Once all its rows are there."""
    values = {"id": correction_id, "total": total, "unchanged": unchanged, "ignored_columns": list(ignored_columns)}
    return _correction((await connection.execute(_DESCRIBE, values)).one())


async def find_correction(connection: AsyncConnection, upload_id: UUID, correction_id: UUID) -> Correction | None:
    found = (await connection.execute(_FIND, {"id": correction_id, "upload_id": upload_id})).one_or_none()
    return None if found is None else _correction(found)


async def count_outcomes(connection: AsyncConnection, correction_id: UUID) -> Mapping[RowOutcome | None, int]:
    """None stands for the rows that wait."""
    counted = await connection.execute(_COUNT_OUTCOMES, {"id": correction_id})
    return {row[0]: row[1] for row in counted.all()}


async def find_reject(connection: AsyncConnection, upload_id: UUID, row_number: int) -> Row[Any] | None:
    row = rejected_rows.c
    query = select(rejected_rows).where(row.upload_id == upload_id, row.row_number == row_number)
    return (await connection.execute(query)).one_or_none()


async def rejects_in_parts(
    connection: AsyncConnection, upload_id: UUID, row_numbers: Sequence[int], *, most_bytes: int
) -> AsyncIterator[tuple[set[int], Mapping[int, Row[Any]]]]:
    """Parts of the row numbers, and of each those that are rejects: so many bytes of cells, and one row at least."""
    sizes = (await connection.execute(_SIZES, {"upload_id": upload_id, "row_numbers": list(row_numbers)})).all()
    row = rejected_rows.c
    for part in cut(sizes, most_rows=len(sizes), most_bytes=most_bytes):
        numbers = [each.row_number for each in part]
        query = select(rejected_rows).where(row.upload_id == upload_id, row.row_number.in_(numbers))
        found = (await connection.execute(query)).all()
        yield set(numbers), {each.row_number: each for each in found}


def cut(rows: Sequence[Row[Any]], *, most_rows: int, most_bytes: int) -> Iterator[Sequence[Row[Any]]]:
    """Parts of one row at least, of so many rows and bytes at most, of rows that have a `size`."""
    start = size = 0
    for at, row in enumerate(rows):
        if at > start and (at - start >= most_rows or size + row.size > most_bytes):
            yield rows[start:at]
            start, size = at, 0
        size += row.size
    if rows:
        yield rows[start:]


async def has_rejects(connection: AsyncConnection, upload_id: UUID) -> bool:
    query = select(rejected_rows.c.row_number).where(rejected_rows.c.upload_id == upload_id).limit(1)
    return (await connection.execute(query)).one_or_none() is not None


async def last_reject(connection: AsyncConnection, upload_id: UUID) -> int:
    """Its row number; 0 if there is none."""
    query = select(func.max(rejected_rows.c.row_number)).where(rejected_rows.c.upload_id == upload_id)
    return int((await connection.execute(query)).scalar_one() or 0)


async def outcome_of(connection: AsyncConnection, correction_id: UUID, row_number: int) -> RowOutcome | None:
    row = corrected_rows.c
    query = select(row.outcome).where(row.correction_id == correction_id, row.row_number == row_number)
    outcome: RowOutcome | None = (await connection.execute(query)).scalar_one_or_none()
    return outcome


async def list_rows(
    connection: AsyncConnection, correction_id: UUID, *, outcome: str | None, after_row: int, offset: int, limit: int
) -> Sequence[Row[Any, Any, Any]]:
    """By row number, without their cells."""
    row = corrected_rows.c
    query = select(row.row_number, row.attempt, row.outcome).where(
        row.correction_id == correction_id, row.row_number > after_row
    )
    if outcome is not None:
        query = query.where(row.outcome == outcome)
    return (await connection.execute(query.order_by(row.row_number).offset(offset).limit(limit))).all()


async def lease_correction(connection: AsyncConnection, *, most_rows: int | None, seconds: float) -> Correction | None:
    """The smallest unfinished one on which nobody works, if it has no more rows than that."""
    found = (await connection.execute(_LEASE, {"most_rows": most_rows, "seconds": seconds})).one_or_none()
    return None if found is None else _correction(found)


async def renew_lease(connection: AsyncConnection, correction: Correction, *, seconds: float) -> CorrectionState | None:
    """Its state; None once it is finished or another process has it. With 0 seconds any process can have it."""
    renewed = await connection.execute(_RENEW, {"id": correction.id, "fence": correction.fence, "seconds": seconds})
    state: CorrectionState | None = renewed.scalar_one_or_none()
    return state


async def cancel_correction(connection: AsyncConnection, upload_id: UUID, correction_id: UUID) -> bool:
    """Whether it was there and unfinished."""
    return bool((await connection.execute(_CANCEL, {"id": correction_id, "upload_id": upload_id})).rowcount)


async def cancel_rows(connection: AsyncConnection, correction_id: UUID) -> bool:
    """A step of them. False when none waits any more."""
    cancelled = await connection.execute(_CANCEL_ROWS, {"id": correction_id, "limit": CANCEL_STEP})
    return cancelled.rowcount > 0


async def finish_correction(connection: AsyncConnection, correction_id: UUID) -> bool:
    """Whether it was this that finished it: when no row waits."""
    return bool((await connection.execute(_FINISH, {"id": correction_id})).rowcount)


async def waiting_rows(
    connection: AsyncConnection, correction_id: UUID, *, after: int, limit: int
) -> Sequence[Row[Any]]:
    """Their row numbers, attempts and sizes."""
    found = await connection.execute(_WAITING, {"id": correction_id, "after": after, "limit": limit})
    return found.all()


async def still_waiting(connection: AsyncConnection, correction_id: UUID, row_numbers: Sequence[int]) -> list[int]:
    found = await connection.execute(_STILL_WAITING, {"id": correction_id, "row_numbers": list(row_numbers)})
    return list(found.scalars())


async def cells_of(
    connection: AsyncConnection, correction_id: UUID, row_numbers: Sequence[int]
) -> list[tuple[int, int, list[str]]]:
    """Row number, attempt and cells of those that wait."""
    found = await connection.execute(_CELLS, {"id": correction_id, "row_numbers": list(row_numbers)})
    return [(row.row_number, row.attempt, json.loads(row.cells)) for row in found.all()]


async def count_rows(connection: AsyncConnection, correction_id: UUID, *, outcome: str | None) -> int:
    row = corrected_rows.c
    query = select(func.count()).where(row.correction_id == correction_id)
    if outcome is not None:
        query = query.where(row.outcome == outcome)
    return int((await connection.execute(query)).scalar_one())


def _correction(row: Row[Any]) -> Correction:
    return Correction(**row._mapping)
