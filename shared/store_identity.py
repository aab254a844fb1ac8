"""Tells whether an upload store is this system's: an object in it holds an id, and the database knows which.

A folder that is not mounted looks like one that is empty, and every file of the system looks gone. So nobody judges by
a store, or puts a file into it, before it has shown its id.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog
from sqlalchemy import delete, exists, func, insert, select, true

from shared.database import advisory_locks
from shared.database.tables import upload_store, uploads
from shared.upload_store import ObjectMissing, StoreUnavailable

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from shared.upload_store import UploadStore

log = structlog.get_logger(__name__)

IDENTITY_KEY: Final = "rollcall-store"
_TEXT: Final = (
    "This is Rollcall's upload store; its database knows the id above. Without this file nothing is taken from the "
    "store, and nothing put into it.\n"
)
# So many files of each kind are looked for in a store that has to prove itself.
_FILES_LOOKED_FOR: Final = 20
_REMEDY: Final = (
    "Mount the right one, or correct ROLLCALL_UPLOAD_STORE_URL; uploads wait meanwhile. If this is the store from now "
    "on, see 'Another upload store' in docs/operations.md."
)


class WrongStore(StoreUnavailable):
    """The store is not this system's, as far as can be told. The text says why, and what to do."""


class StoreIdentity:
    """Asks store and database anew each time, so that a store that comes back is good again at once.

    `may_be_first`: whether a system without any upload takes this store for its own. For a service that puts files
    into it, it has to; one that only reads them has no need yet.
    """

    def __init__(self, engine: AsyncEngine, store: UploadStore, *, may_be_first: bool) -> None:
        self._engine = engine
        self._store = store
        self._may_be_first = may_be_first

    async def require(self) -> None:
        """Raises `WrongStore`, and the errors of store and database. Gives a system its store if it has none yet."""
        # The database first: the store had its id before the database knew it. The other way round, one that looked
        # while another gave the store its id would call it the wrong one.
        async with self._engine.connect() as connection:
            known = await known_id(connection)
        if known is None:
            await self._adopt()
        else:
            _compare(await stored_id(self._store), known)

    async def require_file(self, key: str) -> None:
        """As `require`, and the store has to hold this file, which was written to it a moment ago."""
        await self.require()
        if not await self._store.exists(key):
            raise WrongStore(f"A file that was just stored is not in the upload store. {_REMEDY}")

    async def _adopt(self) -> None:
        async with self._engine.begin() as connection:
            await connection.execute(select(func.pg_advisory_xact_lock(advisory_locks.UPLOAD_STORE)))
            found = await stored_id(self._store)
            known = await known_id(connection)
            if known is not None:
                _compare(found, known)
            elif await self._is_to_be_adopted(connection, found):
                store_id = found or await give_id(self._store)
                await remember_id(connection, store_id)
                log.info("this upload store is the system's from now on", store_id=str(store_id))

    async def _is_to_be_adopted(self, connection: AsyncConnection, found: uuid.UUID | None) -> bool:
        """Raises `WrongStore`."""
        if await self._has_a_file_of_ours(connection):
            return True
        if (await connection.execute(select(exists().where(uploads.c.finished_at.is_(None))))).scalar_one():
            raise WrongStore(
                "The upload store has none of the files of the unfinished uploads: it is empty, not mounted, or "
                f"another one. {_REMEDY}"
            )
        if not self._may_be_first:
            return False
        if found is not None and await self._has_uploads():
            raise WrongStore(
                f"The upload store has an id already, {found}, and files of uploads that this database does not know: "
                f"it is another system's, or the database is not the one that was there. {_REMEDY}"
            )
        return True

    async def _has_a_file_of_ours(self, connection: AsyncConnection) -> bool:
        # Each of the two is a look into an index of its own, however many uploads there are.
        unfinished = select(uploads.c.object_key).where(uploads.c.finished_at.is_(None)).order_by(uploads.c.sequence)
        finished = (
            select(uploads.c.object_key)
            .where(uploads.c.finished_at.is_not(None), uploads.c.file_deleted_at.is_(None))
            .order_by(uploads.c.finished_at.desc())
        )
        for query in (unfinished, finished):
            for key in (await connection.execute(query.limit(_FILES_LOOKED_FOR))).scalars().all():
                if await self._store.exists(key):
                    return True
        return False

    async def _has_uploads(self) -> bool:
        async for key in self._store.list_older_than(timedelta(0)):
            if _as_id(key) is not None:
                return True
        return False


async def stored_id(store: UploadStore) -> uuid.UUID | None:
    """None when the store has none, or something else in its place. Raises `StoreUnavailable`."""
    try:
        text = await store.read(IDENTITY_KEY)
    except ObjectMissing:
        # The whole bucket may be missing.
        await store.is_reachable()
        return None
    return _as_id(text.partition(b"\n")[0].decode("ascii", "replace"))


async def give_id(store: UploadStore) -> uuid.UUID:
    """A new one, instead of any that it has. Raises `StoreFull` and `StoreUnavailable`."""
    store_id = uuid.uuid4()
    async with store.writing(IDENTITY_KEY) as writer:
        await writer.write(f"{store_id}\n{_TEXT}".encode())
    return store_id


async def known_id(connection: AsyncConnection) -> uuid.UUID | None:
    """What the database knows; None before the first store."""
    known: uuid.UUID | None = (await connection.execute(select(upload_store.c.id))).scalar_one_or_none()
    return known


async def remember_id(connection: AsyncConnection, store_id: uuid.UUID) -> None:
    """Instead of the one that the database knew."""
    await connection.execute(delete(upload_store).where(true()))
    await connection.execute(insert(upload_store).values(id=store_id))


def _compare(found: uuid.UUID | None, known: uuid.UUID) -> None:
    if found is None:
        raise WrongStore(
            f"The upload store lacks its id, the object `{IDENTITY_KEY}`: it is empty, not mounted, or another one. "
            f"{_REMEDY}"
        )
    if found != known:
        raise WrongStore(
            f"The upload store is another one: its id is {found}, and this system's store has {known}. {_REMEDY}"
        )


def _as_id(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
