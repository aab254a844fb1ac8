"""Takes a person out of the stored file of an upload that nobody works on.

What is left is written under a new key, and one transaction names it, with its hash, in the place of the old one; then
the old object goes. So whoever reads an upload's file finds the one whose hash is on record, whatever died in between.
What the text was made of, a workbook or a packed file, cannot be rewritten: it goes, and the text stays.
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple

from sqlalchemy import Row, text

from api_service.erasures.originals import original_names
from api_service.erasures.text_traces import TextSearch, TextTraces
from shared.database.upload_layout import FORMAT_COLUMNS, format_of
from shared.rows.named_people import NamedPeople
from shared.upload_status import RESTING_STATES
from shared.upload_store import ObjectMissing, UploadStore

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

# As of the text of another sheet: a key of an upload's own, which no upload knows once it has another.
_SUFFIX: Final = ".csv"
# A draft with a problem that its format has left unknown cannot be read at all.
_FILE: Final = f"""
    id, sequence, status, object_key, original_key, sheet, byte_count, sha256, revision, created_at,
    encoding IS NULL OR delimiter IS NULL AS is_unreadable, {FORMAT_COLUMNS}
"""

FIND_FILE: Final = text(f"""
    SELECT {_FILE} FROM uploads WHERE id = :id AND file_deleted_at IS NULL
""")  # noqa: S608 - the columns are a constant of this module

# By a row that was refused for the person; an index has those that were not rewritten since.
FIND_LATER_FILE: Final = text(f"""
    SELECT {_FILE} FROM uploads
    WHERE jsonb_exists(rejected_by, 'erased_person') AND people_erased_at IS NULL AND finished_at IS NOT NULL
      AND status <> 'undoing' AND file_deleted_at IS NULL
    LIMIT 1
""")  # noqa: S608 - as above
NOTE_LATER_FILE: Final = text("UPDATE uploads SET people_erased_at = now() WHERE id = :id")

NEXT_FILES: Final = text("""
    SELECT id, created_at FROM uploads
    WHERE file_deleted_at IS NULL AND created_at <= :until
      AND (CAST(:after AS timestamptz) IS NULL OR (created_at, id) > (:after, CAST(:after_id AS uuid)))
    ORDER BY created_at, id LIMIT 100
""")

_LOCK: Final = text("""
    SELECT id FROM uploads
    WHERE id = :id AND object_key = :object_key AND original_key IS NOT DISTINCT FROM :original_key
      AND file_deleted_at IS NULL AND status = ANY(CAST(:resting AS text[]))
    FOR UPDATE
""")

# Of a draft a problem may quote what the file says, and a preview is of the file as it was.
_NAME_NEW: Final = text("""
    UPDATE uploads
    SET object_key = :new_key, sha256 = :sha256, byte_count = :byte_count, revision = revision + 1,
        original_key = NULL, original_bytes = NULL, original_sha256 = NULL, original_kind = NULL, sheet = NULL,
        options = options - 'sheet', problem = problem - 'candidates',
        status = CASE WHEN status = 'previewed' THEN 'draft' ELSE status END,
        preview_id = CASE WHEN status <> 'previewed' THEN preview_id END
    WHERE id = :id
""")

_GIVE_UP: Final = text("""
    UPDATE uploads
    SET file_deleted_at = now(), revision = revision + 1, preview_id = NULL,
        status = CASE WHEN finished_at IS NULL THEN 'cancelled' ELSE status END,
        problem = CASE WHEN finished_at IS NULL THEN NULL ELSE problem END,
        finished_at = coalesce(finished_at, now())
    WHERE id = :id
""")
_DROP_LEASE: Final = text("""
    DELETE FROM upload_leases WHERE upload_id = :id
      AND EXISTS (SELECT FROM uploads WHERE id = :id AND finished_at IS NOT NULL)
""")


_NOTE_UNNAMED: Final = text("""
    INSERT INTO unnamed_objects (key) SELECT unnest(CAST(:keys AS text[])) ON CONFLICT DO NOTHING
