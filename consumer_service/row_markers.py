"""Marks in careful mode which consumer works on which row, so that a row that kills consumers can be found.

A marker is committed before its row is touched and removed after, on a connection of its own. So a consumer that dies
leaves one marker, at the row on which it died; one that ends by itself takes its markers back.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from sqlalchemy import text

from shared.errors import RowHangs

if TYPE_CHECKING:
    import uuid

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

# A database that takes longer for a marker, its disk included, is not well.
HEALTHY_DATABASE_SECONDS = 5

_MARKED = text("""
    SELECT row_number, consumers FROM row_markers
    WHERE upload_id = :upload_id AND row_number BETWEEN :first_row AND :last_row
""")

_MARK = text("""
    INSERT INTO row_markers AS m (upload_id, row_number, consumers)
    VALUES (:upload_id, :row_number, ARRAY[CAST(:consumer AS uuid)])
    ON CONFLICT (upload_id, row_number) DO UPDATE SET
        consumers = array_append(array_remove(m.consumers, CAST(:consumer AS uuid)), CAST(:consumer AS uuid)),
        marked_at = now()
""")

_UNMARK = text("""
    DELETE FROM row_markers WHERE upload_id = :upload_id AND row_number BETWEEN :first_row AND :last_row
""")

# The two parts take different rows, because one statement cannot delete a row that it has updated.
_FORGET = text("""
    WITH alone AS (
        DELETE FROM row_markers WHERE consumers = ARRAY[CAST(:consumer AS uuid)]
    )
    UPDATE row_markers SET consumers = array_remove(consumers, CAST(:consumer AS uuid))
    WHERE consumers @> ARRAY[CAST(:consumer AS uuid)] AND consumers <> ARRAY[CAST(:consumer AS uuid)]
""")


class RowMarkers:
    """The markers of one delivery. `deaths` is the number of other consumers that died while they worked on a row."""

    def __init__(
        self, connection: AsyncConnection, upload_id: uuid.UUID, consumer: uuid.UUID, *, row_seconds: float
    ) -> None:
        self._connection = connection
        self._upload_id = upload_id
        self._consumer = consumer
        self._row_seconds = row_seconds
        self._deaths: dict[int, int] = {}

    async def load(self, first_row: int, last_row: int) -> None:
        marked = await self._connection.execute(
            _MARKED, {"upload_id": self._upload_id, "first_row": first_row, "last_row": last_row}
        )
        self._deaths = {
            row_number: len([consumer for consumer in consumers if consumer != self._consumer])
            for row_number, consumers in marked.all()
        }

    def deaths(self, row_number: int) -> int:
        return self._deaths.get(row_number, 0)

    async def mark(self, row_number: int) -> None:
        await self._connection.execute(
            _MARK, {"upload_id": self._upload_id, "row_number": row_number, "consumer": self._consumer}
        )

    @contextlib.asynccontextmanager
    async def marked(self, row_number: int) -> AsyncIterator[None]:
        """Work on a row under its marker, which stays if this process dies meanwhile.

        It stays too when the row takes too long: raises `RowHangs`. A database that is slow or silent for everybody is
        no row's fault, so the marker has to get to its disk first; if it does not, raises what that raised.
        """
        await self.mark(row_number)
        try:
            async with asyncio.timeout(self._row_seconds):
                yield
        except TimeoutError as error:
            async with asyncio.timeout(HEALTHY_DATABASE_SECONDS):
                await self._connection.execute(text("SET synchronous_commit = on"))
                await self.mark(row_number)
            raise RowHangs(f"a row took more than {self._row_seconds:g} s") from error
        await self.unmark(row_number, row_number)

    async def unmark(self, first_row: int, last_row: int) -> None:
        await self._connection.execute(
            _UNMARK, {"upload_id": self._upload_id, "first_row": first_row, "last_row": last_row}
        )


@contextlib.asynccontextmanager
async def open_markers(
    engine: AsyncEngine, upload_id: uuid.UUID, consumer: uuid.UUID, *, row_seconds: float
) -> AsyncIterator[RowMarkers]:
    """Open a second connection that commits each statement at once, without waiting for the disk.

    A marker has to survive this process, not the database server: one that a server loses costs one more crash.
    """
    async with engine.connect() as plain:
        connection = await plain.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("SET synchronous_commit = off"))
        try:
            yield RowMarkers(connection, upload_id, consumer, row_seconds=row_seconds)
        finally:
            await connection.execute(text("RESET synchronous_commit"))


async def forget_own_markers(engine: AsyncEngine, consumer: uuid.UUID) -> None:
    """Remove what a lost connection or a cancelled delivery has left: this consumer did not die at those rows."""
    async with engine.begin() as connection:
        await connection.execute(_FORGET, {"consumer": consumer})
