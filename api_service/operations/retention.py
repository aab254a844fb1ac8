"""Deletes what is past its time: stored files, what uploads replaced, rejects with their dead letters, files that no
upload knows, and entries of the audit."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog
from sqlalchemy import ColumnElement, Interval, delete, func, literal, or_, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncEngine

from api_service.dead_letters.stale_letters import drop_stale_letters
from api_service.operations.retention_due import kept_for
from api_service.operations.unknown_files import purge_unknown_files
from api_service.settings import ApiSettings
from api_service.uploads.queries import expire_draft, stored_keys
from api_service.uploads.undo import replaced_employees
from shared.amqp.connection import BrokerUnavailable
from shared.amqp.publisher import Publisher
from shared.database import advisory_locks
from shared.database.engine import DATABASE_ERRORS
from shared.database.tables import (
    bulk_jobs,
    corrected_rows,
    corrections,
    malformed_messages,
    rejected_rows,
    uploads,
)
from shared.errors import FileCode
from shared.service.telemetry import describe_error
from shared.store_identity import StoreIdentity, WrongStore
from shared.upload_status import HELD_STATES
from shared.upload_store import StoreFull, StoreUnavailable, UploadStore

log = structlog.get_logger(__name__)

FILES_A_BATCH = 100
ROWS_A_BATCH = 5000
_PURGE_AUDIT = text("SELECT purge_audit(:age, :at_most)")
_EXPIRED = {
    "code": FileCode.DRAFT_EXPIRED.value,
    "detail": "Nobody started the draft while it was kept, so its file was deleted: upload it again.",
    "errors": [],
}


class PurgeCounts(NamedTuple):
    files: int
    rejects: int
    orphans: int
    audit: int


async def run_retention(engine: AsyncEngine, store: UploadStore, publisher: Publisher, settings: ApiSettings) -> None:
    """For ever; what fails is tried again at the next turn."""
    while True:
        try:
            counts = await purge(engine, store, settings)
            if counts is not None:
                # Also those of uploads that were deleted on request since the last turn.
                await drop_stale_letters(engine, publisher, settings)
        except (*DATABASE_ERRORS, StoreUnavailable, StoreFull, BrokerUnavailable) as error:
            log.warning("retention failed", **describe_error(error))
        await asyncio.sleep(settings.retention_interval_seconds)


async def purge(engine: AsyncEngine, store: UploadStore, settings: ApiSettings) -> PurgeCounts | None:
    """One turn; None when another replica is at it."""
    async with _retention_locked(engine) as is_mine:
        if not is_mine:
            return None
        await _expire_drafts(engine, timedelta(hours=settings.draft_retention_hours))
        await _settle_letters(engine, kept_for(settings, "dead_letter_retention_days"))
        rejects = await _purge_rejects(engine, kept_for(settings, "reject_retention_days"))
        rejects += await _purge_malformed(engine, kept_for(settings, "dead_letter_retention_days"))
        await _purge_replaced(engine, kept_for(settings, "undo_retention_days"))
        audit = await _purge_audit(engine, kept_for(settings, "audit_retention_days"))
        files, orphans = await _purge_store(engine, store, settings)
        counts = PurgeCounts(files, rejects, orphans, audit)
    if any(counts):
        log.info("purged", **counts._asdict())
    return counts


@contextlib.asynccontextmanager
async def _retention_locked(engine: AsyncEngine) -> AsyncIterator[bool]:
    # The lock lives as long as its connection; in autocommit, or waiting here would count as idle in a transaction.
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        is_mine = (await connection.execute(select(func.pg_try_advisory_lock(advisory_locks.RETENTION)))).scalar_one()
        try:
            yield is_mine
        finally:
            if is_mine:
                # Not unlocked but closed: back in the pool, a connection that kept the lock would lock everybody out.
                await connection.invalidate()


async def _expire_drafts(engine: AsyncEngine, age: timedelta) -> None:
    """End those that nobody started, and say why. Their files go with the others that are past their time."""
    due = select(uploads.c.id).where(
        uploads.c.finished_at.is_(None), uploads.c.status.in_(HELD_STATES), uploads.c.created_at < _ago(age)
    )
    async with engine.connect() as connection:
        ids = (await connection.execute(due)).scalars().all()
    for upload_id in ids:
        async with engine.begin() as connection:
            if await expire_draft(connection, upload_id, _EXPIRED) is not None:
                log.info("draft expired", upload_id=str(upload_id))


async def _purge_store(engine: AsyncEngine, store: UploadStore, settings: ApiSettings) -> tuple[int, int]:
    """Files past their time and left-overs. In a store of another identity neither could be told."""
    try:
        await StoreIdentity(engine, store, may_be_first=True).require()
    except WrongStore as error:
        log.error("the upload store is left as it is", reason=str(error))
        return 0, 0
    files = await _purge_files(engine, store, timedelta(days=settings.file_retention_days))
    return files, await _purge_left_overs(engine, store, settings)


async def _purge_files(engine: AsyncEngine, store: UploadStore, age: timedelta) -> int:
    purged = 0
    while True:
        async with engine.connect() as connection:
            is_expired = uploads.c.problem["code"].astext == FileCode.DRAFT_EXPIRED.value
            due = select(uploads.c.id, uploads.c.object_key, uploads.c.original_key).where(
                uploads.c.finished_at.is_not(None),
                or_(uploads.c.finished_at < _ago(age), is_expired),
                uploads.c.file_deleted_at.is_(None),
            )
            batch = (await connection.execute(due.order_by(uploads.c.finished_at).limit(FILES_A_BATCH))).all()
        if not batch:
            return purged
        for upload in batch:
            for key in stored_keys(upload):
                await store.delete(key)
        async with engine.begin() as connection:
            ids = [upload.id for upload in batch]
            await connection.execute(update(uploads).where(uploads.c.id.in_(ids)).values(file_deleted_at=func.now()))
        purged += len(batch)


async def _purge_audit(engine: AsyncEngine, age: timedelta) -> int:
    """The API may not delete what it has noted: the function does, what is old enough."""
    purged = 0
    while True:
        async with engine.begin() as connection:
            count: int = (await connection.execute(_PURGE_AUDIT, {"age": age, "at_most": ROWS_A_BATCH})).scalar_one()
        purged += count
        if count < ROWS_A_BATCH:
            return purged


async def _purge_rejects(engine: AsyncEngine, age: timedelta) -> int:
    key = tuple_(rejected_rows.c.upload_id, rejected_rows.c.row_number)
    due = (
        select(rejected_rows.c.upload_id, rejected_rows.c.row_number)
        .join(uploads, uploads.c.id == rejected_rows.c.upload_id)
        .where(uploads.c.finished_at < _ago(age))
        .limit(ROWS_A_BATCH)
    )
    purged = 0
    while True:
        async with engine.begin() as connection:
            count = (await connection.execute(delete(rejected_rows).where(key.in_(due)))).rowcount
        purged += count
        if count < ROWS_A_BATCH:
            break
    async with engine.begin() as connection:
        await connection.execute(delete(bulk_jobs).where(bulk_jobs.c.finished_at < _ago(age)))
    await _purge_corrections(engine, age)
    return purged


async def _purge_malformed(engine: AsyncEngine, age: timedelta) -> int:
    async with engine.begin() as connection:
        old = malformed_messages.c.dead_at < _ago(age)
        return (await connection.execute(delete(malformed_messages).where(old))).rowcount


async def _settle_letters(engine: AsyncEngine, age: timedelta) -> None:
    """As a deletion of dead letters does: their rows stay in the reports. The letters go when the queue is turned."""
    key = tuple_(rejected_rows.c.upload_id, rejected_rows.c.row_number)
    due = (
        select(rejected_rows.c.upload_id, rejected_rows.c.row_number)
        .join(uploads, uploads.c.id == rejected_rows.c.upload_id)
        .where(uploads.c.finished_at < _ago(age), rejected_rows.c.discarded_at.is_(None))
        .limit(ROWS_A_BATCH)
    )
    count = ROWS_A_BATCH
    while count == ROWS_A_BATCH:
        async with engine.begin() as connection:
            settled = update(rejected_rows).where(key.in_(due)).values(discarded_at=func.now())
            count = (await connection.execute(settled)).rowcount


async def _purge_replaced(engine: AsyncEngine, age: timedelta) -> None:
    """What uploads replaced that can be undone no more. They are marked first, so that no undo begins meanwhile."""
    async with engine.begin() as connection:
        await replaced_employees.expire_undos(connection, _ago(age))
        due = await replaced_employees.expired_sequences(connection)
    purged = 0
    for sequence in due:
        while True:
            async with engine.begin() as connection:
                count = await replaced_employees.forget(connection, sequence, limit=ROWS_A_BATCH)
            purged += count
            if count < ROWS_A_BATCH:
                break
    async with engine.begin() as connection:
        purged += await replaced_employees.drop_forgotten(connection)
    if purged:
        log.info("purged what uploads had replaced", employees=purged)


async def _purge_corrections(engine: AsyncEngine, age: timedelta) -> None:
    key = tuple_(corrected_rows.c.correction_id, corrected_rows.c.row_number)
    due = (
        select(corrected_rows.c.correction_id, corrected_rows.c.row_number)
        .join(corrections, corrections.c.id == corrected_rows.c.correction_id)
        .where(corrections.c.finished_at < _ago(age))
        .limit(ROWS_A_BATCH)
    )
    count = ROWS_A_BATCH
    while count == ROWS_A_BATCH:
        async with engine.begin() as connection:
            count = (await connection.execute(delete(corrected_rows).where(key.in_(due)))).rowcount
    async with engine.begin() as connection:
        await connection.execute(delete(corrections).where(corrections.c.finished_at < _ago(age)))


async def _purge_left_overs(engine: AsyncEngine, store: UploadStore, settings: ApiSettings) -> int:
    age = timedelta(hours=settings.orphan_retention_hours)
    unfinished = await store.delete_unfinished_older_than(age)
    return unfinished + await purge_unknown_files(engine, store, age, limit=settings.unknown_files_limit)


def _ago(age: timedelta) -> ColumnElement[datetime]:
    return func.now() - literal(age, Interval)
