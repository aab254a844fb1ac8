"""All employees that a term matches, as CSV, in batches that hold neither memory nor a connection between them."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from typing import Concatenate, Final, ParamSpec, TypeVar

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api_service.employee_queries import count_employees, fetch_rows
from api_service.employee_search import estimate_matches, find_ids, find_rare_matches, walk_matches
from api_service.search_term import SearchTerm
from shared.rows.formula import escape_formula

COLUMNS: Final = (
    "id",
    "employee_name",
    "company_name",
    "mobile_no",
    "email",
    "upload_id",
    "created_at",
    "updated_at",
)
BATCH_ROWS: Final = 2000
# What one batch may look at for the matches of a common term.
WALK_ROWS: Final = 100_000

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


async def export_csv(engine: AsyncEngine, term: SearchTerm | None) -> AsyncIterator[bytes]:
    """The header, then a block of lines a batch, in the order of ids.

    Who is added or deleted meanwhile may be in it or not; everybody else is, once.
    """
    yield _lines([COLUMNS])
    async for batch in _batches(engine, term):
        yield _lines([_cells(employee) for employee in batch])


async def _batches(engine: AsyncEngine, term: SearchTerm | None) -> AsyncIterator[Sequence[RowMapping]]:
    matches = await _on_a_connection(engine, _find_rare, term) if term is not None else None
    if matches is not None:
        for start in range(0, len(matches), BATCH_ROWS):
            yield await _on_a_connection(engine, fetch_rows, matches[start : start + BATCH_ROWS])
        return
    after: int | None = 0
    while after is not None:
        batch, after = await _on_a_connection(engine, _next_batch, term, after)
        yield batch


async def _find_rare(connection: AsyncConnection, term: SearchTerm) -> Sequence[int] | None:
    estimate = await estimate_matches(connection, term)
    return await find_rare_matches(connection, term, estimate=estimate, employees=await count_employees(connection))


async def _next_batch(
    connection: AsyncConnection, term: SearchTerm | None, after: int
) -> tuple[Sequence[RowMapping], int | None]:
    """With the id to go on after: None at the end."""
    if term is None:
        ids, unseen_after = await find_ids(connection, after=after, offset=0, limit=BATCH_ROWS), None
    else:
        ids, unseen_after = await walk_matches(
            connection, term, after=after, offset=0, limit=BATCH_ROWS, rows=WALK_ROWS
        )
    batch = await fetch_rows(connection, ids)
    return batch, ids[-1] if len(ids) == BATCH_ROWS else unseen_after


async def _on_a_connection(
    engine: AsyncEngine,
    query: Callable[Concatenate[AsyncConnection, Arguments], Awaitable[Result]],
    *arguments: Arguments.args,
    **keywords: Arguments.kwargs,
) -> Result:
    """Run it on a connection of its own, to its end even when the client has gone.

    A task that is cancelled within a query can take the connection with it.
    """

    async def run() -> Result:
        async with engine.connect() as connection:
            return await query(connection, *arguments, **keywords)

    return await asyncio.shield(asyncio.create_task(run()))


def _cells(employee: RowMapping) -> list[str]:
    values = (employee[column] for column in COLUMNS)
    return [escape_formula(value) if isinstance(value, str) else _plain(value) for value in values]


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return "" if value is None else str(value)


def _lines(rows: Sequence[Sequence[str]]) -> bytes:
    block = io.StringIO()
    csv.writer(block).writerows(rows)
    return block.getvalue().encode()
