"""Rejected rows on their way into the dead letters: stored with their chunk, then published, then marked as published.

The row in `rejected_rows` comes first and is the truth; the letter in the queue follows it, at least once.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from sqlalchemy import text

from shared.amqp.publisher import outgoing
from shared.amqp.topology import DEAD_LETTERS_EXCHANGE, ROW_KEY
from shared.errors import RowCode
from shared.messages import DeadLetter, encode
from shared.rows.employee_row import storable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from shared.amqp.publisher import Publisher

LETTERS_PER_ROUND = 500


class Reject(NamedTuple):
    row_number: int
    line_number: int
    code: RowCode
    field: str | None
    message: str
    cells: Sequence[str]


# A conflict is a delivery of the same chunk that was faster: its ledger entry, which is looked at next, decides.
_STORE = text("""
    INSERT INTO rejected_rows (upload_id, row_number, line_number, code, field, message, cells)
    SELECT :upload_id, row_number, line_number, code, field, message, CAST(cells AS jsonb)
    FROM unnest(CAST(:row_numbers AS bigint[]), CAST(:line_numbers AS bigint[]), CAST(:codes AS text[]),
                CAST(:fields AS text[]), CAST(:messages AS text[]), CAST(:cells AS text[]))
         AS reject (row_number, line_number, code, field, message, cells)
    ON CONFLICT DO NOTHING
""")

_UNPUBLISHED_OF_RANGE = text("""
    SELECT upload_id, row_number, line_number, attempt, code, field, message, CAST(cells AS text)
    FROM rejected_rows
    WHERE upload_id = :upload_id AND row_number BETWEEN :first_row AND :last_row
      AND published_at IS NULL AND discarded_at IS NULL
    ORDER BY row_number
""")

_UNPUBLISHED_FOR_LONG = text("""
    SELECT upload_id, row_number, line_number, attempt, code, field, message, CAST(cells AS text)
    FROM rejected_rows
    WHERE published_at IS NULL AND discarded_at IS NULL AND dead_at < now() - make_interval(secs => :seconds)
    ORDER BY dead_at LIMIT :limit FOR UPDATE SKIP LOCKED
""")

# The range besides the numbers: its rows are read through the index whatever plan a session made in an upload's first
# seconds, and keeps; with the numbers alone that plan may read all of its rejects. And without waiting for the disk: a
# mark that is lost publishes its letter once more, which does no harm.
MARK_PUBLISHED = text("""
    WITH unhurried AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
    UPDATE rejected_rows AS r SET published_at = now()
    FROM unhurried, unnest(CAST(:row_numbers AS bigint[]), CAST(:attempts AS int[])) AS letter (row_number, attempt)
    WHERE r.upload_id = :upload_id AND r.row_number BETWEEN :first_row AND :last_row
      AND r.row_number = letter.row_number AND r.attempt = letter.attempt
""")


async def store_rejects(connection: AsyncConnection, upload_id: uuid.UUID, rejects: Sequence[Reject]) -> None:
    """In the chunk's transaction. Cells are made storable: neither `jsonb` nor JSON takes NUL or lone surrogates."""
    if not rejects:
        return
    await connection.execute(
        _STORE,
        {
            "upload_id": upload_id,
            "row_numbers": [reject.row_number for reject in rejects],
            "line_numbers": [reject.line_number for reject in rejects],
            "codes": [str(reject.code) for reject in rejects],
            "fields": [reject.field for reject in rejects],
            "messages": [reject.message for reject in rejects],
            "cells": [msgspec.json.encode(storable(reject.cells)).decode() for reject in rejects],
        },
    )


def first_letters(upload_id: uuid.UUID, rejects: Sequence[Reject]) -> list[DeadLetter]:
    """The letters of rejects that were stored just now."""
    return [
        DeadLetter(
            upload_id=upload_id,
            row_number=reject.row_number,
            line_number=reject.line_number,
            attempt=1,
            code=str(reject.code),
            field=reject.field,
            message=reject.message,
            cells=storable(reject.cells),
        )
        for reject in rejects
    ]


async def unpublished_letters(
    connection: AsyncConnection, upload_id: uuid.UUID, first_row: int, last_row: int
) -> list[DeadLetter]:
    """The letters of these rows that no broker has confirmed yet."""
    rows = await connection.execute(
        _UNPUBLISHED_OF_RANGE, {"upload_id": upload_id, "first_row": first_row, "last_row": last_row}
    )
    return [_letter(row) for row in rows.all()]


async def publish_letters(engine: AsyncEngine, publisher: Publisher, letters: Iterable[DeadLetter]) -> None:
    """Publish, then mark. A crash in between publishes a letter twice; its message id shows that it is the same.

    Raises `BrokerUnavailable` or a database error: the caller tries all of them again.
    """
    waiting = list(letters)
    for start in range(0, len(waiting), LETTERS_PER_ROUND):
        batch = waiting[start : start + LETTERS_PER_ROUND]
        await _publish(publisher, batch)
        async with engine.connect() as plain:
            await mark_published(await plain.execution_options(isolation_level="AUTOCOMMIT"), batch)


async def publish_forgotten_letters(engine: AsyncEngine, publisher: Publisher, *, older_than_seconds: float) -> int:
    """Publish what a crash left stored but unpublished, where no redelivery came to do it (its queue was deleted).

    Returns how many; locked rows are another consumer's.
    """
    async with engine.begin() as connection:
        rows = await connection.execute(
            _UNPUBLISHED_FOR_LONG, {"seconds": older_than_seconds, "limit": LETTERS_PER_ROUND}
        )
        letters = [_letter(row) for row in rows.all()]
        await _publish(publisher, letters)
        await mark_published(connection, letters)
    return len(letters)


async def mark_published(connection: AsyncConnection, letters: Sequence[DeadLetter]) -> None:
    """The letters of these attempts are confirmed by the broker."""
    for upload_id in {letter.upload_id for letter in letters}:
        of_upload = [letter for letter in letters if letter.upload_id == upload_id]
        row_numbers = [letter.row_number for letter in of_upload]
        await connection.execute(
            MARK_PUBLISHED,
            {
                "upload_id": upload_id,
                "first_row": min(row_numbers),
                "last_row": max(row_numbers),
                "row_numbers": row_numbers,
                "attempts": [letter.attempt for letter in of_upload],
            },
        )


async def _publish(publisher: Publisher, letters: Sequence[DeadLetter]) -> None:
    messages = [
        outgoing(encode(letter), message_id=letter.message_id, correlation_id=letter.message_id) for letter in letters
    ]
    await publisher.publish_all(DEAD_LETTERS_EXCHANGE, ROW_KEY, messages)


def _letter(row: Sequence[Any]) -> DeadLetter:
    upload_id, row_number, line_number, attempt, code, field, message, cells = row
    return DeadLetter(
        upload_id=upload_id,
        row_number=row_number,
        line_number=line_number,
        attempt=attempt,
        code=code,
        field=field,
        message=message,
        cells=msgspec.json.decode(cells, type=list[str]),
    )
