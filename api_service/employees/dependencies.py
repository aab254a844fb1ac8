"""Gives routes the listing of employees that the application holds open."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request

from api_service.employees.listing import EmployeeListing


async def _employee_listing(request: Request) -> EmployeeListing:
    return cast("EmployeeListing", request.app.state.employee_listing)


EmployeeListingDep = Annotated[EmployeeListing, Depends(_employee_listing)]
