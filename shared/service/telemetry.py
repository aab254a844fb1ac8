"""Writes logs as JSON lines that hold no employee data."""

from __future__ import annotations

import contextlib
import logging
import sys
import traceback
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from shared.errors import TryAgainLater
from shared.service.error_reasons import errno_name, reason_of_network, reason_of_sqlstate

if TYPE_CHECKING:
    from fastapi.telemetry import TelemetryConfig
    from structlog.typing import EventDict, WrappedLogger

# These log whole frames and bodies at DEBUG, and each reconnect twice at INFO.
CHATTY_LOGGERS = {
    "aio_pika": logging.WARNING,
    "aiormq": logging.ERROR,
    "asyncio": logging.WARNING,
    "python_multipart": logging.ERROR,
}

# FastAPI's own telemetry would send addresses, which hold search terms, and the texts of errors to any exporter that
# OpenTelemetry finds in the environment (P8). It also costs a small request a part of its time.
NO_FASTAPI_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}


def describe_error(error: BaseException) -> dict[str, Any]:
    """The class, SQLSTATE or errno, reason and places of an error, for a log line; never a library's text (P8).

    Texts quote values: Postgres puts the offending key into its detail, a Python error its argument.
    """
    frames = [
        f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    described: dict[str, Any] = {"error": type(error).__name__, "at": frames[-6:]}
    if (state := sqlstate(error)) is not None:
        described["sqlstate"] = state
    if (number := errno_name(error)) is not None:
        described["errno"] = number
    if (reason := reason_of(error)) is not None:
        described["reason"] = reason
    return described


def reason_of(error: BaseException) -> str | None:
    """In words for an operator; None where nothing is known but the class."""
    if isinstance(error, TryAgainLater):
        # Ours, and it quotes nothing.
        return str(error) or None
    return reason_of_sqlstate(sqlstate(error)) or reason_of_network(error)


def sqlstate(error: BaseException) -> str | None:
    """The SQLSTATE of a database error, through SQLAlchemy's wrappers; None for anything else."""
    seen: BaseException | None = error
    while seen is not None:
        state = getattr(seen, "sqlstate", None)
        if isinstance(state, str):
            return state
        seen = getattr(seen, "orig", None) or seen.__cause__
    return None


def configure_logging(service: str, level: str) -> None:
    """Send everything, the libraries' lines too, as JSON to standard output."""
    shared_steps: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _named(service),
        _errors_without_their_text,
    ]
    structlog.configure(
        # The standard library is left out: its records and handlers cost more than the rest of a line.
        processors=[*shared_steps, _as_json],
        logger_factory=_Output,
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared_steps,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _as_json,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name, least in CHATTY_LOGGERS.items():
        logging.getLogger(name).setLevel(least)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        uvicorn_logger = logging.getLogger(name)
        uvicorn_logger.handlers = []
        uvicorn_logger.propagate = True
    # Its lines hold the query string, and with it search terms.
    logging.getLogger("uvicorn.access").disabled = True


class _Output:
    """A logger, in the form that structlog asks for, that writes to standard output."""

    def __init__(self, name: str = "") -> None:
        self.name = name

    def msg(self, line: str) -> None:
        # As in the standard library, a line that cannot be written makes nobody fail.
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()

    debug = info = warning = error = critical = exception = msg


def _as_json(_: WrappedLogger, __: str, event: EventDict) -> str:
    return msgspec.json.encode(event, enc_hook=repr).decode()


def _named(service: str) -> structlog.typing.Processor:
    def add(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    return add


def _errors_without_their_text(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    raised = event.pop("exc_info", None)
    record = event.get("_record")
    if not raised and isinstance(record, logging.LogRecord):
        raised = record.exc_info
    if isinstance(record, logging.LogRecord):
        record.exc_info = None
        record.exc_text = None
    if raised is True:
        raised = sys.exc_info()
    error = raised[1] if isinstance(raised, tuple) else raised
    if isinstance(error, BaseException):
        event.update(describe_error(error))
    return event
