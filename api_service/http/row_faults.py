"""What is wrong with a rejected row, as an upload's report and the dead letters both show it."""

from __future__ import annotations

import json
from typing import Any

from pydantic import Field
from sqlalchemy import Row

from api_service.http.json_model import JsonModel


class RowFaultDocument(JsonModel):
    """One of the things that are wrong with a row."""

    code: str = Field(examples=["invalid_email"])
    field: str | None = Field(examples=["email"])
    message: str = Field(examples=["email has no @: write it as in name@example.com."])


def row_faults(row: Row[Any]) -> list[RowFaultDocument]:
    """All of them, of a row with the columns `code`, `field`, `message` and `other_faults`."""
    first = RowFaultDocument(code=row.code, field=row.field, message=row.message)
    others = json.loads(row.other_faults) if isinstance(row.other_faults, str) else row.other_faults
    return [first, *(RowFaultDocument(**fault) for fault in others or ())]
