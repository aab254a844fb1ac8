"""Renders what went wrong with a request as a problem: the API's own refusals, and what the layers below raise."""

from __future__ import annotations

import socket

import asyncpg
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from api_service.http.allowed_methods import allowed_methods
from api_service.http.problems import Problem, ProblemCode, meaning_of
from shared.amqp.connection import BrokerUnavailable
from shared.errors import FileProblem
from shared.service.byte_budget import BudgetSpent
from shared.service.problem_document import media_type_hint, problem_response, validation_errors
from shared.service.telemetry import describe_error, sqlstate
from shared.store_identity import WrongStore
from shared.upload_store import StoreFull, StoreUnavailable

log = structlog.get_logger(__name__)

RETRY_AFTER_SECONDS = 5
# Lock and statement timeout, deadlock, serialization failure; 53 is too many connections, or no room.
_BUSY_STATES = ("55P03", "57014", "40P01", "40001", "53")
# Connection lost, shutting down or starting up, idle in a transaction for too long.
_AWAY_STATES = ("08", "57P", "25P03")
# A wrong user or password, no such database, a standby: nothing that a client could change, or that passes by itself.
_REFUSING_STATES = ("28", "3D", "25006")


def register_problem_handlers(app: FastAPI) -> None:
    # Store and broker raise errors of ours; the built-in ones come from a database that cannot be connected to.
    unreachable = (ConnectionError, TimeoutError, socket.gaierror)
    ours = (Problem, FileProblem, BudgetSpent, BrokerUnavailable, StoreFull, StoreUnavailable)
    database = (PoolTimeout, DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError)
    for each in (*ours, RequestValidationError, HTTPException, *database, *unreachable, Exception):
        app.add_exception_handler(each, _answer)
    app.add_exception_handler(ClientDisconnect, _answer_nobody)


def noted_problem(request: Request, error: Exception) -> Problem:
    """What a client is told of an error, which is logged if it is none of theirs."""
    problem = _as_problem(request, error)
    if problem.status >= 500 and not isinstance(error, Problem):
        log.warning("request failed", code=problem.code, **describe_error(error))
    return problem


async def _answer(request: Request, error: Exception) -> Response:
    problem = noted_problem(request, error)
    headers = dict(problem.headers or {})
    if problem.status == 503:
        headers.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
    return problem_response(
        request,
        status=problem.status,
        code=problem.code,
        title=meaning_of(problem.code),
        detail=problem.detail,
        errors=problem.errors,
        headers=headers,
        more=problem.more,
    )


async def _answer_nobody(_: Request, __: Exception) -> Response:
    log.info("client hung up")
    return Response(status_code=400)


def _as_problem(request: Request, error: Exception) -> Problem:
    match error:
        case Problem():
            return error
        case FileProblem():
            return Problem(error.code, error.detail, errors=error.errors, more=error.more)
        case RequestValidationError():
            return _invalid_request(request, error)
        case HTTPException():
            return _http_problem(request, error)
        case PoolTimeout():
            return Problem(ProblemCode.DATABASE_BUSY, "All connections are in use: try again shortly.")
        case DBAPIError() | asyncpg.PostgresError() | asyncpg.InterfaceError():
            return _database_problem(error)
        case BudgetSpent():
            return Problem(ProblemCode.SERVICE_BUSY, "Too much is being sent at once: try again shortly.")
        case BrokerUnavailable():
            return Problem(ProblemCode.BROKER_UNAVAILABLE, "The message broker is away: try again shortly.")
        case StoreFull():
            return Problem(ProblemCode.STORAGE_FULL, "Nothing was kept. Tell whoever runs this service.")
        case WrongStore():
            detail = "Nothing was kept: try again shortly. /readyz tells whoever runs this service what to do."
            return Problem(ProblemCode.WRONG_STORAGE, detail)
        case StoreUnavailable():
            return Problem(ProblemCode.STORAGE_UNAVAILABLE, "The upload store is away: try again shortly.")
        case ConnectionError() | TimeoutError() | socket.gaierror():
            return _database_away()
        case _:
            return _internal_error()


def _invalid_request(request: Request, error: RequestValidationError) -> Problem:
    errors = validation_errors(error)
    where = ", ".join(each["location"] for each in errors)
    detail = f"Correct what is wrong with {where}.{media_type_hint(request, errors)}"
    return Problem(ProblemCode.INVALID_REQUEST, detail, errors=errors)


def _http_problem(request: Request, error: HTTPException) -> Problem:
    match error.status_code:
        case 404:
            return Problem(ProblemCode.NOT_FOUND, "See /docs for the addresses that there are.")
        case 405:
            # No route of ours answers for a folder of files, which names its methods itself.
            allowed = ", ".join(allowed_methods(request)) or (error.headers or {}).get("Allow", "")
            return Problem(
                ProblemCode.METHOD_NOT_ALLOWED, f"Methods of this address: {allowed}.", headers={"Allow": allowed}
            )
        case 408:
            # What is left of the body is not waited for.
            return Problem(ProblemCode.BODY_TIMEOUT, str(error.detail), headers={"Connection": "close"})
        case 413:
            return Problem(ProblemCode.TOO_LARGE, str(error.detail))
        case _:
            return Problem(ProblemCode.INVALID_REQUEST, "The body could not be read: see /docs for its form.")


def _database_problem(error: DBAPIError | asyncpg.PostgresError | asyncpg.InterfaceError) -> Problem:
    state = sqlstate(error)
    if state is not None and state.startswith(_BUSY_STATES):
        return Problem(ProblemCode.DATABASE_BUSY, "The database is busy: try again shortly.")
    # Without a state it is the driver that complains: its connection is gone.
    if state is None or state.startswith(_AWAY_STATES) or getattr(error, "connection_invalidated", False):
        return _database_away()
    if state.startswith(_REFUSING_STATES):
        detail = "The database refuses this service: whoever runs it finds the reason in its log and at /readyz."
        return Problem(ProblemCode.DATABASE_UNAVAILABLE, detail)
    return _internal_error()


def _database_away() -> Problem:
    return Problem(ProblemCode.DATABASE_UNAVAILABLE, "The database is away: try again shortly.")


def _internal_error() -> Problem:
    return Problem(ProblemCode.INTERNAL_ERROR, "Nothing is known to be wrong with the request: try again.")
