"""Makes the services' pools of Postgres connections: bounded, and with sessions that cannot wait or idle for ever."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from shared.service.telemetry import sqlstate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import ExceptionContext

    from shared.service.settings import SharedSettings

CONNECT_TIMEOUT_SECONDS = 5

# Errors of these classes of SQLSTATE are about the row: it violates a type or a constraint. All others are ours.
ROW_FAULT_CLASSES = frozenset({"21", "22", "23"})

DATABASE_ERRORS = (DBAPIError, PoolTimeout, OSError, TimeoutError)


def create_engine(
    settings: SharedSettings,
    service: str,
    *,
    pool_size: int,
    pool_timeout_seconds: float,
    statement_timeout_seconds: float = 0,
    longest_statement_seconds: float = 0,
    server_settings: Mapping[str, str] = MappingProxyType({}),
    autocommit: bool = False,
    ping: bool = True,
) -> AsyncEngine:
    """No connection is made yet. A pool that is used up raises `sqlalchemy.exc.TimeoutError` after its timeout.

    A server that does not answer for `database_answer_timeout_seconds`, or for as long as the pool's longest statement
    may take, raises `TimeoutError`, and the connection is thrown away. With `autocommit` each statement is a
    transaction of its own, and takes one round trip instead of three. With `ping` three more round trips ask whether a
    connection lives before it is used. Without it, a connection that the driver knows as closed is replaced, and on
    one whose server died in silence the first statement fails.
    """
    engine = create_async_engine(
        with_driver(settings.database_url.get_secret_value()),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=pool_timeout_seconds,
        pool_pre_ping=ping,
        isolation_level="AUTOCOMMIT" if autocommit else None,
        # An error's text would carry the parameters, which are people's names.
        hide_parameters=True,
        connect_args={
            "timeout": CONNECT_TIMEOUT_SECONDS,
            "command_timeout": max(settings.database_answer_timeout_seconds, longest_statement_seconds),
            "server_settings": {
                "application_name": service,
                "lock_timeout": f"{int(settings.lock_timeout_seconds * 1000)}",
                "idle_in_transaction_session_timeout": f"{int(settings.idle_in_transaction_timeout_seconds * 1000)}",
                "statement_timeout": f"{int(statement_timeout_seconds * 1000)}",
                # Postgres would compile the plan of a large batch each time, which costs more than it saves.
                "jit": "off",
                **server_settings,
            },
        },
    )
    event.listen(engine.sync_engine, "handle_error", _mark_as_disconnected)
    if not ping:
        event.listen(engine.sync_engine, "checkout", _replace_if_closed)
    return engine


def with_driver(database_url: str) -> URL:
    url = make_url(database_url).set(drivername="postgresql+asyncpg")
    # As operators and libpq write it; SQLAlchemy hands parameters to the driver under the driver's own names.
    mode = url.query.get("sslmode")
    return url if mode is None else url.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})


def _replace_if_closed(connection: Any, *_: Any) -> None:
    """The driver knows when a server has closed a connection, so no ping is needed for that."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def is_row_fault(error: BaseException) -> bool:
    """True for a database error that the row caused which was written; false for one of the database or of ours."""
    state = sqlstate(error)
    return state is not None and state[:2] in ROW_FAULT_CLASSES


def _mark_as_disconnected(context: ExceptionContext) -> None:
    # Otherwise the silent server would be asked to roll back, and waited for as long again.
    if isinstance(context.original_exception, TimeoutError):
        context.is_disconnect = True
        # The pool's other connections go to the same server, and not every pool pings before it uses one.
        context.invalidate_pool_on_disconnect = True
