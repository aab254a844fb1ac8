"""An operator is told in words why a server could not be used, and never by an error's own text."""

from __future__ import annotations

import socket
import ssl

import asyncpg
import pytest
from aiormq.exceptions import AMQPConnectionError, ConnectionNotAllowed, InvalidFrameError, ProbableAuthenticationError
from asyncpg import exceptions as postgres

from shared.amqp.connection import BrokerUnavailable
from shared.amqp.error_reasons import reason_of_broker
from shared.database.schema_check import database_trouble
from shared.service.telemetry import describe_error, reason_of

SECRET = "postgresql://rollcall:hunter2@db.internal/people"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (postgres.InvalidPasswordError(SECRET), "refuses the user or password of ROLLCALL_DATABASE_URL"),
        (postgres.InvalidAuthorizationSpecificationError(SECRET), "refuses the user of ROLLCALL_DATABASE_URL"),
        (postgres.InvalidCatalogNameError(SECRET), "no database of the name in ROLLCALL_DATABASE_URL"),
        (postgres.InsufficientPrivilegeError(SECRET), "lacks a privilege"),
        (postgres.TooManyConnectionsError(SECRET), "max_connections"),
        (postgres.DiskFullError(SECRET), "no disk space left"),
        (postgres.ReadOnlySQLTransactionError(SECRET), "read-only"),
        (postgres.CannotConnectNowError(SECRET), "starting"),
        (ConnectionRefusedError(111, SECRET), "ROLLCALL_DATABASE_URL: nothing listens at its host and port"),
        (socket.gaierror(-2, SECRET), "ROLLCALL_DATABASE_URL: its host name is not known (DNS)"),
        (ssl.SSLCertVerificationError(1, SECRET), "ROLLCALL_DATABASE_URL: its TLS certificate is not trusted"),
        (ConnectionError(f"{SECRET} rejected SSL upgrade"), "ROLLCALL_DATABASE_URL: TLS is asked for, and it has none"),
        (TimeoutError(), "ROLLCALL_DATABASE_URL: it does not answer in time"),
        (asyncpg.InterfaceError(SECRET), "ROLLCALL_DATABASE_URL: InterfaceError"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_trouble_with_the_database_is_told_in_words(error: Exception, words: str) -> None:
    assert words in database_trouble(error)
    assert SECRET not in database_trouble(error) + repr(describe_error(error))


@pytest.mark.parametrize(
    ("error", "cause", "words"),
    [
        (ProbableAuthenticationError(SECRET), None, "it refuses the user or password"),
        (ConnectionNotAllowed(SECRET), None, "it has no such virtual host, or not for this user"),
        (
            InvalidFrameError("Expected one of ['Connection.OpenOk'], got <Connection.Close>"),
            None,
            "it has no such virtual host, or not for this user",
        ),
        (InvalidFrameError(SECRET), None, "no AMQP 0-9-1 is spoken there"),
        (AMQPConnectionError(111, SECRET), ConnectionRefusedError(111, SECRET), "nothing listens at its host and port"),
        (AMQPConnectionError(-2, SECRET), socket.gaierror(-2, SECRET), "its host name is not known (DNS)"),
        (AMQPConnectionError(1, SECRET), ssl.SSLError(1, SECRET), "it does not speak TLS there"),
        (AMQPConnectionError(SECRET), None, "AMQPConnectionError"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_trouble_with_the_broker_is_told_in_words(error: Exception, cause: Exception | None, words: str) -> None:
    error.__cause__ = cause

    assert reason_of_broker(error).startswith(words)
    assert SECRET not in reason_of_broker(error)


def test_log_line_says_the_reason_and_the_errno() -> None:
    described = describe_error(OSError(30, SECRET))
    refused = describe_error(postgres.InvalidPasswordError(SECRET))
    ours = describe_error(BrokerUnavailable("it is away"))

    assert described["errno"] == "EROFS"
    assert refused["reason"] == "Postgres refuses the user or password of ROLLCALL_DATABASE_URL"
    assert ours["reason"] == "it is away"
    assert reason_of(ValueError(SECRET)) is None
