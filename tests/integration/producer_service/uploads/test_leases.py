"""Leases: one producer an upload, by the database's clock, and a fencing number that keeps late writers out."""

from __future__ import annotations

import asyncio
import json
import uuid

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from producer_service.uploads import leases, upload_state
from producer_service.uploads.leases import Lease, LeaseLost
from tests.integration.producer_service.conftest import AddUpload
from tests.support.waiting import eventually, somebody_waits_for_a_lock


async def test_upload_that_is_leased_is_nobody_elses(engine: AsyncEngine, add_upload: AddUpload) -> None:
    upload_id = await add_upload()

    assert await _acquire(engine, upload_id, "one") == Lease(upload_id, "one", fence=1)
    assert await _acquire(engine, upload_id, "two") is None
    assert await _due(engine) == []


async def test_upload_that_may_lack_names_waits_for_those_accepted_before_it(
    engine: AsyncEngine, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    earlier, finished = await add_upload(), await add_upload()
    columns = {"employee_name?": [], "email": [0]}
    waiting = await add_upload(field_columns=json.dumps(columns), on_duplicate="update")
    others = [
        await add_upload(field_columns=json.dumps({"mobile_no?": [], "email": [0]}), on_duplicate="update"),
        await add_upload(field_columns=json.dumps(columns), on_duplicate="update", status="running"),
    ]
    await database.execute("UPDATE uploads SET status = 'succeeded', finished_at = now() WHERE id = $1", finished)

    assert await _due(engine) == [earlier, *others]
    assert await _acquire(engine, waiting, "one") is None
    assert await _acquire(engine, earlier, "one") is not None
    assert await _acquire(engine, waiting, "one") is None
    # Whoever cancels it does not wait.
    await database.execute("UPDATE uploads SET status = 'cancelling' WHERE id = $1", waiting)
    assert waiting in await _due(engine)
    await database.execute("UPDATE uploads SET status = 'queued' WHERE id = $1", waiting)
    await database.execute("UPDATE uploads SET status = 'succeeded', finished_at = now() WHERE id = $1", earlier)
    assert await _acquire(engine, waiting, "one") is not None


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


@pytest.mark.fault(27)
async def test_holder_that_died_leaves_a_suspect_and_is_not_counted(
    engine: AsyncEngine, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    upload_id = await add_upload()
    taken = [await _take_from_the_dead(engine, database, upload_id, f"producer {number}") for number in range(7)]

    assert [lease.is_suspected for lease in taken] == [False, *[True] * 6]
    assert [lease.deaths for lease in taken] == [0] * 7


@pytest.mark.fault(27)
async def test_holders_that_died_under_their_mark_are_counted_until_one_survives_the_step(
    engine: AsyncEngine, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    upload_id = await add_upload()
    deaths = []
    for number in range(6):
        lease = await _take_from_the_dead(engine, database, upload_id, f"producer {number}")
        deaths.append(lease.deaths)
        async with engine.begin() as connection:
            await leases.mark_trial(connection, lease)
            if number == 3:
                await leases.unmark_trial(connection, lease, is_survived=True)

    assert deaths == [0, 1, 2, 3, 0, 1]


@pytest.mark.fault(27)
async def test_holder_that_lives_takes_back_its_own_mark_alone(
    engine: AsyncEngine, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    upload_id = await add_upload()
    dead = await _take_from_the_dead(engine, database, upload_id, "dead")
    async with engine.begin() as connection:
        await leases.mark_trial(connection, dead)
    slow = await _take_from_the_dead(engine, database, upload_id, "slow")
    async with engine.begin() as connection:
        await leases.mark_trial(connection, slow)
    successor = await _take_from_the_dead(engine, database, upload_id, "successor")
    assert successor.deaths == 2

    async with engine.begin() as connection:
        # It slept past its lease; what it survived is no longer its to judge.
        await leases.unmark_trial(connection, slow, is_survived=True)
        with pytest.raises(LeaseLost):
            await leases.mark_trial(connection, slow)
    again = await _take_from_the_dead(engine, database, upload_id, "again")
    assert again.deaths == 1


@pytest.mark.fault(27)
async def test_suspect_that_was_let_go_stays_one_until_it_is_acquitted(
    engine: AsyncEngine, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    upload_id = await add_upload()
    for owner in ("dead", "ends politely", "acquits it", "after that"):
        lease = await _take_from_the_dead(engine, database, upload_id, owner)
        assert lease.is_suspected == (owner in ("ends politely", "acquits it"))
        async with engine.begin() as connection:
            if owner == "acquits it":
                await leases.acquit(connection, lease)
            if owner != "dead":
                await leases.release(connection, lease)


async def test_holder_that_let_go_or_comes_back_has_not_died(
    engine: AsyncEngine, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    upload_id = await add_upload()
    for _ in range(3):
        lease = await _take_from_the_dead(engine, database, upload_id, "comes back")
    async with engine.begin() as connection:
        await leases.release(connection, lease)

    again = await _acquire(engine, upload_id, "another")

    assert again is not None
    assert not again.is_suspected


@pytest.mark.fault(27)
async def test_upload_that_producers_died_on_comes_after_those_that_they_did_not(
    engine: AsyncEngine, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    deadly, innocent = await add_upload(), await add_upload()
    lease = await _take_from_the_dead(engine, database, deadly, "dead")
    async with engine.begin() as connection:
        await leases.mark_trial(connection, lease)
    await _expire(database)

    assert await _due(engine) == [innocent, deadly]


@pytest.mark.fault(27)
async def test_producer_of_the_release_before_counts_no_death_that_this_one_saw(
    engine: AsyncEngine, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    upload_id = await add_upload()
    await database.execute(
        "INSERT INTO upload_leases (upload_id, owner, fence, expires_at, fruitless, chunks_at_start)"
        " VALUES ($1, 'of 0.2', 4, now(), 4, 0)",
        upload_id,
    )
    await _take_from_the_dead(engine, database, upload_id, "of this one")

    assert await database.fetchval("SELECT fruitless FROM upload_leases") == 0


async def _take_from_the_dead(
    engine: AsyncEngine, database: asyncpg.Connection, upload_id: uuid.UUID, owner: str
) -> Lease:
    """Whoever had it before let its lease run out."""
    await _expire(database)
    lease = await _acquire(engine, upload_id, owner)
    assert lease is not None
    return lease


async def _acquire(engine: AsyncEngine, upload_id: uuid.UUID, owner: str) -> Lease | None:
    async with engine.begin() as connection:
        return await leases.acquire(connection, upload_id, owner=owner, seconds=60)


async def _due(engine: AsyncEngine, *, limit: int = 10) -> list[uuid.UUID]:
    async with engine.connect() as connection:
        return await leases.due_uploads(connection, over_bytes=-1, up_to_bytes=2**63 - 1, limit=limit)


async def _expire(database: asyncpg.Connection) -> None:
    await database.execute("UPDATE upload_leases SET expires_at = now() - interval '1 second'")
