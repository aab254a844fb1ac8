"""The routes `/livez`, `/readyz` and `/metrics`, which are alike in every service."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest

from shared.errors import RollcallError

TASKS = Gauge("rollcall_tasks", "Tasks at work in the service's event loop")

CHECK_TIMEOUT_SECONDS = 3

# A check raises or returns False when the service cannot do its work. The text of a RollcallError is the reason told.
Check = Callable[[], Awaitable[bool]]


class _Result(NamedTuple):
    is_ok: bool
    reason: str | None = None


def probe_router(checks: Mapping[str, Check], *, informative: Mapping[str, Check] | None = None) -> APIRouter:
    """Readiness fails when any of `checks` does; those of `informative` are only reported."""
    router = APIRouter(tags=["operations"])

    @router.get("/livez", summary="The process answers; nothing else is asked", operation_id="livez")
    async def livez() -> dict[str, str]:
        return {"status": "alive"}

    @router.get(
        "/readyz",
        summary="Whether the service can do its work, and what keeps it from it",
        operation_id="readyz",
        responses={503: {"description": "Not ready; the failed check says `failed`, and `reasons` why, if known"}},
    )
    async def readyz() -> JSONResponse:
        required = await _run_all(checks)
        reported = await _run_all(informative or {})
        ready = all(result.is_ok for result in required.values())
        results = required | reported
        body: dict[str, Any] = {
            "status": "ready" if ready else "not ready",
            "checks": {name: "ok" if result.is_ok else "failed" for name, result in results.items()},
        }
        if reasons := {name: result.reason for name, result in results.items() if result.reason is not None}:
            body["reasons"] = reasons
        return JSONResponse(body, status_code=200 if ready else 503)

    @router.get("/metrics", summary="Prometheus metrics", operation_id="metrics", response_class=Response)
    async def metrics() -> Response:
        TASKS.set(len(asyncio.all_tasks()))
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router


async def _run_all(checks: Mapping[str, Check]) -> dict[str, _Result]:
    results = await asyncio.gather(*(_run(check) for check in checks.values()))
    return dict(zip(checks, results, strict=True))


async def _run(check: Check) -> _Result:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
            return _Result(is_ok=await check())
    except RollcallError as error:
        return _Result(is_ok=False, reason=str(error))
    except Exception:  # any error of a check means: not ready
        return _Result(is_ok=False)
