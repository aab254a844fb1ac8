"""Drops the letters whose rows have moved on: the tables are the truth, and the queue is turned once to match them.

One turn at a time in the whole system. It is opened before the tables are read: each letter in it was published before
that, and its row committed before it was published. So a letter without an outstanding row has none any more.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api_service.dead_letters.queries import count_published, outstanding_among
from api_service.dead_letters.rotation import open_rotation
from shared.amqp.connection import BrokerUnavailable
from shared.amqp.queue_depths import read_depth
from shared.amqp.topology import DEAD_LETTERS_QUEUE
from shared.database import advisory_locks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from shared.amqp.publisher import Publisher
    from shared.dead_letters.identity import Letter
    from shared.service.settings import SharedSettings


async def drop_stale_letters(engine: AsyncEngine, publisher: Publisher, settings: SharedSettings) -> bool | None:
    """None if by their number there are none, False if another process is at it. Raises `BrokerUnavailable`."""
    depth = await read_depth(settings, DEAD_LETTERS_QUEUE)
    if depth is None:
        raise BrokerUnavailable("the broker does not say how many dead letters it has")
    # Asked before the lock is taken: with nothing to do it must not stand in anybody's way.
    async with engine.connect() as connection:
        if depth <= await count_published(connection):
            return None
    return await turn_queue(engine, publisher, settings)


async def turn_queue(
    engine: AsyncEngine,
    publisher: Publisher,
    settings: SharedSettings,
    *,
    still_mine: Callable[[], Awaitable[object]] | None = None,
) -> bool:
    """Keep the letters with an outstanding row, once each. False if another process is at it.

    `still_mine` is asked at each batch, and ends it by raising. Raises `BrokerUnavailable`.
    """
    async with dead_letters_locked(engine) as connection:
        if connection is None:
            return False
        async with open_rotation(settings, publisher) as rotation:

            async def keep(letters: Sequence[Letter]) -> set[Letter]:
                if still_mine is not None:
                    await still_mine()
                rows, malformed = await outstanding_among(connection, letters)
                return malformed | {row.letter for row in rows}

            await rotation.run(keep)
    return True


@contextlib.asynccontextmanager
async def dead_letters_locked(engine: AsyncEngine) -> AsyncIterator[AsyncConnection | None]:
    """A connection that holds the lock; None if another one does."""
    # In autocommit, or turning the queue would count as idling in a transaction.
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        if not (await connection.execute(select(func.pg_try_advisory_lock(advisory_locks.DEAD_LETTERS)))).scalar_one():
            yield None
            return
        try:
            yield connection
        finally:
            try:
                await connection.execute(select(func.pg_advisory_unlock(advisory_locks.DEAD_LETTERS)))
            except BaseException:  # a cancel too
                # Back in the pool, still holding the lock, it would keep everybody out.
                await connection.invalidate()
                raise
