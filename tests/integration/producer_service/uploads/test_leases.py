"""Leases: one producer an upload, by the database's clock, and a fencing number that keeps late writers out."""

from __future__ import annotations

import asyncio
import uuid

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from producer_service.uploads import leases, upload_state
from producer_service.uploads.leases import Lease, LeaseLost
from shared.database.ledger import LedgerEntry, insert_entry
from shared.messages import ChunkCounts
from tests.integration.producer_service.conftest import AddUpload
from tests.support.waiting import eventually, somebody_waits_for_a_lock


async def test_upload_that_is_leased_is_nobody_elses(engine: AsyncEngine, add_upload: AddUpload) -> None:
    upload_id = await add_upload()

    assert await _acquire(engine, upload_id, "one") == Lease(upload_id, fence=1, fruitless=0)
    assert await _acquire(engine, upload_id, "two") is None
    assert await _due(engine) == []


async def test_of_many_that_want_an_upload_at_once_one_gets_it(engine: AsyncEngine, add_upload: AddUpload) -> None:
    upload_id = await add_upload()

    acquired = await asyncio.gather(*(_acquire(engine, upload_id, f"producer {number}") for number in range(6)))

    assert len([lease for lease in acquired if lease is not None]) == 1


async def test_lease_that_ran_out_goes_to_another_with_a_larger_number(
    engine: AsyncEngine, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    upload_id = await add_upload()
    sleeper = await _acquire(engine, upload_id, "sleeper")
    assert sleeper is not None
    await _expire(database)
    assert await _due(engine) == [upload_id]

    other = await _acquire(engine, upload_id, "other")

    assert other is not None
    assert other.fence > sleeper.fence
    async with engine.begin() as connection:
        await leases.prove(connection, other)
        with pytest.raises(LeaseLost):
            await leases.prove(connection, sleeper)
        with pytest.raises(LeaseLost):
            await leases.renew(connection, sleeper, seconds=60)
        # The sleeper releases a lease that is no longer its own.
        await leases.release(connection, sleeper)
    assert await _due(engine) == []


async def test_lease_that_ran_out_while_nobody_wanted_it_is_good_again(
    engine: AsyncEngine, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    lease = await _acquire(engine, await add_upload(), "one")
    assert lease is not None
    await _expire(database)

    async with engine.begin() as connection:
        await leases.renew(connection, lease, seconds=60)

    assert await _due(engine) == []


async def test_lease_that_was_let_go_is_due_at_once_or_after_a_while(
    engine: AsyncEngine, add_upload: AddUpload
) -> None:
    now, later = await add_upload(), await add_upload()
    for upload_id, seconds in ((now, 0), (later, 60)):
        lease = await _acquire(engine, upload_id, "one")
        assert lease is not None
        async with engine.begin() as connection:
            await leases.release(connection, lease, after_seconds=seconds)

    assert await _due(engine) == [now]


@pytest.mark.parametrize("status", ["succeeded", "partially_succeeded", "failed", "cancelled"])
async def test_finished_upload_is_never_due_and_never_leased(
    status: str, engine: AsyncEngine, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    upload_id = await add_upload(status=status)
    await database.execute("UPDATE uploads SET finished_at = now()")

    assert await _due(engine) == []
    assert await _acquire(engine, upload_id, "one") is None
    assert await _acquire(engine, uuid.uuid4(), "one") is None


async def test_upload_that_is_being_finished_is_not_leased_behind_its_end(
    engine: AsyncEngine, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    """Its lease was let run out, so that another wants it in the very moment in which its holder finishes."""
    upload_id = await add_upload(status="running")
    lease = await _acquire(engine, upload_id, "holder")
    assert lease is not None
    await _expire(database)

    async with engine.begin() as connection:
        await upload_state.finish(connection, lease, rows_read=0, byte_count=0, problem=None)
        other = asyncio.create_task(_acquire(engine, upload_id, "other"))
        await eventually(lambda: somebody_waits_for_a_lock(database))

    assert await other is None
    assert await database.fetchval("SELECT count(*) FROM upload_leases") == 0


async def test_due_uploads_come_oldest_first_in_every_unfinished_state(
    engine: AsyncEngine, add_upload: AddUpload
) -> None:
    expected = [await add_upload(status=status) for status in ("running", "queued", "cancelling", "queued")]

    assert await _due(engine) == expected
    assert await _due(engine, limit=2) == expected[:2]


async def test_due_uploads_are_told_by_their_size(engine: AsyncEngine, add_upload: AddUpload) -> None:
    ids = [await add_upload(byte_count=byte_count) for byte_count in (0, 100, 101, 200, 201)]

    async with engine.connect() as connection:
        by_size = [
            await leases.due_uploads(connection, over_bytes=over, up_to_bytes=up_to, limit=10)
            for over, up_to in ((-1, 100), (100, 200), (200, 2**63 - 1))
        ]

    assert by_size == [ids[:2], ids[2:4], ids[4:]]


async def test_holders_that_die_without_progress_are_counted_and_progress_forgives_them(
    engine: AsyncEngine, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    upload_id = await add_upload()
    fruitless = []
    for number in range(6):
        if number == 4:
            await _progress(engine, upload_id)
        lease = await _acquire(engine, upload_id, f"producer {number}")
        assert lease is not None
        fruitless.append(lease.fruitless)
        await _expire(database)

    assert fruitless == [0, 1, 2, 3, 0, 1]


async def test_holder_that_let_go_or_comes_back_has_not_died(
    engine: AsyncEngine, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    upload_id = await add_upload()
    for _ in range(3):
        lease = await _acquire(engine, upload_id, "comes back")
        await _expire(database)
    assert lease is not None
    async with engine.begin() as connection:
        await leases.release(connection, lease)

    again = await _acquire(engine, upload_id, "another")

    assert again is not None
    assert again.fruitless == 0


async def _acquire(engine: AsyncEngine, upload_id: uuid.UUID, owner: str) -> Lease | None:
    async with engine.begin() as connection:
        return await leases.acquire(connection, upload_id, owner=owner, seconds=60)


async def _due(engine: AsyncEngine, *, limit: int = 10) -> list[uuid.UUID]:
    async with engine.connect() as connection:
        return await leases.due_uploads(connection, over_bytes=-1, up_to_bytes=2**63 - 1, limit=limit)


async def _expire(database: asyncpg.Connection) -> None:
    await database.execute("UPDATE upload_leases SET expires_at = now() - interval '1 second'")


async def _progress(engine: AsyncEngine, upload_id: uuid.UUID) -> None:
    async with engine.begin() as connection:
        await insert_entry(connection, upload_id, LedgerEntry(1, 1, 1, ChunkCounts(inserted=1)), slot=0)
