"""The routes `/livez`, `/readyz` and `/metrics`, which are alike in every service."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import structlog
from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest

from shared.errors import RollcallError
from shared.service.telemetry import reason_of

log = structlog.get_logger(__name__)

TASKS = Gauge("rollcall_tasks", "Tasks at work in the service's event loop")
CHECK_PASSED = Gauge(
    "rollcall_check_passed", "1 if the check of /readyz passes, else 0; every scrape runs them all.", ["check"]
)

CHECK_TIMEOUT_SECONDS = 3

# A check raises when the service cannot do its work. The text of a RollcallError is shown as the reason.
Check = Callable[[], Awaitable[object]]


def probe_router(
    checks: Mapping[str, Check], *, informative: Mapping[str, Check] | None = None, measures: Sequence[Check] = ()
) -> APIRouter:
    """Readiness fails when any of `checks` does; those of `informative` are only reported.

    `measures` set gauges before each scrape; one that fails costs its own gauges alone.
    """
    router = APIRouter(tags=["operations"])
    runner = _Checks(dict(checks) | dict(informative or {}))

    @router.get("/livez", summary="The process answers; nothing else is asked", operation_id="livez")
    async def livez() -> dict[str, str]:
        return {"status": "alive"}

    @router.get(
        "/readyz",
        summary="Whether the service can do its work, and what keeps it from it",
        operation_id="readyz",
        responses={503: {"description": "Not ready; the failed check says `failed`, and `reasons` why"}},
    )
    async def readyz() -> JSONResponse:
        failed = await runner.run()
        ready = not failed.keys() & checks.keys()
        body: dict[str, Any] = {
            "status": "ready" if ready else "not ready",
            "checks": {name: "failed" if name in failed else "ok" for name in runner.names},
        }
        if failed:
            body["reasons"] = failed
        return JSONResponse(body, status_code=200 if ready else 503)

    @router.get("/metrics", summary="Prometheus metrics", operation_id="metrics", response_class=Response)
    async def metrics() -> Response:
        # What they are told on their way goes into gauges too.
        await asyncio.gather(runner.run(), *(_run(measure) for measure in measures))
        TASKS.set(len(asyncio.all_tasks()))
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router


class _Checks:
    """Logs each change of a check's outcome, so that the log tells too what /readyz says, and since when."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self._failed: dict[str, str] = {}

    @property
    def names(self) -> list[str]:
        return list(self._checks)

    async def run(self) -> dict[str, str]:
        """Why each that failed did."""
        outcomes = await asyncio.gather(*(_run(check) for check in self._checks.values()))
        failed = {name: reason for name, reason in zip(self._checks, outcomes, strict=True) if reason is not None}
        for name in self._checks:
            CHECK_PASSED.labels(name).set(name not in failed)
            self._log_change(name, failed.get(name))
        self._failed = failed
        return failed

    def _log_change(self, check: str, reason: str | None) -> None:
        if reason == self._failed.get(check):
            return
        if reason is None:
            log.info("check passes again", check=check)
        else:
            log.error("check failed", check=check, reason=reason)


async def _run(check: Check) -> str | None:
    """None if it passes, else the reason."""
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
            await check()
    except RollcallError as error:
        return str(error) or type(error).__name__
    except TimeoutError:
        return f"no answer within {CHECK_TIMEOUT_SECONDS} s"
    except Exception as error:  # any error of a check means: not ready
        return reason_of(error) or type(error).__name__
    return None
