"""Gives routes the place where workbooks are read, of which the application has one."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request

from api_service.uploads.unpacking.workbooks import Workbooks


async def _workbooks(request: Request) -> Workbooks:
    return cast("Workbooks", request.app.state.workbooks)


WorkbooksDep = Annotated[Workbooks, Depends(_workbooks)]
