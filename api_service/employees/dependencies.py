"""Gives routes the listing of employees that the application holds open."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from api_service.employees.listing import EmployeeListing


async def _employee_listing(request: Request) -> EmployeeListing:
    listing: EmployeeListing = request.app.state.employee_listing
    return listing


EmployeeListingDep = Annotated[EmployeeListing, Depends(_employee_listing)]
