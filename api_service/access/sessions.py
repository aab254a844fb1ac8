"""The sessions of browsers: a row for each, which a random token in a cookie names.

A session is a row and no signed text, so that signing out ends it everywhere, and a copy of the database holds nothing
that would sign another. It may what its key may, and ends with it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.access.tokens import SESSION, Token, new_token
from shared.database.tables import key_sessions

LASTS: Final = timedelta(hours=12)
# Of one key; who begins another ends the oldest, so that no key fills the memory of all processes.
MOST_A_KEY: Final = 100


async def begin_session(connection: AsyncConnection, key_id: str, *, lasts: timedelta = LASTS) -> Token:
    await connection.execute(delete(key_sessions).where(key_sessions.c.expires_at <= func.now()))
    kept = select(key_sessions.c.id).where(key_sessions.c.key_id == key_id)
    kept = kept.order_by(key_sessions.c.created_at.desc()).limit(MOST_A_KEY - 1)
    await connection.execute(
        delete(key_sessions).where(key_sessions.c.key_id == key_id, key_sessions.c.id.not_in(kept))
    )
    token = new_token(SESSION)
    values = {"id": token.id, "key_id": key_id, "digest": token.digest, "expires_at": func.now() + lasts}
    await connection.execute(insert(key_sessions).values(values))
    return token


async def end_session(connection: AsyncConnection, session_id: str) -> None:
    await connection.execute(delete(key_sessions).where(key_sessions.c.id == session_id))
