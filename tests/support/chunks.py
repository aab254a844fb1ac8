"""Chunks of employees as a producer sends them, made by hand."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence

from shared.messages import ChunkRequest, ReaderFault
from shared.rows.fields import FIELD_NAMES, FIELDS
from shared.rows.layout import layout_of_names

LAYOUT = layout_of_names(FIELD_NAMES)
CHUNK_BYTES = 100


def row(email: str, *, name: str = "Asha Rao", mobile: str = "9876543210") -> list[str]:
    known = {"employee_name": name, "company_name": "Initech", "mobile_no": mobile, "email": email}
    return [known.get(field.name, field.example) for field in FIELDS]


def rows(count: int, *, start: int = 1) -> list[list[str]]:
    """Valid rows, each with an email of its own."""
    return [row(f"person{number}@example.com") for number in range(start, start + count)]


BAD_EMAIL = row("nobody")
# At a cursed row the consumer fails with these failpoints.
RAISES = json.dumps({"consumer.row": {"action": "raise", "text": "9999999998"}})


def cursed(email: str) -> list[str]:
    """A row at which the consumer fails until it is mended; its dead letter says `internal_error`."""
    return row(email, mobile="9999999998")


def chunk(
    upload_id: uuid.UUID,
    cells: Sequence[list[str]],
    *,
    first_row: int = 1,
    faults: dict[int, ReaderFault] | None = None,
) -> ChunkRequest:
    """The header stands on line 1, and each row on one line."""
    return ChunkRequest(
        upload_id=upload_id,
        first_row=first_row,
        layout=LAYOUT,
        byte_count=CHUNK_BYTES,
        line_numbers=[first_row + index + 1 for index in range(len(cells))],
        rows=list(cells),
        faults=faults or {},
    )
