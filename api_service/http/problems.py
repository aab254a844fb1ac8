"""Every error that the API answers, as RFC 9457 problems: one table of codes, one place that renders them."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from api_service.http.allowed_methods import allowed_methods
from shared.amqp.connection import BrokerUnavailable
from shared.errors import FileCode, FileProblem
from shared.service.problem_document import (
    ProblemDocument,
    StatusCode,
    described_problems,
    problem_response,
    validation_errors,
)
from shared.service.telemetry import describe_error, sqlstate
from shared.upload_store import StoreFull, StoreUnavailable

log = structlog.get_logger(__name__)

RETRY_AFTER_SECONDS = 5


class ProblemCode(StatusCode):
    """What a request can be refused with, apart from the codes of a file (`FileCode`, always 422). Stable."""

    INVALID_REQUEST = "invalid_request", 422, "A parameter, header or body is not as described"
    INVALID_CURSOR = "invalid_cursor", 422, "The cursor belongs to another list or other filters"
    PAGE_TOO_DEEP = "page_too_deep", 422, "The page is too far into a search: follow nextCursor instead"
    MALFORMED_FORM = "malformed_form", 400, "The multipart body is broken or ends too early"
    MISSING_FILE = "missing_file", 422, "The form has no file in the field employee_data"
    SEVERAL_FILES = "several_files", 422, "The form has more than one file"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type", 415, "The body is not multipart/form-data"
    TOO_LARGE = "too_large", 413, "The body is larger than this service takes"
    BODY_TIMEOUT = "body_timeout", 408, "The body came too slowly"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused", 422, "The key came before with other content or options"
    NOT_FOUND = "not_found", 404, "There is nothing at this address"
    UNKNOWN_UPLOAD = "unknown_upload", 404, "No upload has this id"
    UNKNOWN_EMPLOYEE = "unknown_employee", 404, "No employee has this id"
    UNKNOWN_QUEUE = "unknown_queue", 404, "No queue has this name yet"
    METHOD_NOT_ALLOWED = "method_not_allowed", 405, "This address does not take this method"
    ALREADY_FINISHED = "already_finished", 409, "The upload is finished and cannot be cancelled"
    NOT_FINISHED = "not_finished", 409, "The upload is not finished: cancel it first, or wait"
    DEAD_LETTERS_BUSY = "dead_letters_busy", 409, "Another redrive or deletion is at work"
    LEASE_LOST = "lease_lost", 409, "The lease ran out or was given up; the message may be another's by now"
    FILE_GONE = "file_gone", 410, "The stored file was deleted when its time was over"
    INTERNAL_ERROR = "internal_error", 500, "The service failed; its log says where"
    DATABASE_BUSY = "database_busy", 503, "The database has no time for this now"
    DATABASE_UNAVAILABLE = "database_unavailable", 503, "The database does not answer"
    BROKER_UNAVAILABLE = "broker_unavailable", 503, "The message broker does not answer"
    STORAGE_UNAVAILABLE = "storage_unavailable", 503, "The upload store does not answer"
    STORAGE_FULL = "storage_full", 507, "The upload store is full"


# What any request can be answered that needs the database.
DATABASE_PROBLEMS = (ProblemCode.DATABASE_BUSY, ProblemCode.DATABASE_UNAVAILABLE)

FILE_MEANINGS: Mapping[FileCode, str] = {
    FileCode.EMPTY_FILE: "The file is empty",
    FileCode.NOT_CSV: "The file is not CSV",
    FileCode.UNKNOWN_ENCODING: "The given encoding is not known",
    FileCode.WRONG_ENCODING: "The file is not in the given encoding",
    FileCode.INVALID_DELIMITER: "The given delimiter cannot be one",
    FileCode.INVALID_MAPPING: "The given mapping is not as described",
    FileCode.MISSING_COLUMNS: "The header lacks a column",
    FileCode.AMBIGUOUS_COLUMNS: "Several columns could be the same field",
    FileCode.UNKNOWN_COLUMN: "The mapping names a column that the header lacks",
    FileCode.UNCLOSED_QUOTE: "A quote is opened and never closed",
    FileCode.FILE_CHANGED: "The stored file is not the one that was uploaded",
    FileCode.FILE_MISSING: "The stored file is gone",
    FileCode.NO_PROGRESS: "Processing was given up after repeated failures",
}


class Problem(Exception):
    """An answer other than the one hoped for. `detail` tells the client what to do; it quotes no employee data."""

    def __init__(
        self,
        code: ProblemCode | FileCode,
        detail: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.status = _status(code)
        self.detail = detail
        self.errors = errors
        self.headers = headers


def problem_responses(*codes: ProblemCode | FileCode) -> dict[int | str, dict[str, Any]]:
    """A route's `responses=` in OpenAPI: its problems by status."""
    schema = {"$ref": f"#/components/schemas/{ProblemDocument.__name__}"}
    return described_problems([(_status(code), code, _meaning(code)) for code in codes], schema)


