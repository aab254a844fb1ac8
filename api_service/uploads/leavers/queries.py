"""The statement on leavers. Nothing here commits."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.tables import employees, leavers


async def list_leavers(
    connection: AsyncConnection, upload_id: uuid.UUID, *, after_number: int, offset: int, limit: int
) -> Sequence[Row[Any]]:
    """In the order of their ids, also if they came back since."""
    query: Select[Any] = (
        select(leavers.c.number, leavers.c.employee_id, employees.c.employee_name, employees.c.email)
        .outerjoin(employees, employees.c.id == leavers.c.employee_id)
        .where(leavers.c.upload_id == upload_id, leavers.c.number > after_number)
        .order_by(leavers.c.number)
        .offset(offset)
        .limit(limit)
    )
    rows: Sequence[Row[Any]] = (await connection.execute(query)).all()
    return rows
