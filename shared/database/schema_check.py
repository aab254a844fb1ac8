"""Refuses a schema that is older than a service needs; a newer one gets a warning only."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from shared.errors import RollcallError, TryAgainLater
from shared.service.telemetry import describe_error, reason_of, sqlstate

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

log = structlog.get_logger(__name__)

# Revision ids are sequential (0001, 0002, …), so that older and newer can be told apart.
REQUIRED_REVISION = "0039"
DATABASE_WAIT_SECONDS = 30
_UNDEFINED_TABLE = "42P01"


class SchemaTooOld(RollcallError):
    """The database lacks migrations. The text says what to run."""


class DatabaseUnavailable(TryAgainLater):
    """The database does not answer, or refuses this service. The text says why, as far as is known."""


async def require_schema(engine: AsyncEngine, *, wait_seconds: float = DATABASE_WAIT_SECONDS) -> None:
    """Wait a little for the database, and raise `SchemaTooOld` unless it has the schema that this service needs."""
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            async with engine.connect() as connection:
                await check_schema(connection)
        except SchemaTooOld as error:
            log.critical(str(error))
            raise
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            if sqlstate(error) is None:
                log.warning("the database does not answer", **describe_error(error))
            else:
                log.error("the database refuses this service", **describe_error(error))
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(1)
        else:
            return


async def require_database(engine: AsyncEngine) -> None:
    """For a probe: raises `SchemaTooOld`, and `DatabaseUnavailable` for any other error."""
    try:
        async with engine.connect() as connection:
            await check_schema(connection)
    except SchemaTooOld:
        raise
    except Exception as error:  # of the database, its driver or the network
        raise DatabaseUnavailable(database_trouble(error)) from error


def database_trouble(error: BaseException) -> str:
    """In words for an operator, by the class alone where nothing better is known."""
    reason = reason_of(error) or type(error).__name__
    return reason if sqlstate(error) is not None else f"the Postgres of ROLLCALL_DATABASE_URL: {reason}"


async def check_schema(connection: AsyncConnection) -> None:
    """Raises `SchemaTooOld`; database errors pass through."""
    found = await _revision(connection)
    if found is None or found < REQUIRED_REVISION:
        raise SchemaTooOld(
            f"The database is at schema revision {found or 'none'}, this service needs {REQUIRED_REVISION}. Run the "
            "migrations first: `docker compose run --rm migrate`, or `alembic upgrade head` beside the pyproject.toml."
        )
    if found > REQUIRED_REVISION:
        log.warning("schema is newer than this service", found=found, known=REQUIRED_REVISION)


async def _revision(connection: AsyncConnection) -> str | None:
    try:
        return (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar_one_or_none()
    except Exception as error:  # only "no such table" is an answer
        if sqlstate(error) == _UNDEFINED_TABLE:
            return None
        raise