def register_problem_handlers(app: FastAPI) -> None:
    # Store and broker raise errors of ours; the built-in ones come from a database that cannot be connected to.
    unreachable = (ConnectionError, TimeoutError, socket.gaierror)
    ours = (Problem, FileProblem, BrokerUnavailable, StoreFull, StoreUnavailable)
    database = (PoolTimeout, DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError)
    for each in (*ours, RequestValidationError, HTTPException, *database, *unreachable, Exception):
        app.add_exception_handler(each, _answer)
    app.add_exception_handler(ClientDisconnect, _answer_nobody)


async def _answer(request: Request, error: Exception) -> Response:
    problem = _as_problem(request, error)
    if problem.status >= 500 and not isinstance(error, Problem):
        log.warning("request failed", code=problem.code, **describe_error(error))
    headers = dict(problem.headers or {})
    if problem.status == 503:
        headers.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
    return problem_response(
        request,
        status=problem.status,
        code=problem.code,
        title=_meaning(problem.code),
        detail=problem.detail,
        errors=problem.errors,
        headers=headers,
    )


async def _answer_nobody(_: Request, __: Exception) -> Response:
    log.info("client hung up")
    return Response(status_code=400)


def _as_problem(request: Request, error: Exception) -> Problem:
    match error:
        case Problem():
            return error
        case FileProblem():
            return Problem(error.code, error.detail, errors=error.errors)
        case RequestValidationError():
            return _invalid_request(error)
        case HTTPException():
            return _http_problem(request, error)
        case PoolTimeout():
            return Problem(ProblemCode.DATABASE_BUSY, "All connections are in use: try again shortly.")
        case DBAPIError() | asyncpg.PostgresError() | asyncpg.InterfaceError():
            return _database_problem(error)
        case BrokerUnavailable():
            return Problem(ProblemCode.BROKER_UNAVAILABLE, "The message broker is away: try again shortly.")
        case StoreFull():
            return Problem(ProblemCode.STORAGE_FULL, "Nothing was kept. Tell whoever runs this service.")
        case StoreUnavailable():
            return Problem(ProblemCode.STORAGE_UNAVAILABLE, "The upload store is away: try again shortly.")
        case ConnectionError() | TimeoutError() | socket.gaierror():
            return _database_away()
        case _:
            return _internal_error()


def _invalid_request(error: RequestValidationError) -> Problem:
    errors = validation_errors(error)
    where = ", ".join(each["location"] for each in errors)
    return Problem(ProblemCode.INVALID_REQUEST, f"Correct what is wrong with {where}.", errors=errors)


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
        case 413:
            return Problem(ProblemCode.TOO_LARGE, "Send less at once.")
        case _:
            return Problem(ProblemCode.INVALID_REQUEST, "The body could not be read: see /docs for its form.")


# Lock and statement timeout, deadlock, serialization failure; 53 is too many connections, or no room.
_BUSY_STATES = ("55P03", "57014", "40P01", "40001", "53")
# Connection lost, shutting down or starting up, idle in a transaction for too long.
_AWAY_STATES = ("08", "57P", "25P03")


def _database_problem(error: DBAPIError | asyncpg.PostgresError | asyncpg.InterfaceError) -> Problem:
    state = sqlstate(error)
    if state is not None and state.startswith(_BUSY_STATES):
        return Problem(ProblemCode.DATABASE_BUSY, "The database is busy: try again shortly.")
    # Without a state it is the driver that complains: its connection is gone.
    if state is None or state.startswith(_AWAY_STATES) or getattr(error, "connection_invalidated", False):
        return _database_away()
    return _internal_error()


def _database_away() -> Problem:
    return Problem(ProblemCode.DATABASE_UNAVAILABLE, "The database is away: try again shortly.")


def _internal_error() -> Problem:
    return Problem(ProblemCode.INTERNAL_ERROR, "Nothing is known to be wrong with the request: try again.")


def _status(code: ProblemCode | FileCode) -> int:
    return code.status if isinstance(code, ProblemCode) else 422


def _meaning(code: ProblemCode | FileCode) -> str:
    return code.meaning if isinstance(code, ProblemCode) else FILE_MEANINGS[code]
