"""Producers of release 0.2.0 that come back leave alone what this release has accepted, whoever had it meanwhile."""

from __future__ import annotations

import uuid

import asyncpg
import httpx2
from sqlalchemy.ext.asyncio import AsyncEngine

from producer_service.uploads import leases
from tests.support.uploads import SMALL_CSV, send

# As they look for uploads that nobody works on, but for the order.
_DUE = """
    SELECT u.id FROM uploads AS u LEFT JOIN upload_leases AS l ON l.upload_id = u.id
    WHERE u.finished_at IS NULL AND (l.upload_id IS NULL OR l.expires_at < now())
"""


async def test_upload_is_due_for_producers_of_this_release_alone(
    api: httpx2.AsyncClient, engine: AsyncEngine, database: asyncpg.Connection
) -> None:
    upload_id = uuid.UUID((await send(api, SMALL_CSV)).json()["id"])
    draft = (await send(api, SMALL_CSV, start="draft")).json()
    started_id = uuid.UUID((await api.post(f"/v1/uploads/{draft['id']}/start")).json()["id"])

    async def due() -> list[uuid.UUID]:
        async with engine.connect() as connection:
            return await leases.due_uploads(connection, over_bytes=-1, up_to_bytes=1 << 40, limit=10)

    assert await due() == [upload_id, started_id]
    assert await database.fetch(_DUE) == []
    for each in (upload_id, started_id):
        async with engine.begin() as connection:
            lease = await leases.acquire(connection, each, owner="one", seconds=60)
            assert lease is not None
            assert not lease.is_suspected
            await leases.renew(connection, lease, seconds=60)
        assert each not in await due()
        async with engine.begin() as connection:
            await leases.release(connection, lease, after_seconds=-1)
        assert each in await due()
        assert await database.fetch(_DUE) == []
        # One that died is followed by another.
        async with engine.begin() as connection:
            dead = await leases.acquire(connection, each, owner="two", seconds=-1)
            follower = await leases.acquire(connection, each, owner="three", seconds=60)
        assert dead is not None
        assert follower is not None
        assert (follower.fence, follower.is_suspected) == (dead.fence + 1, True)
        assert await database.fetch(_DUE) == []
