"""Redriving and deleting dead letters: the tables are the truth, and the queue is turned once to match them.

One at a time in the whole system. The rotation is opened before the tables are read: each letter in it was published
before that, and its row committed before it was published. So a row that was read as outstanding, and then redriven or
discarded, accounts for its letter.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api_service.dead_letters.queries import (
    MALFORMED_CODE,
    LetterFilter,
    LetterKey,
    OutstandingRow,
    count_matching_rows,
    count_outstanding,
    current_time,
    discard_malformed,
    discard_rows,
    outstanding_among,
    outstanding_rows_after,
)
from api_service.dead_letters.rotation import open_rotation
from api_service.http.problems import Problem, ProblemCode
from shared.amqp.connection import BrokerUnavailable
from shared.amqp.queue_depths import read_depth
from shared.amqp.topology import DEAD_LETTERS_QUEUE, REQUESTS_EXCHANGE, REQUESTS_QUEUE
from shared.database import advisory_locks
from shared.dead_letters.identity import Letter
from shared.messages import RedriveRequest, encode

if TYPE_CHECKING:
    from uuid import UUID

    from shared.amqp.publisher import Publisher
    from shared.service.settings import SharedSettings

log = structlog.get_logger(__name__)

BATCH_ROWS: Final = 5000
REDRIVE_ROWS: Final = 500


class RedriveCounts(NamedTuple):
    """Rows put back on the request queue, and rows that match and were left because of the limit."""

    redriven: int
    left: int


async def redrive_letters(
    engine: AsyncEngine, publisher: Publisher, settings: SharedSettings, matching: LetterFilter, limit: int | None
) -> RedriveCounts:
    """Put the oldest that match back on the request queue. Raises `BrokerUnavailable`, and `dead_letters_busy`.

    To do it again after an error is harmless: a row is only tried at the attempt that the request names.
    """
    async with _dead_letters_locked(engine) as connection, open_rotation(settings, publisher) as rotation:
        until = await current_time(connection)
        matched = await count_matching_rows(connection, matching, until=until)
        redriven, last = 0, None
        async for rows in _batches(connection, matching, until, limit):
            await _publish_requests(publisher, rows)
            redriven, last = redriven + len(rows), rows[-1].key

        async def keep(letters: Sequence[Letter]) -> set[Letter]:
            outstanding, malformed = await outstanding_among(connection, letters)
            return malformed | {row.letter for row in outstanding if not _was_redriven(row, matching, last)}

        await rotation.run(keep)
    log.info("dead letters redriven", rows=redriven)
    return RedriveCounts(redriven, max(0, matched - redriven))


async def delete_letters(
    engine: AsyncEngine, publisher: Publisher, settings: SharedSettings, matching: LetterFilter
) -> int:
    """Discard all that match, and say how many; they stay in their upload's report.

    Raises `BrokerUnavailable`, before anything is discarded if the broker is away by then; and `dead_letters_busy`.
    """
    async with _dead_letters_locked(engine) as connection, open_rotation(settings, publisher) as rotation:
        until = await current_time(connection)
        removed = 0
        async for rows in _batches(connection, matching, until, None):
            removed += await discard_rows(connection, rows)
        if matching.upload_id is None and matching.code in (None, MALFORMED_CODE):
            removed += await discard_malformed(connection, until=until)
        await rotation.run(partial(_outstanding_letters, connection))
    log.info("dead letters deleted", rows=removed)
    return removed


async def drop_stale_letters(engine: AsyncEngine, publisher: Publisher, settings: SharedSettings) -> bool:
    """Drop letters whose rows are deleted, purged or discarded. False if by their number there are none.

    Raises `BrokerUnavailable`, and `dead_letters_busy`.
    """
    depth = await read_depth(settings, DEAD_LETTERS_QUEUE)
    if depth is None:
        raise BrokerUnavailable("the broker does not say how many dead letters it has")
    # Asked before the lock is taken: with nothing to do it must not stand in anybody's way.
    async with engine.connect() as connection:
        if depth <= await count_outstanding(connection):
            return False
    async with _dead_letters_locked(engine) as connection, open_rotation(settings, publisher) as rotation:
        await rotation.run(partial(_outstanding_letters, connection))
    return True


async def _outstanding_letters(connection: AsyncConnection, letters: Sequence[Letter]) -> set[Letter]:
    outstanding, malformed = await outstanding_among(connection, letters)
    return malformed | {row.letter for row in outstanding}


async def _publish_requests(publisher: Publisher, rows: Sequence[OutstandingRow]) -> None:
    by_upload: dict[UUID, list[tuple[int, int]]] = defaultdict(list)
    for row in rows:
        by_upload[row.key.upload_id].append((row.key.row_number, row.attempt))
    requests = [
        RedriveRequest(upload_id=upload_id, rows=pairs[start : start + REDRIVE_ROWS])
        for upload_id, pairs in by_upload.items()
        for start in range(0, len(pairs), REDRIVE_ROWS)
    ]
    await asyncio.gather(
        *(publisher.publish(REQUESTS_EXCHANGE, REQUESTS_QUEUE, encode(request)) for request in requests)
    )


def _was_redriven(row: OutstandingRow, matching: LetterFilter, last: LetterKey | None) -> bool:
    """Rows are redriven in the order of their keys; one that is dead again already has a new key, past the last."""
    return last is not None and row.key <= last and matching.takes(row)


async def _batches(
    connection: AsyncConnection, matching: LetterFilter, until: datetime, limit: int | None
) -> AsyncIterator[Sequence[OutstandingRow]]:
    """Nothing that died after `until`: what is redriven here and fails again must not come round."""
    after: LetterKey | None = None
    left = limit
    while left is None or left > 0:
        most = BATCH_ROWS if left is None else min(left, BATCH_ROWS)
        rows = await outstanding_rows_after(connection, matching, after=after, until=until, limit=most)
        if rows:
            yield rows
            after = rows[-1].key
        if len(rows) < most:
            return
        left = None if left is None else left - len(rows)


@contextlib.asynccontextmanager
async def _dead_letters_locked(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection that holds the lock. Raises the problem `dead_letters_busy`."""
    # In autocommit, or turning the queue would count as idling in a transaction.
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        if not (await connection.execute(select(func.pg_try_advisory_lock(advisory_locks.DEAD_LETTERS)))).scalar_one():
            raise Problem(ProblemCode.DEAD_LETTERS_BUSY, "Try again when it has finished.")
        try:
            yield connection
        finally:
            try:
                await connection.execute(select(func.pg_advisory_unlock(advisory_locks.DEAD_LETTERS)))
            except BaseException:
                # Back in the pool, still holding the lock, it would keep everybody out.
                await connection.invalidate()
                raise
