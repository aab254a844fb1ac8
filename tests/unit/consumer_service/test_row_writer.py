"""Only the database's error classes 21, 22 and 23, and Python errors, are blamed on a row."""

from __future__ import annotations

import pytest
from asyncpg import exceptions as postgres
from sqlalchemy.exc import DBAPIError, InterfaceError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from consumer_service.row_writer import RowErrorsEverywhere, blames_a_row
from shared.amqp.connection import BrokerUnavailable
from shared.service.failpoints import FailpointHit


@pytest.mark.parametrize(
    "error",
    [
        postgres.ConnectionDoesNotExistError,  # 08003
        postgres.ConnectionFailureError,  # 08006
        postgres.SerializationError,  # 40001
        postgres.DeadlockDetectedError,  # 40P01
        postgres.UndefinedTableError,  # 42P01
        postgres.InsufficientPrivilegeError,  # 42501
        postgres.DiskFullError,  # 53100
        postgres.TooManyConnectionsError,  # 53300
        postgres.LockNotAvailableError,  # 55P03
        postgres.AdminShutdownError,  # 57P01
        postgres.CannotConnectNowError,  # 57P03
        postgres.QueryCanceledError,  # 57014
        postgres.PostgresIOError,  # 58030
        postgres.IdleInTransactionSessionTimeoutError,  # 25P03
    ],
)
def test_what_the_database_says_of_itself_never_blames_a_row(error: type[postgres.PostgresError]) -> None:
    assert not blames_a_row(error("so"))
    assert not blames_a_row(_wrapped(error("so")))


@pytest.mark.parametrize(
    "error",
    [
        postgres.CardinalityViolationError,  # 21000
        postgres.StringDataRightTruncationError,  # 22001
        postgres.CharacterNotInRepertoireError,  # 22021
        postgres.CheckViolationError,  # 23514
        postgres.UniqueViolationError,  # 23505
    ],
)
def test_values_and_constraints_may_be_a_rows_doing(error: type[postgres.PostgresError]) -> None:
    assert blames_a_row(_wrapped(error("so")))


@pytest.mark.parametrize(
    "error",
    [
        OSError(),
        ConnectionResetError(),
        TimeoutError(),
        MemoryError(),
        PoolTimeout(),
        InterfaceError("statement", None, Exception("connection is closed")),
        SQLAlchemyError(),
        BrokerUnavailable("gone"),
        RowErrorsEverywhere(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_machine_network_pool_and_broker_never_blame_a_row(error: Exception) -> None:
    assert not blames_a_row(error)


@pytest.mark.parametrize("error", [ValueError(), KeyError(), RecursionError(), FailpointHit()])
def test_python_error_in_handling_a_row_blames_it(error: Exception) -> None:
    assert blames_a_row(error)


def _wrapped(error: Exception) -> DBAPIError:
    return DBAPIError("statement", None, error)
