"""The audit's table: entries go in, and are read; nothing changes one (a trigger refuses it)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.advisory_locks import AUDIT
from shared.database.tables import audit_entries


async def insert_entry(connection: AsyncConnection, entry: dict[str, Any]) -> None:
    # One at a time up to its commit, so that no id appears below one that somebody has read already.
    await connection.execute(select(func.pg_advisory_xact_lock(AUDIT)))
    await connection.execute(insert(audit_entries).values(entry))


async def list_entries(
    connection: AsyncConnection, *, action: str | None, caller: str | None, before: int | None, offset: int, limit: int
) -> Sequence[Row[Any]]:
    """Newest first."""
    query = select(audit_entries).where(*_chosen(action, caller)).order_by(audit_entries.c.id.desc())
    if before is not None:
        query = query.where(audit_entries.c.id < before)
    return (await connection.execute(query.offset(offset).limit(limit))).all()


async def count_entries(connection: AsyncConnection, *, action: str | None, caller: str | None) -> int:
    query = select(func.count()).select_from(audit_entries).where(*_chosen(action, caller))
    return (await connection.execute(query)).scalar_one()


async def entries_after(connection: AsyncConnection, *, after: int, limit: int) -> Sequence[Row[Any]]:
    """Oldest first. Who goes on after the last one misses none: ids are committed in their order."""
    query = select(audit_entries).where(audit_entries.c.id > after).order_by(audit_entries.c.id).limit(limit)
    return (await connection.execute(query)).all()


def _chosen(action: str | None, caller: str | None) -> list[ColumnElement[bool]]:
    wanted = ((audit_entries.c.action, action), (audit_entries.c.caller, caller))
    return [column == value for column, value in wanted if value is not None]
