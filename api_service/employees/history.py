"""What an employee was before uploads replaced it, for as long as those can be undone."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from pydantic import Field, create_model
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from api_service.employees.documents import employee_values
from api_service.http.json_model import JsonModel
from shared.rows.fields import FIELDS

# Each upload of a day for three months; of more the oldest are left out.
MOST_VERSIONS: Final = 100

_NOW: Final = text("SELECT row_number FROM employees WHERE id = :id")

# From what it stands as back to what was inserted (docs/architecture.md, "Undo").
_CHAIN: Final = text("""
    WITH RECURSIVE chain AS (
        SELECT r.*, 1 AS place
        FROM employees AS e
        JOIN replaced_employees AS r ON r.upload_sequence = e.upload_sequence AND r.employee_id = e.id
        WHERE e.id = :id
        UNION ALL
        SELECT r.*, c.place + 1
        FROM chain AS c
        JOIN replaced_employees AS r ON r.upload_sequence = c.replaced_sequence AND r.employee_id = c.employee_id
        WHERE c.place < :most
    )
    SELECT CAST(c.employee AS text) AS employee, c.replaced_row, u.id AS upload_id
    FROM chain AS c LEFT JOIN uploads AS u ON u.sequence = c.replaced_sequence
    WHERE c.employee IS NOT NULL ORDER BY c.place
""")

_NULLABLE: Final = {field.name: field.is_nullable for field in FIELDS}
_VersionValues = create_model("_VersionValues", __base__=JsonModel, **dict(employee_values()))


class EmployeeVersion(_VersionValues):
    """An employee as it was, until an upload replaced it."""

    upload_id: UUID | None = Field(description="The upload that it came from; null when that was deleted.")
    row_number: int | None = Field(description="Of that upload's file; null where it marked who has left.")
    updated_at: datetime = Field(description="When it became so.")
    left_at: datetime | None


class EmployeeHistory(JsonModel):
    """Earlier versions of an employee, the latest first, without what it is now."""

    row_number: int | None = Field(
        description="The row of its upload's file that the employee stands as now; null where that marked who has left."
    )
    data: list[EmployeeVersion]


async def read_history(connection: AsyncConnection, employee_id: int) -> EmployeeHistory | None:
    """None if there is no such employee."""
    now = (await connection.execute(_NOW, {"id": employee_id})).one_or_none()
    if now is None:
        return None
    rows = (await connection.execute(_CHAIN, {"id": employee_id, "most": MOST_VERSIONS})).all()
    return EmployeeHistory(row_number=_row_of_file(now.row_number), data=[_version(row) for row in rows])


def _row_of_file(number: int) -> int | None:
    """What marked who has left counts from 0 downwards."""
    return number if number > 0 else None


def _version(row: Row[Any]) -> EmployeeVersion:
    was: dict[str, Any] = json.loads(row.employee)
    # What was kept before there was a field has none of it.
    values = {name: was.get(name) or ("" if not is_nullable else None) for name, is_nullable in _NULLABLE.items()}
    return EmployeeVersion.model_validate(
        {
            **values,
            "upload_id": row.upload_id,
            "row_number": _row_of_file(row.replaced_row),
            "updated_at": was["updated_at"],
            "left_at": was.get("left_at"),
        }
    )
