"""People who signed in at their provider: each has a row among the keys, whose text nobody was ever told.

So a person is a caller like any other: the session ends at once when the row is revoked, the list of keys shows who may
what, and the audit names it by its id.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from api_service.access.oidc.person import Person
from shared.access.callers import Caller
from shared.access.tokens import KEY, new_token
from shared.database.tables import api_keys


async def welcome(connection: AsyncConnection, person: Person, *, lasts: timedelta) -> Caller:
    """What the person may from now on, in each of their sessions. Who was revoked comes in by a new row."""
    values = {"name": person.name, "scopes": list(person.scopes), "expires_at": func.now() + lasts}
    known = update(api_keys).where(api_keys.c.created_by == person.identity, api_keys.c.revoked_at.is_(None))
    key_id = (await connection.execute(known.values(values).returning(api_keys.c.id))).scalars().first()
    if key_id is None:
        token = new_token(KEY)
        key_id = token.id
        made = insert(api_keys).values(id=key_id, digest=token.digest, created_by=person.identity, **values)
        await connection.execute(made)
    return Caller(person.name, frozenset(person.scopes), key_id)


async def end_sessions(connection: AsyncConnection, identity: str) -> None:
    """Of a person who may do nothing here any more."""
    known = update(api_keys).where(api_keys.c.created_by == identity, api_keys.c.revoked_at.is_(None))
    await connection.execute(known.values(expires_at=func.now()))
