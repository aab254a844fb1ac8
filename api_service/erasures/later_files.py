"""Files that came after an erasure and name the person: rewritten as soon as their uploads have ended.

Their rows were refused, by which they are found. Two processes may rewrite the same file; one of them names its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from api_service.erasures.stored_files import (
    FIND_LATER_FILE,
    NOTE_LATER_FILE,
    StoredFile,
    delete_unnamed,
    name_new_file,
)
from shared.database.suppressions import Suppressions
from shared.rows.named_people import NamedPeople

if TYPE_CHECKING:
    from pydantic import SecretStr
    from sqlalchemy.ext.asyncio import AsyncEngine

    from shared.store_identity import StoreIdentity
    from shared.upload_store import UploadStore

log = structlog.get_logger(__name__)

# What stands in every email, since nobody knows whose it is before it is hashed.
_ANY_EMAIL: Final = "@"


class LaterFiles:
    def __init__(self, engine: AsyncEngine, store: UploadStore, identity: StoreIdentity, key: SecretStr | None) -> None:
        self._engine = engine
        self._store = store
        self._identity = identity
        self._suppressions = Suppressions(key)

    async def rewrite_next(self) -> bool:
        """False when there is none. Raises `ErasureKeyWrong`, and what the store and the database raise."""
        await delete_unnamed(self._engine, self._store)
        async with self._engine.begin() as connection:
            upload = (await connection.execute(FIND_LATER_FILE)).one_or_none()
            if upload is None:
                return False
            is_erased = await self._suppressions.read(connection)
        rewritten = None
        if is_erased is not None:
            await self._identity.require()
            rewritten = await StoredFile(self._store, upload, NamedPeople(is_erased), _ANY_EMAIL).rewrite()
        async with self._engine.begin() as connection:
            if rewritten is None or await name_new_file(connection, upload, rewritten):
                await connection.execute(NOTE_LATER_FILE, {"id": upload.id})
        log.info("file rewritten without erased people", upload_id=str(upload.id))
        return True
