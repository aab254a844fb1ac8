"""Deletes stored files that no upload knows, in two steps: marked when they are found, deleted a day later.

A killed process or a commit in doubt leaves one now and then. Many at once mean another thing: the database is an
older backup than the store, or another system's, and the files belong to uploads that were accepted. So a sweep that
finds many touches none.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import NamedTuple

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from api_service.uploads.unpacking.unpacker import TWIN_SUFFIX
from shared.database.tables import uploads
from shared.upload_store import UploadStore

log = structlog.get_logger(__name__)

KEYS_A_QUERY = 100
# The mark lies in the store and not in the database, because a restored database does not know it.
MARK_SUFFIX = ".unknown"
# An object of a restore of the database (tools/backup): files of after the backup are unknown, and somebody's.
RESTORED_KEY = "rollcall-restored"
MARK_TEXT = b"No upload knows the file beside this mark. Delete the mark, and the file is kept for another day.\n"


class _OldFile(NamedTuple):
    key: str
    upload_id: uuid.UUID
    is_mark: bool
    is_another_sheet: bool


async def purge_unknown_files(engine: AsyncEngine, store: UploadStore, age: timedelta, *, limit: int) -> int:
    """How many were deleted. Only names of our own making are touched, and no file or mark younger than `age`."""
    marked: set[str] = set()
    unknown: list[str] = []
    async for files in _batches(store, age):
        marked |= {file.key for file in files if file.is_mark}
        unknown += await _unknown_among(engine, [file for file in files if not file.is_mark])
        if len(unknown) > limit:
            log.error(
                "stored files that no upload knows are kept, because they are too many",
                limit=limit,
                remedy="is the database an older backup, or the store another system's? If they may go, raise "
                "ROLLCALL_API_UNKNOWN_FILES_LIMIT for two days",
            )
            return 0
    if unknown and await store.exists(RESTORED_KEY):
        log.warning(
            "stored files that no upload knows are kept, because the database was restored",
            files=len(unknown),
            remedy=f"upload again those that are wanted, then delete the object {RESTORED_KEY}",
        )
        return 0
    deleted = 0
    for key in unknown:
        if key in marked:
            await store.delete(key)
            deleted += 1
        elif not await store.exists(_mark(key)):
            log.warning("no upload knows this stored file: it will be deleted", file=key, after=str(age))
            async with store.writing(_mark(key)) as writer:
                await writer.write(MARK_TEXT)
    for key in marked:
        # Its file is gone by now, or known.
        await store.delete(_mark(key))
    return deleted


async def _batches(store: UploadStore, age: timedelta) -> AsyncIterator[list[_OldFile]]:
    """Old files of our own making, and the marks among them."""
    batch: list[_OldFile] = []
    async for name in store.list_older_than(age):
        key = name.removesuffix(MARK_SUFFIX)
        try:
            # An upload can have two files: what was sent, and the text that was made of it, or of another sheet of it.
            upload_id, _, sheet = key.removesuffix(TWIN_SUFFIX).partition(".")
            batch.append(_OldFile(key, uuid.UUID(upload_id), is_mark=key != name, is_another_sheet=bool(sheet)))
        except ValueError:
            continue
        if len(batch) == KEYS_A_QUERY:
            yield batch
            batch = []
    yield batch


async def _unknown_among(engine: AsyncEngine, files: Sequence[_OldFile]) -> list[str]:
    ids = {file.upload_id for file in files}
    query = select(uploads.c.id, uploads.c.object_key).where(uploads.c.id.in_(ids))
    async with engine.connect() as connection:
        known = {upload.id: upload.object_key for upload in await connection.execute(query)}
    # Of the texts of sheets that a draft was tried with, its upload needs the one that it reads.
    return [
        file.key
        for file in files
        if file.upload_id not in known or (file.is_another_sheet and file.key != known[file.upload_id])
    ]


def _mark(key: str) -> str:
    return f"{key}{MARK_SUFFIX}"
