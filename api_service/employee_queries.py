"""Every query on employees: one page of them, one of them, and their deletion."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from pydantic import Field
from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from api_service.employee_search import EXACT_MATCHES, estimate_matches, find_ids, find_rare_matches, walk_matches
from api_service.json_model import JsonModel
from api_service.pagination import Total
from api_service.search_term import SearchTerm
from shared.database.tables import TOTAL_SLOTS

# About a second's work.
WALK_ROWS: Final = 1_000_000


class Employee(JsonModel):
    """An accepted row."""

    id: int
    employee_name: str = Field(alias="employee_name", examples=["Asha Rao"])
    company_name: str = Field(alias="company_name", examples=["Acme Ltd"])
    mobile_no: str = Field(alias="mobile_no", examples=["+919876543210"])
    email: str = Field(examples=["asha.rao@example.com"])
    upload_id: UUID | None = Field(description="The upload it came from; null when that was deleted.")
    created_at: datetime
    updated_at: datetime


class EmployeePage(NamedTuple):
    """Up to one employee more than the limit. `resume_after` is set when the search was cut short before."""

    employees: Sequence[Employee]
    total: Total
    resume_after: int | None = None


class PageTooDeep(Exception):
    """So many matches lie before the page that counting them off is too much work; a cursor gets there."""


async def list_employees(
    connection: AsyncConnection, term: SearchTerm | None, *, after: int | None, offset: int, limit: int
) -> EmployeePage:
    """The employees that match, in the order of their ids. Raises `PageTooDeep`."""
    employees = await count_employees(connection)
    if term is None:
        ids = await find_ids(connection, after=after or 0, offset=offset, limit=limit + 1)
        return EmployeePage(await fetch_employees(connection, ids), Total(employees))
    estimate = await estimate_matches(connection, term)
    matches = await find_rare_matches(connection, term, estimate=estimate, employees=employees)
    if matches is not None:
        first = offset if after is None else bisect_right(matches, after)
        page = await fetch_employees(connection, matches[first : first + limit + 1])
        return EmployeePage(page, Total(len(matches)))
    walk = await walk_matches(connection, term, after=after or 0, offset=offset, limit=limit + 1, rows=WALK_ROWS)
    if offset and not walk.ids and walk.resume_after is not None:
        raise PageTooDeep
    total = Total(max(estimate, EXACT_MATCHES + 1), is_estimate=True)
    return EmployeePage(await fetch_employees(connection, walk.ids), total, walk.resume_after)


async def fetch_employees(connection: AsyncConnection, ids: Sequence[int]) -> Sequence[Employee]:
    """Those with these ids, in the order of their ids."""
    return [Employee.model_validate(dict(row)) for row in await fetch_rows(connection, ids)]


async def fetch_rows(connection: AsyncConnection, ids: Sequence[int]) -> Sequence[RowMapping]:
    """The same, as they come."""
    found = await connection.execute(
        text("""
            SELECT employees.id, employee_name, company_name, mobile_no, email, uploads.id AS upload_id,
                   employees.created_at, employees.updated_at
            FROM employees LEFT JOIN uploads ON uploads.sequence = employees.upload_sequence
            WHERE employees.id = ANY(:ids)
            ORDER BY employees.id
        """),
        {"ids": list(ids)},
    )
    return found.mappings().all()


async def count_employees(connection: AsyncConnection) -> int:
    """Exact: every transaction that adds or deletes employees keeps it."""
    return int((await connection.execute(text("SELECT sum(total) FROM employee_totals"))).scalar_one())


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
