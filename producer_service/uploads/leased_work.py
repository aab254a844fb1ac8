"""What becomes of a lease when the work under it ends: that on an upload, and that on its undo."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from producer_service import metrics
from producer_service.uploads import leases
from producer_service.uploads.leases import LeaseLost
from shared.database.search_index import tidy_search_index
from shared.service.telemetry import describe_error

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from sqlalchemy.ext.asyncio import AsyncEngine
    from structlog.typing import FilteringBoundLogger

    from producer_service.uploads.leases import Lease

# After a failure of database or store the upload is free for any producer so much later.
RETRY_SECONDS = 3


async def work_under(engine: AsyncEngine, lease: Lease, work: Awaitable[str], log: FilteringBoundLogger) -> None:
    """Await the work, which returns the state that it brought the upload to, and leave the lease to the next holder.

    Whatever fails is put off; only a cancel is raised.
    """
    try:
        status = await work
    except LeaseLost:
        metrics.LEASES_LOST.inc()
        log.warning("another producer has the upload now")
    except asyncio.CancelledError:
        await _release(engine, lease, log, after_seconds=0)
        raise
    except Exception as error:  # a fresh start from the ledger, a little later, may mend it
        log.error("upload put off", retry_seconds=RETRY_SECONDS, **describe_error(error))
        await _release(engine, lease, log, after_seconds=RETRY_SECONDS)
    else:
        metrics.UPLOADS_FINISHED.labels(status).inc()
        log.info("upload finished", status=status)
        if status != "previewed":
            await tidy_search_index(engine, lease.upload_id)


async def _release(engine: AsyncEngine, lease: Lease, log: FilteringBoundLogger, *, after_seconds: float) -> None:
    try:
        async with engine.begin() as connection:
            await leases.release(connection, lease, after_seconds=after_seconds)
    except (SQLAlchemyError, OSError) as error:
        log.warning("lease left to run out", **describe_error(error))
