"""Gives routes the runner of this process by type."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request

from api_service.dead_letters.job_runner import JobRunner


async def _job_runner(request: Request) -> JobRunner:
    return cast("JobRunner", request.app.state.dead_letter_jobs)


JobRunnerDep = Annotated[JobRunner, Depends(_job_runner)]
