"""Turns every refusal of the producer over HTTP into a problem document; its table of codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from shared.service.byte_budget import BudgetSpent
from shared.service.problem_document import StatusCode, media_type_hint, problem_response, validation_errors
from shared.service.telemetry import describe_error

log = structlog.get_logger(__name__)


RETRY_AFTER_SECONDS = 5


class ProblemCode(StatusCode):
    """Stable, because programs look at these. A code that the API has too means the same there."""

    INVALID_REQUEST = "invalid_request", 422, "A parameter, header or body is not as described"
    TOO_LARGE = "too_large", 413, "The body is larger than this service takes"
    BODY_TIMEOUT = "body_timeout", 408, "The body came too slowly"
    NOT_FOUND = "not_found", 404, "There is nothing at this address"
    METHOD_NOT_ALLOWED = "method_not_allowed", 405, "This address does not take this method"
    INTERNAL_ERROR = "internal_error", 500, "The service failed; its log says where"
    SERVICE_BUSY = "service_busy", 503, "The service has too much in hand"
    NO_REPLY = "no_reply", 504, "Not every message was answered in time"


def problem(
    request: Request,
    code: ProblemCode,
    detail: str,
    *,
    errors: list[dict[str, str]] | None = None,
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
) -> Response:
    return problem_response(
        request,
        status=code.status,
        code=code,
        title=code.meaning,
        detail=detail,
        errors=errors or (),
        headers=headers,
        more=more,
    )


def register_problem_handlers(app: FastAPI) -> None:
    app.add_exception_handler(RequestValidationError, _answer)
    app.add_exception_handler(HTTPException, _answer)
    app.add_exception_handler(BudgetSpent, _answer)
    app.add_exception_handler(Exception, _answer)


async def _answer(request: Request, error: Exception) -> Response:
    match error:
        case RequestValidationError():
            errors = validation_errors(error)
            if any(each["location"].startswith("query") for each in errors):
                detail = f"Correct what is wrong with {', '.join(each['location'] for each in errors)}."
            else:
                detail = 'Send {"messages": [...]} with 1 to 1000 texts or employees; see /docs.'
                detail += media_type_hint(request, errors)
            return problem(request, ProblemCode.INVALID_REQUEST, detail, errors=errors)
        case HTTPException(status_code=404):
            return problem(request, ProblemCode.NOT_FOUND, "See /docs for the addresses that there are.")
        case HTTPException(status_code=405):
            allowed = (error.headers or {}).get("Allow", "see /docs")
            detail = f"Methods of this address: {allowed}."
            return problem(request, ProblemCode.METHOD_NOT_ALLOWED, detail, headers=error.headers)
        case HTTPException(status_code=408):
            # What is left of the body is not waited for.
            headers = {"Connection": "close"}
            return problem(request, ProblemCode.BODY_TIMEOUT, str(error.detail), headers=headers)
        case HTTPException(status_code=413):
            return problem(request, ProblemCode.TOO_LARGE, str(error.detail))
        case BudgetSpent():
            detail = "Too much is being asked at once: try again shortly."
            headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
            return problem(request, ProblemCode.SERVICE_BUSY, detail, headers=headers)
        case HTTPException():
            # FastAPI's 400, for a body that it could not decode.
            return problem(request, ProblemCode.INVALID_REQUEST, "The body could not be read: see /docs for its form.")
        case _:
            log.error("request failed", **describe_error(error))
            detail = "Nothing is known to be wrong with the request: try again."
            return problem(request, ProblemCode.INTERNAL_ERROR, detail)
