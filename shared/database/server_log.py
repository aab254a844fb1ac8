"""Finds out if the database's own log quotes rows, which no setting of an ordinary user can change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

log = structlog.get_logger(__name__)

_SETTINGS = text("SELECT current_user, current_setting('log_error_verbosity')")


async def warn_if_it_quotes_rows(engine: AsyncEngine) -> None:
    """A copy that meets a known email fails by design, and Postgres logs that email unless its log is terse (P8)."""
    async with engine.connect() as connection:
        user, verbosity = (await connection.execute(_SETTINGS)).one()
    if verbosity != "terse":
        log.warning(
            "the database's log quotes employees",
            log_error_verbosity=verbosity,
            remedy=f'as a superuser: ALTER ROLE "{user}" SET log_error_verbosity = terse, then restart the consumers',
        )
