"""Undos as the API shows them."""

import uuid
from typing import Any, Literal

from pydantic import Field
from sqlalchemy import Row

from api_service.http.json_model import JsonModel


class KeptRowDocument(JsonModel):
    """A row of an undone upload whose employee stays as it is."""

    outcome: Literal["kept"] = "kept"
    row_number: int | None = Field(
        description="Of the undone upload's file; null for somebody whom it did not name and had deactivated.",
        examples=[17],
    )
    employee_id: int = Field(examples=[4711])
    changed_by: uuid.UUID | None = Field(
        description="The upload that changed the employee since; null if that was deleted. The undone upload itself: "
        "the database did not take what stood before."
    )


def kept_row_document(row: Row[Any]) -> KeptRowDocument:
    row_number = row.row_number if row.row_number > 0 else None
    return KeptRowDocument(row_number=row_number, employee_id=row.employee_id, changed_by=row.changed_by)
