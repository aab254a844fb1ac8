"""How much the keys of one name may have stored: the bytes of uploads' files, and the rows that were read of them.

Invariant: no upload is accepted with which the files of its sender would be larger than their share. What is stored is
added up in the transaction that accepts the upload, and those of one name come one after the other, in all replicas.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api_service.http.problems import Problem, ProblemCode
from api_service.settings import ApiSettings
from shared.database.advisory_locks import STORED_SHARES

# Nobody has to look sooner, whatever the retention says: its sweep comes in intervals.
LEAST_WAIT_SECONDS: Final = 60

_TAKE_TURN: Final = text("SELECT pg_advisory_xact_lock(:number, hashtext(:name))")
_STORED: Final = text("""
    SELECT coalesce(sum(byte_count + coalesce(original_bytes, 0)), 0)::bigint AS bytes,
           coalesce(sum(rows_read), 0)::bigint AS rows,
           extract(epoch FROM min(finished_at) + CAST(:kept_for AS interval) - now()) AS seconds
    FROM uploads WHERE uploaded_by = :name AND file_deleted_at IS NULL
""")


class Stored(NamedTuple):
    """Of the uploads whose files are there. `seconds` until the oldest's time is over; None: none has ended yet."""

    bytes: int
    rows: int
    seconds: float | None


class StoredShare:
    """Asks nothing of the database where there is no limit, nor of callers without a name: authentication is off."""

    def __init__(self, settings: ApiSettings) -> None:
        self._most_bytes = settings.key_stored_bytes
        self._most_rows = settings.key_stored_rows
        self._kept_for = timedelta(days=settings.file_retention_days)

    async def require_room(self, engine: AsyncEngine, name: str | None) -> None:
        """Before a file is read: whether there is room for any. Raises `too_much_stored`."""
        if name is None or not self._is_limited:
            return
        async with engine.connect() as connection:
            stored = await self._stored(connection, name)
        if self._most_bytes is not None and stored.bytes >= self._most_bytes:
            raise _no_room("bytes", self._most_bytes, stored)
        self._require_rows(stored)

    async def take_turn(self, connection: AsyncConnection, name: str | None) -> None:
        """Others of this name wait until the transaction ends."""
        if name is not None and self._is_limited:
            await connection.execute(_TAKE_TURN, {"number": STORED_SHARES, "name": name})

    async def require_fits(self, connection: AsyncConnection, name: str | None) -> None:
        """After the turn was taken, with the upload in its place already. Raises `too_much_stored`."""
        if name is None or not self._is_limited:
            return
        stored = await self._stored(connection, name)
        if self._most_bytes is not None and stored.bytes > self._most_bytes:
            raise _no_room("bytes", self._most_bytes, stored)
        self._require_rows(stored)

    @property
    def _is_limited(self) -> bool:
        return self._most_bytes is not None or self._most_rows is not None

    def _require_rows(self, stored: Stored) -> None:
        # How many a new file has is known once it is read.
        if self._most_rows is not None and stored.rows >= self._most_rows:
            raise _no_room("rows", self._most_rows, stored)

    async def _stored(self, connection: AsyncConnection, name: str) -> Stored:
        return Stored(*(await connection.execute(_STORED, {"name": name, "kept_for": self._kept_for})).one())


def _no_room(what: str, most: int, stored: Stored) -> Problem:
    """With the headers of the IETF's draft on rate limits."""
    seconds = max(LEAST_WAIT_SECONDS, math.ceil(stored.seconds or 0))
    return Problem(
        ProblemCode.TOO_MUCH_STORED,
        f"Keys of this name may have {most} {what} in uploads whose files are kept. Delete an upload that is no longer "
        "needed, or wait until the oldest file's time is over.",
        headers={
            "Retry-After": str(seconds),
            "RateLimit-Policy": f'"stored-{what}";q={most}',
            "RateLimit": f'"stored-{what}";r=0;t={seconds}',
        },
    )
