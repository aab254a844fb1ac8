"""A store is known by its id: given once, compared ever after, and taken over only where it is plainly the system's."""

from __future__ import annotations

import asyncio
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.store_identity import IDENTITY_KEY, StoreIdentity, WrongStore, give_id, stored_id
from shared.upload_store import StoreUnavailable, UploadStore
from tests.support.s3 import BUCKET, running_s3, use_s3
from tests.support.uploads import insert_upload

pytestmark = pytest.mark.fault(26)

OpenStore = Callable[[str], UploadStore]


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    with running_s3() as endpoint:
        yield endpoint


@pytest.fixture(params=["folder", "s3"])
def open_store(
    request: pytest.FixtureRequest, tmp_path: Path, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> OpenStore:
    """Stores by name, each a place of its own."""
    if request.param == "folder":
        return lambda name: UploadStore((tmp_path / name).as_uri())
    use_s3(monkeypatch, s3_endpoint)
    return lambda name: UploadStore(f"s3://{BUCKET}/{tmp_path.name}/{name}")


@pytest.fixture
def store(open_store: OpenStore) -> UploadStore:
    return open_store("store")


async def put(store: UploadStore, key: str, content: bytes = b"x") -> None:
    async with store.writing(key) as writer:
        await writer.write(content)


async def add_upload(
    database: asyncpg.Connection, store: UploadStore | None, *, is_finished: bool = False
) -> uuid.UUID:
    """An upload of the database, and its file in this store."""
    key = str(uuid.uuid4())
    upload_id = await insert_upload(database, object_key=key, status="succeeded" if is_finished else "queued")
    if is_finished:
        await database.execute("UPDATE uploads SET finished_at = now() WHERE id = $1", upload_id)
    if store is not None:
        await put(store, key)
    return upload_id


async def known(database: asyncpg.Connection) -> uuid.UUID | None:
    found: uuid.UUID | None = await database.fetchval("SELECT id FROM upload_store")
    return found


async def test_many_that_start_at_once_give_a_store_one_id(
    engine: AsyncEngine, database: asyncpg.Connection, store: UploadStore
) -> None:
    services = [StoreIdentity(engine, store, may_be_first=True) for _ in range(5)]
    await asyncio.gather(*(service.require() for service in services))

    assert await known(database) is not None
    assert await stored_id(store) == await known(database)
    before = await stored_id(store)
    await services[0].require()
    assert await stored_id(store) == before


async def test_one_that_looked_before_another_gave_the_store_its_id_does_not_refuse_it(
    engine: AsyncEngine, database: asyncpg.Connection, store: UploadStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = StoreIdentity(engine, store, may_be_first=True)
    others: list[asyncio.Task[None]] = []
    read = store.read

    async def read_and_let_the_other_go_first(key: str) -> bytes:
        try:
            return await read(key)
        finally:
            if not others:
                others.append(asyncio.create_task(other.require()))
                # It waits for us where we have the lock, and is through within that time where we have not.
                await asyncio.wait(others, timeout=1)

    monkeypatch.setattr(store, "read", read_and_let_the_other_go_first)
    await StoreIdentity(engine, store, may_be_first=True).require()
    [other_is_through] = others
    await other_is_through
    assert await stored_id(store) == await known(database) is not None


async def test_store_without_the_id_and_one_with_another_are_refused_until_the_right_one_is_back(
    engine: AsyncEngine, open_store: OpenStore
) -> None:
    right, empty, other = open_store("right"), open_store("empty"), open_store("other")
    await StoreIdentity(engine, right, may_be_first=True).require()
    other_id = await give_id(other)

    with pytest.raises(WrongStore, match=r"empty, not mounted, or another one.*docs/operations.md"):
        await StoreIdentity(engine, empty, may_be_first=True).require()
    with pytest.raises(WrongStore, match=str(other_id)):
        await StoreIdentity(engine, other, may_be_first=False).require()

    await StoreIdentity(engine, right, may_be_first=False).require()
    # Neither was written to.
    assert await stored_id(empty) is None
    assert await stored_id(other) == other_id


async def test_something_else_in_the_place_of_the_id_is_no_id(engine: AsyncEngine, store: UploadStore) -> None:
    await StoreIdentity(engine, store, may_be_first=True).require()
    await put(store, IDENTITY_KEY, b"\xff\xfe nothing of ours\n")

    with pytest.raises(WrongStore):
        await StoreIdentity(engine, store, may_be_first=True).require()


async def test_service_that_was_killed_between_object_and_row_is_followed_by_one_that_goes_on(
    engine: AsyncEngine, database: asyncpg.Connection, store: UploadStore
) -> None:
    left_behind = await give_id(store)

    await StoreIdentity(engine, store, may_be_first=True).require()

    assert await known(database) == left_behind


@pytest.mark.parametrize("may_be_first", [True, False], ids=["API", "producer"])
@pytest.mark.parametrize("is_finished", [True, False], ids=["finished", "unfinished"])
async def test_store_of_an_earlier_release_is_adopted_by_the_files_that_the_database_knows(
    is_finished: bool, may_be_first: bool, engine: AsyncEngine, database: asyncpg.Connection, store: UploadStore
) -> None:
    await add_upload(database, store, is_finished=is_finished)
    # One whose file was lost does not make the store a wrong one.
    await add_upload(database, None)

    await StoreIdentity(engine, store, may_be_first=may_be_first).require()

    assert await stored_id(store) == await known(database) is not None


@pytest.mark.parametrize("may_be_first", [True, False], ids=["API", "producer"])
@pytest.mark.parametrize("holds_others", [False, True], ids=["empty", "another's"])
async def test_store_without_a_file_of_an_unfinished_upload_is_not_adopted(
    holds_others: bool, may_be_first: bool, engine: AsyncEngine, database: asyncpg.Connection, store: UploadStore
) -> None:
    await add_upload(database, None)
    if holds_others:
        await put(store, str(uuid.uuid4()))

    with pytest.raises(WrongStore, match="none of the files of the unfinished uploads"):
        await StoreIdentity(engine, store, may_be_first=may_be_first).require()

    assert await known(database) is None
    assert await stored_id(store) is None


async def test_new_system_does_not_take_over_the_store_of_another(
    engine: AsyncEngine, database: asyncpg.Connection, store: UploadStore
) -> None:
    its_id = await give_id(store)
    await put(store, str(uuid.uuid4()))

    with pytest.raises(WrongStore, match="another system's"):
        await StoreIdentity(engine, store, may_be_first=True).require()

    assert (await known(database), await stored_id(store)) == (None, its_id)


async def test_store_keeps_its_id_when_its_database_is_of_before_the_id(
    engine: AsyncEngine, database: asyncpg.Connection, store: UploadStore
) -> None:
    await add_upload(database, store)
    its_id = await give_id(store)

    await StoreIdentity(engine, store, may_be_first=True).require()

    assert await known(database) == its_id


async def test_producer_of_a_system_without_uploads_leaves_the_first_store_to_the_api(
    engine: AsyncEngine, database: asyncpg.Connection, open_store: OpenStore
) -> None:
    its_own, of_the_api = open_store("its own"), open_store("of the API")
    await StoreIdentity(engine, its_own, may_be_first=False).require()
    assert await known(database) is None

    await StoreIdentity(engine, of_the_api, may_be_first=True).require()

    with pytest.raises(WrongStore):
        await StoreIdentity(engine, its_own, may_be_first=False).require()


async def test_bucket_that_is_not_there_is_unavailable_and_not_a_wrong_store(
    engine: AsyncEngine, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_s3(monkeypatch, s3_endpoint)
    with pytest.raises(StoreUnavailable) as raised:
        await StoreIdentity(engine, UploadStore("s3://no-such-bucket"), may_be_first=True).require()
    assert not isinstance(raised.value, WrongStore)


async def test_folder_that_is_gone_altogether_is_not_made_again(
    engine: AsyncEngine, database: asyncpg.Connection, tmp_path: Path
) -> None:
    folder = tmp_path / "store"
    store = UploadStore(folder.as_uri())
    await StoreIdentity(engine, store, may_be_first=True).require()
    shutil.rmtree(folder)

    with pytest.raises(WrongStore):
        await StoreIdentity(engine, store, may_be_first=True).require()

    assert not folder.exists()
