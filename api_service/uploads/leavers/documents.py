"""Employees whom an upload marked as left, as the API shows them."""

from typing import Any, Literal

from pydantic import Field
from sqlalchemy import Row

from api_service.http.json_model import JsonModel


class AbsenceDocument(JsonModel):
    """What an upload found of employees whom its file does not name."""

    in_scope: int = Field(description="Employees of the scope who were there before the upload.", examples=[1200])
    absent: int = Field(description="Those of them whom the file does not name.", examples=[17])
    at_most: int = Field(description="So many may be lacking, by `absentAtMost`.", examples=[120])
    unreadable_rows: int = Field(description="Rejected rows whose email cannot be read.", examples=[0])


class DeactivatedDocument(JsonModel):
    """An employee whom the file does not name. There is no row of it."""

    outcome: Literal["deactivated"] = "deactivated"
    employee_id: int = Field(examples=[4711])
    employee_name: str | None = Field(
        alias="employee_name", description="As it is by now; null if the employee was deleted.", examples=["Asha Rao"]
    )
    email: str | None = Field(description="As `employee_name`.", examples=["asha.rao@example.com"])


def deactivated_document(row: Row[Any]) -> DeactivatedDocument:
    return DeactivatedDocument(employee_id=row.employee_id, employee_name=row.employee_name, email=row.email)
