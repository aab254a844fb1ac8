"""Statements that may take longer than a database may be silent otherwise."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

import asyncpg
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy.ext.asyncio import AsyncConnection

# A file of the largest size that is taken has some ten million rows.
LONGEST_SECONDS: Final = 600


@contextlib.asynccontextmanager
async def long_statements(connection: AsyncConnection) -> AsyncIterator[Any]:
    """The driver's connection, to be given `timeout=LONGEST_SECONDS`. Its errors are raised as others are."""
    try:
        yield (await connection.get_raw_connection()).driver_connection
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DBAPIError("preview", None, error, hide_parameters=True) from error
    except TimeoutError as error:
        await connection.invalidate(error)
        raise
