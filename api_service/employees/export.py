"""All employees that a term matches, as CSV, in batches that hold neither memory nor a connection between them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Final

from api_service.employees.listing import EmployeeListing, ListedEmployee
from api_service.employees.search_term import SearchTerm
from api_service.http.csv_download import csv_lines
from shared.rows.fields import FIELD_NAMES

# The header, and what the listing calls each.
COLUMNS: Final = {
    "id": "id",
    **{name: name for name in FIELD_NAMES},
    "upload_id": "uploadId",
    "created_at": "createdAt",
    "updated_at": "updatedAt",
}
LEFT_COLUMNS: Final = {**COLUMNS, "left_at": "leftAt"}
BATCH_ROWS: Final = 1000
# One batch looks at no more employees for the matches of a common term, so that it never takes long.
WALK_ROWS: Final = 100_000


async def export_csv(
    listing: EmployeeListing, term: SearchTerm | None, *, with_left: bool = False
) -> AsyncIterator[bytes]:
    """The header and a block of lines a batch, in the order of ids.

    Who is added or deleted meanwhile may be in it or not; everybody else is, once.
    """
    columns = LEFT_COLUMNS if with_left else COLUMNS
    lines = csv_lines([list(columns)])
    after: int | None = 0
    while after is not None:
        page = await listing.page(term, limit=BATCH_ROWS, after=after, walk_rows=WALK_ROWS, with_left=with_left)
        lines += csv_lines([_cells(employee, columns) for employee in page.employees])
        after = page.employees[-1]["id"] if len(page.employees) == BATCH_ROWS else page.resume_after
        # Not held while the client reads.
        del page
        # The header goes out with the first batch: what fails in that one still fails before the first byte.
        yield lines
        lines = b""


def _cells(employee: ListedEmployee, columns: Mapping[str, str]) -> list[str]:
    values = (employee[name] for name in columns.values())
    return [_plain(value) for value in values]


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return "" if value is None else str(value)
