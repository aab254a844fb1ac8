"""Tells the file that kills its producer from those that were merely there when one died.

An upload whose holder died is suspected. While a chunk of a suspect is read, no other upload of the process is, and a
mark with the producer's name is committed before and taken back after it. So a mark that stays is of a producer that
died on this upload alone. Nothing is marked that waits for others: the broker, consumers, room in the window.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from producer_service.uploads import leases

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from producer_service.uploads.leases import Lease


class ReadingTurns:
    """The uploads of one process are read beside each other, and a suspect alone. Turns are short."""

    def __init__(self) -> None:
        self._entrance = asyncio.Lock()
        self._readers = 0
        self._nobody_reads = asyncio.Event()
        self._nobody_reads.set()

    @contextlib.asynccontextmanager
    async def beside_others(self) -> AsyncIterator[None]:
        async with self._entrance:
            self._readers += 1
            self._nobody_reads.clear()
        try:
            yield
        finally:
            self._readers -= 1
            if not self._readers:
                self._nobody_reads.set()

    @contextlib.asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Nobody enters from now on, and whoever is inside ends first."""
        async with self._entrance:
            await self._nobody_reads.wait()
            yield


class Trial:
    """Of one upload under one lease. It is over at once for an upload that nobody suspects."""

    def __init__(self, engine: AsyncEngine, turns: ReadingTurns, lease: Lease) -> None:
        self._engine = engine
        self._turns = turns
        self._lease = lease
        self.is_on = lease.is_suspected

    def beside_others(self) -> contextlib.AbstractAsyncContextManager[None]:
        """For a step that an earlier holder survived."""
        return self._turns.beside_others()

    @contextlib.asynccontextmanager
    async def own_work(self) -> AsyncIterator[None]:
        """For a step that waits for nobody else. Raises `LeaseLost`."""
        if not self.is_on:
            async with self.beside_others():
                yield
            return
        async with self._turns.alone():
            await self._mark()
            try:
                yield
            except BaseException:
                # It failed, or is to end, but lives.
                await self._unmark(is_survived=False)
                raise
            await self._unmark(is_survived=True)

    async def acquit(self) -> None:
        """A chunk was answered. The upload goes on beside the others."""
        async with self._engine.begin() as connection:
            await leases.acquit(connection, self._lease)
        self.is_on = False

    async def _mark(self) -> None:
        async with self._engine.begin() as connection:
            await leases.mark_trial(connection, self._lease)

    async def _unmark(self, *, is_survived: bool) -> None:
        async with self._engine.begin() as connection:
            await leases.unmark_trial(connection, self._lease, is_survived=is_survived)
