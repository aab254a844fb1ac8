"""Logs are JSON lines with a class, an SQLSTATE and places for an error, and never its text (P8)."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from asyncpg.exceptions import UniqueViolationError
from sqlalchemy.exc import DBAPIError, IntegrityError

from shared.service.telemetry import describe_error, sqlstate
from tests.support.servers import CHECKOUT

SECRET = "asha.rao@example.com"


def test_error_is_described_by_class_sqlstate_and_place_and_not_by_its_text() -> None:
    cause = UniqueViolationError(f"Key (email)=({SECRET}) already exists")
    with pytest.raises(IntegrityError) as raised:
        raise IntegrityError(f"INSERT ... {SECRET}", {"email": SECRET}, cause)

    described = describe_error(raised.value)

    assert (described["error"], described["sqlstate"]) == ("IntegrityError", "23505")
    assert described["at"][-1].startswith("test_telemetry.py:")
    assert SECRET not in json.dumps(described)


def test_error_without_an_sqlstate_says_none() -> None:
    assert sqlstate(ValueError("x")) is None
    assert sqlstate(DBAPIError("statement", None, Exception("no state"))) is None
    assert "sqlstate" not in describe_error(KeyError(SECRET))


def test_sqlstate_is_found_behind_wrappers_and_causes() -> None:
    wrapped = RuntimeError()
    wrapped.__cause__ = DBAPIError("statement", None, UniqueViolationError("so"))

    assert sqlstate(wrapped) == "23505"


@pytest.mark.parametrize(
    "statement",
    [
        "structlog.get_logger('x').exception('failed', upload_id='u')",
        "structlog.get_logger('x').error('failed', upload_id='u', exc_info=True)",
        "logging.getLogger('x').exception('failed')",
        "logging.getLogger('uvicorn.error').error('failed', exc_info=sys.exc_info())",
    ],
)
def test_exception_on_its_way_into_the_log_loses_its_text(statement: str) -> None:
    (line,) = _log(f"try:\n    raise ValueError('{SECRET}')\nexcept ValueError:\n    {statement}")

    assert (line["event"], line["error"], line["service"]) == ("failed", "ValueError", "test_service")
    assert line["at"] == ["<string>:4 <module>"]
    assert SECRET not in json.dumps(line)


def test_every_line_is_json_with_level_time_and_the_service() -> None:
    ours, theirs = _log(
        "structlog.get_logger('ours').warning('one', rows=3)\nlogging.getLogger('theirs').info('two %s', 'args')"
    )

    assert (ours["event"], ours["level"], ours["rows"], ours["logger"]) == ("one", "warning", 3, "ours")
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("two args", "info", "theirs")
    assert ours["timestamp"].endswith("Z")


def test_access_log_and_libraries_that_log_bodies_stay_silent_at_every_level() -> None:
    assert (
        _log(
            f"logging.getLogger('uvicorn.access').info('GET /v1/employees?searchTerm={SECRET}')\n"
            f"logging.getLogger('aiormq.connection').debug('frame {SECRET}')\n"
            f"logging.getLogger('aio_pika').info('body {SECRET}')\n",
            level="DEBUG",
        )
        == []
    )


@pytest.mark.parametrize(("level", "shown"), [("INFO", 2), ("WARNING", 1), ("error", 0)])
def test_level_of_the_setting_is_kept(level: str, shown: int) -> None:
    logged = _log("log = structlog.get_logger('x')\nlog.info('one')\nlog.warning('two')", level=level)

    assert len(logged) == shown


def _log(statements: str, *, level: str = "INFO") -> list[dict[str, Any]]:
    """The output of a process that logs so. The configuration is global, so it has a process to itself."""
    script = (
        "import logging, sys, structlog; from shared.service.telemetry import configure_logging\n"
        f"configure_logging('test_service', {level!r})\n{statements}"
    )
    outcome = subprocess.run([sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in outcome.stdout.splitlines()]