""")
_UNNAMED: Final = text("SELECT key FROM unnamed_objects")
_FORGET_UNNAMED: Final = text("DELETE FROM unnamed_objects WHERE key = :key")


class RewrittenFile(NamedTuple):
    """What there is to be done to a file: a new object in the place of these, or nothing but to delete them.

    `action` is `redacted`, `deleted` where no text without the person could be made of it, `original_deleted` where the
    text itself does not name them, or `missing`.
    """

    action: str
    rows: int
    mentions: int
    old_keys: list[str]
    new_key: str | None
    sha256: str | None
    byte_count: int


class StoredFile:
    """That of one upload, as it stands; `upload` has the columns of `FIND_FILE`."""

    def __init__(self, store: UploadStore, upload: Row[Any], people: NamedPeople, sign: str) -> None:
        self._store = store
        self._upload = upload
        self._people = people
        self._sign = sign

    async def rewrite(self) -> RewrittenFile | None:
        """Write what is left beside the old objects; None when nothing of it names the person.

        Raises `StoreUnavailable` and `StoreFull`.
        """
        try:
            return await self._rewrite()
        except ObjectMissing:
            return self._result("missing", TextTraces(), old_keys=[])

    async def _rewrite(self) -> RewrittenFile | None:
        original = self._upload.original_key
        names_in_original = original is not None and await asyncio.to_thread(
            original_names, lambda: self._store.open_blocking(original), self._people, self._sign
        )
        if self._upload.is_unreadable:
            is_named = await asyncio.to_thread(original_names, self._open, self._people, self._sign)
            return self._result("deleted", TextTraces()) if is_named or names_in_original else None
        search = TextSearch(self._people, self._sign, format_of(self._upload))
        traces = await asyncio.to_thread(search.find, self._open)
        if traces.are_none:
            return self._without_original(traces) if names_in_original else None
        for breaks_quotes in (False, True):
            written = await self._write(search, traces, breaks_quotes=breaks_quotes)
            left = await asyncio.to_thread(search.find, partial(self._store.open_blocking, written.key))
            if left.are_none and left.shape == traces.shape:
                return self._result("redacted", traces, written=written)
            await self._store.delete(written.key)
        return self._result("deleted", traces)

    def _open(self) -> BinaryIO:
        return self._store.open_blocking(self._upload.object_key)

    async def _write(self, search: TextSearch, traces: TextTraces, *, breaks_quotes: bool) -> _Written:
        key = f"{self._upload.id}.{uuid.uuid4().hex[:8]}{_SUFFIX}"
        digest, size = hashlib.sha256(), 0
        stream = await asyncio.to_thread(self._open)
        try:
            blocks = _large(search.masked(stream, traces, breaks_quotes=breaks_quotes))
            async with self._store.writing(key) as writer:
                while block := await asyncio.to_thread(next, blocks, b""):
                    digest.update(block)
                    size += len(block)
                    await writer.write(block)
        finally:
            await asyncio.to_thread(stream.close)
        return _Written(key, digest.hexdigest(), size)

    def _without_original(self, traces: TextTraces) -> RewrittenFile:
        upload = self._upload
        same = _Written(upload.object_key, upload.sha256, upload.byte_count)
        return self._result("original_deleted", traces, old_keys=[upload.original_key], written=same)

    def _result(
        self,
        action: str,
        traces: TextTraces,
        *,
        old_keys: list[str] | None = None,
        written: _Written | None = None,
    ) -> RewrittenFile:
        keys = [self._upload.object_key, self._upload.original_key]
        return RewrittenFile(
            action,
            traces.rows,
            traces.mentions,
            [key for key in keys if key is not None] if old_keys is None else old_keys,
            None if written is None else written.key,
            None if written is None else written.sha256,
            0 if written is None else written.byte_count,
        )


class _Written(NamedTuple):
    key: str
    sha256: str
    byte_count: int


async def name_new_file(connection: AsyncConnection, upload: Row[Any], done: RewrittenFile) -> bool:
    """In the place of the old one. False when the upload is not what it was: then it has to be looked at anew.

    What nothing names then is on record until it is deleted.
    """
    known = {"id": upload.id, "object_key": upload.object_key, "original_key": upload.original_key}
    if done.action == "missing":
        return True
    if (await connection.execute(_LOCK, known | {"resting": list(RESTING_STATES)})).one_or_none() is None:
        if done.new_key != upload.object_key:
            await connection.execute(_NOTE_UNNAMED, {"keys": [done.new_key] if done.new_key else []})
        return False
    await connection.execute(_NOTE_UNNAMED, {"keys": done.old_keys})
    if done.new_key is None:
        await connection.execute(_GIVE_UP, {"id": upload.id})
        await connection.execute(_DROP_LEASE, {"id": upload.id})
        return True
    values = {"new_key": done.new_key, "sha256": done.sha256, "byte_count": done.byte_count}
    await connection.execute(_NAME_NEW, values | {"id": upload.id})
    return True


async def delete_unnamed(engine: AsyncEngine, store: UploadStore) -> None:
    """Also what a process that died has left. Raises `StoreUnavailable`."""
    async with engine.connect() as connection:
        keys = (await connection.execute(_UNNAMED)).scalars().all()
    for key in keys:
        await store.delete(key)
        async with engine.begin() as connection:
            await connection.execute(_FORGET_UNNAMED, {"key": key})


def file_document(upload: Row[Any], done: RewrittenFile) -> dict[str, Any]:
    """As the certificate has it."""
    return {
        "uploadId": str(upload.id),
        "action": done.action,
        "rows": done.rows,
        "mentions": done.mentions,
        "sha256Before": upload.sha256,
        "sha256After": done.sha256,
        "originalDeleted": upload.original_key is not None,
    }


def _large(blocks: Iterator[bytes], size: int = 256 * 1024) -> Iterator[bytes]:
    """A line at a time would be a thread a line."""
    held: list[bytes] = []
    held_bytes = 0
    for block in blocks:
        held.append(block)
        held_bytes += len(block)
        if held_bytes >= size:
            yield b"".join(held)
            held, held_bytes = [], 0
    if held_bytes:
        yield b"".join(held)
