"""An employee as the API describes it, and its deletion."""

from __future__ import annotations

import random
from datetime import datetime
from uuid import UUID

from pydantic import Field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from api_service.http.json_model import JsonModel
from shared.database.tables import TOTAL_SLOTS


class Employee(JsonModel):
    """An accepted row. The listing answers with rows of this form as the database gives them, not with these."""

    id: int
    employee_name: str = Field(alias="employee_name", examples=["Asha Rao"])
    company_name: str = Field(alias="company_name", examples=["Acme Ltd"])
    mobile_no: str = Field(alias="mobile_no", examples=["+919876543210"])
    email: str = Field(examples=["asha.rao@example.com"])
    upload_id: UUID | None = Field(description="The upload it came from; null when that was deleted.")
    created_at: datetime
    updated_at: datetime


async def delete_employee(connection: AsyncConnection, employee_id: int) -> bool:
    """Whether there was one. The counts of its upload stay: they say what became of the file's rows."""
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
