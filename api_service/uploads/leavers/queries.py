"""The statement on leavers, of an upload or of its preview. Nothing here commits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.tables import employees, leavers, preview_leavers


async def list_leavers(
    connection: AsyncConnection, upload: Row[Any], *, after_number: int, offset: int, limit: int
) -> Sequence[Row[Any]]:
    """In the order of their ids, also if they came back since."""
    table, is_of_it = (
        (leavers, leavers.c.upload_id == upload.id)
        if upload.preview_id is None
        else (preview_leavers, preview_leavers.c.preview_id == upload.preview_id)
    )
    query: Select[Any] = (
        select(table.c.number, table.c.employee_id, employees.c.employee_name, employees.c.email)
        .outerjoin(employees, employees.c.id == table.c.employee_id)
        .where(is_of_it, table.c.number > after_number)
        .order_by(table.c.number)
        .offset(offset)
        .limit(limit)
    )
    rows: Sequence[Row[Any]] = (await connection.execute(query)).all()
    return rows
