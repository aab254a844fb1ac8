"""An employee as the API describes it, and its deletion."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field, create_model
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from api_service.http.json_model import JsonModel
from shared.database.tables import TOTAL_SLOTS
from shared.rows.fields import FIELDS


def employee_values() -> Iterator[tuple[str, Any]]:
    """The fields that people declare, for `create_model`."""
    for field in FIELDS:
        kind = str | None if field.is_nullable else str
        yield field.name, (kind, Field(alias=field.name, examples=[field.stored_example]))


_EmployeeValues = create_model("_EmployeeValues", __base__=JsonModel, id=(int, ...), **dict(employee_values()))


class EmployeeDocument(_EmployeeValues):
    """An accepted row. The listing answers with rows of this form as the database gives them, not with these."""

    upload_id: UUID | None = Field(description="The upload it came from; null when that was deleted.")
    created_at: datetime
    updated_at: datetime
    left_at: datetime | None = Field(
        description="When an upload with `absent=deactivate` did not name them; null: they are there."
    )


async def delete_employee(connection: AsyncConnection, employee_id: int) -> bool:
    """True if there was one. The counts of its upload stay, because they say what became of the file's rows."""
    deleted = await connection.execute(
        text("""
            WITH deleted AS (DELETE FROM employees WHERE id = :id RETURNING id)
            UPDATE employee_totals SET total = total - 1
            WHERE slot = :slot AND EXISTS (SELECT FROM deleted)
            RETURNING slot
        """),
        {"id": employee_id, "slot": random.randrange(TOTAL_SLOTS)},  # noqa: S311 - any slot will do, only the sum counts
    )
    return deleted.first() is not None
