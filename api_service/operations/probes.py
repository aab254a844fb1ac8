"""The API's checks, for its probes, its metrics and /v1/status alike."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from api_service.operations import metrics
from api_service.settings import ApiSettings
from shared.amqp.publisher_block import BrokerBlocksPublishers, blocked_text
from shared.amqp.queue_depths import BrokerState, read_broker_state
from shared.database.engine import DATABASE_ERRORS
from shared.database.schema_check import require_database
from shared.store_identity import StoreIdentity
from shared.upload_status import HELD_STATES
from shared.upload_store import UploadStore

_UNFINISHED = text("""
    SELECT count(*) AS number, coalesce(extract(epoch FROM now() - min(since)), 0) AS oldest_seconds
    FROM (
        SELECT CASE WHEN status = 'previewing' THEN preview_requested_at ELSE coalesce(accepted_at, created_at) END
               AS since FROM uploads
        WHERE finished_at IS NULL AND status <> ALL(CAST(:held AS text[]))
        UNION ALL
        SELECT undo_requested_at FROM uploads WHERE status = 'undoing'
    ) AS unfinished
""")


class UnfinishedUploads(NamedTuple):
    """How many that were started, and since when the oldest was; 0 if there is none."""

    number: int
    oldest_seconds: float


async def check_database(engine: AsyncEngine) -> None:
    """Raises `SchemaTooOld` and `DatabaseUnavailable`."""
    try:
        await require_database(engine)
        await read_unfinished_uploads(engine)
    except BaseException:
        metrics.set_uploads(metrics.UNKNOWN, metrics.UNKNOWN)
        raise


async def read_unfinished_uploads(engine: AsyncEngine) -> UnfinishedUploads:
    async with engine.connect() as connection:
        row = (await connection.execute(_UNFINISHED, {"held": list(HELD_STATES)})).one()
    unfinished = UnfinishedUploads(row.number, float(row.oldest_seconds))
    metrics.set_uploads(unfinished.number, unfinished.oldest_seconds)
    return unfinished


async def check_upload_store(store: UploadStore, identity: StoreIdentity) -> None:
    """Raises `StoreFull`, `StoreUnavailable` and `WrongStore`."""
    try:
        free = await store.free_bytes()
        metrics.STORE_FREE.set(metrics.UNKNOWN if free is None else free)
    except BaseException:
        metrics.STORE_FREE.set(metrics.UNKNOWN)
        raise
    try:
        await identity.require()
    except DATABASE_ERRORS:
        # Nobody can tell now whether it is the right store, so nothing is written to it. That the database is away is
        # said by its own check.
        return
    await store.require_room()


async def check_broker(settings: ApiSettings) -> None:
    """Raises `BrokerUnavailable` and `BrokerBlocksPublishers`."""
    broker = await read_broker(settings)
    if broker.blocks_publishers is not None:
        raise BrokerBlocksPublishers(blocked_text(broker.blocks_publishers))


async def read_broker(settings: ApiSettings) -> BrokerState:
    """Raises `BrokerUnavailable`."""
    try:
        broker = await read_broker_state(settings)
    except BaseException:
        metrics.set_queues(None)
        raise
    metrics.set_queues(broker)
    return broker
