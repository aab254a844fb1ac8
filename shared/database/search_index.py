"""Keeps searches fast after an upload: merges the search indexes' pending lists, and renews the statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from shared.service.telemetry import describe_error

if TYPE_CHECKING:
    import uuid

    from sqlalchemy.ext.asyncio import AsyncEngine

log = structlog.get_logger(__name__)

# For a smaller share of the table than this, autovacuum does enough by itself.
WORTH_IT_SHARE = 0.02

# With its owner's rights: no grant allows anybody else to merge a pending list.
_TIDY = text("SELECT tidy_search_index()")
_CHANGED_SHARE = text("""
    SELECT (inserted + updated)::float8 / greatest((SELECT sum(total) FROM employee_totals), 1)
    FROM uploads WHERE id = :upload_id
""")


async def tidy_search_index(engine: AsyncEngine, upload_id: uuid.UUID) -> None:
    """A failure is only logged, because the next upload does it again."""
    try:
        async with engine.connect() as plain:
            connection = await plain.execution_options(isolation_level="AUTOCOMMIT")
            share = (await connection.execute(_CHANGED_SHARE, {"upload_id": upload_id})).scalar_one_or_none()
            if share is not None and share >= WORTH_IT_SHARE:
                await connection.execute(_TIDY)
    except (SQLAlchemyError, OSError) as error:
        log.warning("search index not tidied", **describe_error(error))
