"""Gives routes by type what corrects rows in this process."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request

from api_service.uploads.corrections.runner import CorrectionRunner


async def _runner(request: Request) -> CorrectionRunner:
    return cast("CorrectionRunner", request.app.state.corrections)


CorrectionRunnerDep = Annotated[CorrectionRunner, Depends(_runner)]
