"""What is asked of the tables of keys."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.access.callers import ADMIN, PERSON
from shared.access.tokens import Token
from shared.database.tables import api_keys, uploads

# All but the digest, which nobody is shown.
_SHOWN = [column for column in api_keys.c if column is not api_keys.c.digest]


async def insert_key(
    connection: AsyncConnection,
    token: Token,
    *,
    name: str,
    scopes: Sequence[str],
    created_by: str | None,
    expires_at: datetime | None = None,
) -> Row[Any]:
    values = {"id": token.id, "digest": token.digest, "name": name, "scopes": list(scopes)}
    statement = insert(api_keys).values(**values, created_by=created_by, expires_at=expires_at).returning(*_SHOWN)
    return (await connection.execute(statement)).one()


async def list_keys(
    connection: AsyncConnection, *, before: tuple[datetime, str] | None, offset: int, limit: int
) -> Sequence[Row[Any]]:
    """Newest first, with those that are revoked."""
    statement = select(*_SHOWN).order_by(api_keys.c.created_at.desc(), api_keys.c.id.desc()).offset(offset).limit(limit)
    if before is not None:
        statement = statement.where(tuple_(api_keys.c.created_at, api_keys.c.id) < before)
    return (await connection.execute(statement)).all()


async def count_keys(connection: AsyncConnection) -> int:
    return (await connection.execute(select(func.count()).select_from(api_keys))).scalar_one()


async def key_by_id(connection: AsyncConnection, key_id: str) -> Row[Any] | None:
    return (await connection.execute(select(*_SHOWN).where(api_keys.c.id == key_id))).one_or_none()


async def revoke_key(connection: AsyncConnection, key_id: str) -> bool:
    """Whether there is such a key; one that was revoked before keeps its time."""
    revoked_at = func.coalesce(api_keys.c.revoked_at, func.now())
    statement = update(api_keys).where(api_keys.c.id == key_id).values(revoked_at=revoked_at)
    return (await connection.execute(statement)).rowcount == 1


async def has_admin(connection: AsyncConnection) -> bool:
    """Whether there is a key that can make others. A person's is gone tomorrow, and nobody has its text."""
    is_good = api_keys.c.revoked_at.is_(None) & (api_keys.c.expires_at.is_(None) | (api_keys.c.expires_at > func.now()))
    statement = select(func.count()).where(api_keys.c.scopes.any(ADMIN) & is_good & ~api_keys.c.name.startswith(PERSON))
    return (await connection.execute(statement)).scalar_one() > 0


async def owner_of(connection: AsyncConnection, upload_id: Any) -> str | None:
    """The name of the key that it came with. Raises LookupError where there is no such upload."""
    found = (await connection.execute(select(uploads.c.uploaded_by).where(uploads.c.id == upload_id))).one_or_none()
    if found is None:
        raise LookupError(upload_id)
    name: str | None = found.uploaded_by
    return name
