"""Gives routes the runner of this process by type."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request

from api_service.erasures.runner import ErasureRunner


async def _erasure_runner(request: Request) -> ErasureRunner:
    return cast("ErasureRunner", request.app.state.erasures)


ErasureRunnerDep = Annotated[ErasureRunner, Depends(_erasure_runner)]
