"""What the pipeline left in the database, as tests ask for it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import NamedTuple

import asyncpg

from consumer_service.dead_letters import UnpublishedLetters
from shared.messages import DeadLetterMessage
from shared.rows.fields import FIELD_NAMES


class Counts(NamedTuple):
    rows: int
    inserted: int
    updated: int
    duplicates: int
    rejected: int


async def employees(database: asyncpg.Connection, domain: str = "") -> dict[str, tuple[str | None, ...]]:
    """All fields by email in lower case; only emails that end in `domain`."""
    found = await database.fetch(
        f"SELECT {', '.join(FIELD_NAMES)} FROM employees WHERE right(email, $2) = $1",
        domain,
        len(domain),
    )
    by_email = {each["email"].lower(): tuple(each) for each in found}
    assert len(by_email) == len(found), "two employees share an email"
    return by_email


async def ledger_counts(database: asyncpg.Connection, upload_id: uuid.UUID) -> Counts:
    """Summed over the upload's chunks."""
    sums = await database.fetchrow(
        "SELECT sum(row_count), sum(inserted), sum(updated), sum(duplicates), sum(rejected) FROM upload_chunks"
        " WHERE upload_id = $1",
        upload_id,
    )
    assert sums is not None
    return Counts(*(int(each or 0) for each in sums))


async def fates(database: asyncpg.Connection, upload_id: uuid.UUID) -> dict[int, str]:
    """What became of each row of the upload's chunks, as the ledger notes it."""
    found = await database.fetch(
        """
        WITH displaced AS (
            SELECT unnest(displaced_rows) AS row_number FROM upload_chunks WHERE upload_id = $1
        )
        SELECT first_row + n AS row_number,
               CASE WHEN EXISTS (SELECT FROM rejected_rows AS r
                                 WHERE r.upload_id = $1 AND r.row_number = first_row + n) THEN 'rejected'
                    WHEN get_bit(duplicate_bits, n) = 1
                      OR first_row + n IN (SELECT row_number FROM displaced) THEN 'duplicate'
                    WHEN get_bit(updated_bits, n) = 1 THEN 'updated'
                    ELSE 'inserted' END AS fate
        FROM upload_chunks, generate_series(0, row_count - 1) AS n
        WHERE upload_id = $1 ORDER BY 1
        """,
        upload_id,
    )
    unknown = "SELECT count(*) FROM upload_chunks WHERE noted_rows IS DISTINCT FROM row_count - rejected"
    assert await database.fetchval(unknown) == 0, "a chunk with rows that nobody noted"
    return {each["row_number"]: each["fate"] for each in found}


async def counted_employees(database: asyncpg.Connection) -> tuple[int, int]:
    """What the counters say, and what is there."""
    row = await database.fetchrow("SELECT (SELECT sum(total) FROM employee_totals), (SELECT count(*) FROM employees)")
    assert row is not None
    return int(row[0]), int(row[1])


async def rejects(database: asyncpg.Connection, upload_id: uuid.UUID) -> list[asyncpg.Record]:
    """In file order."""
    return await database.fetch("SELECT * FROM rejected_rows WHERE upload_id = $1 ORDER BY row_number", upload_id)


async def count_unpublished(database: asyncpg.Connection) -> int:
    """Entries of the outbox: rejects whose letters no broker has confirmed."""
    count: int = await database.fetchval("SELECT count(*) FROM unpublished_letters")
    return count


async def count(database: asyncpg.Connection, table: str) -> int:
    number: int = await database.fetchval(f"SELECT count(*) FROM {table}")
    return number


async def codes(database: asyncpg.Connection, upload_id: uuid.UUID) -> dict[int, str]:
    """The code of each rejected row."""
    return {each["row_number"]: each["code"] for each in await rejects(database, upload_id)}


async def upload(database: asyncpg.Connection, upload_id: uuid.UUID) -> asyncpg.Record:
    found = await database.fetchrow("SELECT * FROM uploads WHERE id = $1", upload_id)
    assert found is not None
    return found


async def status(database: asyncpg.Connection, upload_id: uuid.UUID) -> str:
    return str(await database.fetchval("SELECT status FROM uploads WHERE id = $1", upload_id))


def letters(unpublished: Sequence[UnpublishedLetters]) -> list[DeadLetterMessage]:
    """What a handler gave back to be published."""
    return [letter for entry in unpublished for letter in entry.letters]
