"""Files that no upload knows go a day after they were marked, and not at all when they are many."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from api_service.operations import unknown_files
from api_service.operations.retention import purge
from api_service.operations.unknown_files import RESTORED_KEY
from api_service.settings import ApiSettings
from shared.database.engine import create_engine
from shared.store_identity import IDENTITY_KEY, StoreIdentity, give_id
from shared.upload_store import UploadStore
from tests.support.uploads import insert_upload
from tools.backup.__main__ import RESTORED_KEY as restore_mark

LIMIT = 3


@pytest.fixture
async def engine(settings: ApiSettings) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(settings, "test", pool_size=5, pool_timeout_seconds=2)
    yield engine
    await engine.dispose()


@pytest.fixture
async def folder(engine: AsyncEngine, upload_store_url: str) -> Path:
    """The system's own store, as from its first start on."""
    await StoreIdentity(engine, UploadStore(upload_store_url), may_be_first=True).require()
    return Path(urlsplit(upload_store_url).path)


@pytest.fixture
def sweep_settings(settings: ApiSettings) -> ApiSettings:
    return settings.model_copy(update={"unknown_files_limit": LIMIT})


def store_file(folder: Path, name: str | uuid.UUID, *, is_old: bool = True) -> Path:
    file = folder / str(name)
    file.write_bytes(b"x")
    if is_old:
        make_old(file)
    return file


def make_old(*paths: Path) -> None:
    two_days_ago = time.time() - 2 * 24 * 3600
    for path in paths:
        os.utime(path, (two_days_ago, two_days_ago))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name != IDENTITY_KEY}


async def test_unknown_file_is_marked_first_and_deleted_a_day_later(
    engine: AsyncEngine, sweep_settings: ApiSettings, database: asyncpg.Connection, folder: Path
) -> None:
    known = store_file(folder, await insert_upload(database, status="running"))
    fresh = store_file(folder, uuid.uuid4(), is_old=False)
    not_ours = store_file(folder, "not-ours.txt")
    lost = store_file(folder, uuid.uuid4())
    killed_while_writing = store_file(folder, f"{uuid.uuid4()}#1")
    store = UploadStore(folder.as_uri())
    stay = {known.name, fresh.name, not_ours.name}

    assert await purge(engine, store, sweep_settings) == (0, 0, 1, 0)
    assert not killed_while_writing.exists()
    mark = folder / f"{lost.name}.unknown"
    # A second sweep on the same day neither deletes nor marks anew.
    marked_at = mark.stat().st_mtime_ns
    assert await purge(engine, store, sweep_settings) == (0, 0, 0, 0)
    assert names(folder) == stay | {lost.name, mark.name}
    assert mark.stat().st_mtime_ns == marked_at

    make_old(mark)
    assert await purge(engine, store, sweep_settings) == (0, 0, 1, 0)
    assert names(folder) == stay


async def test_text_that_was_made_of_a_file_goes_and_stays_as_the_file_does(
    engine: AsyncEngine, sweep_settings: ApiSettings, database: asyncpg.Connection, folder: Path
) -> None:
    known, lost = await insert_upload(database, status="running"), uuid.uuid4()
    stay = {store_file(folder, known).name, store_file(folder, f"{known}.csv").name}
    left = {store_file(folder, lost).name, store_file(folder, f"{lost}.csv").name}
    store = UploadStore(folder.as_uri())

    assert await purge(engine, store, sweep_settings) == (0, 0, 0, 0)
    marks = {f"{name}.unknown" for name in left}
    assert names(folder) == stay | left | marks
    make_old(*(folder / mark for mark in marks))
    assert await purge(engine, store, sweep_settings) == (0, 0, 2, 0)
    assert names(folder) == stay


async def test_file_that_is_known_again_loses_its_mark_and_stays(
    engine: AsyncEngine, sweep_settings: ApiSettings, database: asyncpg.Connection, folder: Path
) -> None:
    upload_id = await insert_upload(database, status="running")
    file, mark = store_file(folder, upload_id), store_file(folder, f"{upload_id}.unknown")

    assert await purge(engine, UploadStore(folder.as_uri()), sweep_settings) == (0, 0, 0, 0)

    assert names(folder) == {file.name}
    assert not mark.exists()


@pytest.mark.fault(36)
async def test_files_of_uploads_that_a_restored_backup_does_not_know_are_all_kept(
    engine: AsyncEngine,
    sweep_settings: ApiSettings,
    database: asyncpg.Connection,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # One that was used under another test's configuration keeps it, and nothing of it is captured.
    monkeypatch.setattr(unknown_files, "log", structlog.get_logger())
    accepted_since_the_backup = [uuid.uuid4() for _ in range(LIMIT + 1)]
    for key in accepted_since_the_backup:
        store_file(folder, key)
    # Not even one that another sweep had marked.
    store_file(folder, f"{accepted_since_the_backup[0]}.unknown")
    before = names(folder)

    with capture_logs() as logs:
        assert await purge(engine, UploadStore(folder.as_uri()), sweep_settings) == (0, 0, 0, 0)

    assert names(folder) == before
    assert [line["event"] for line in logs if line["log_level"] == "error"] == [
        "stored files that no upload knows are kept, because they are too many"
    ]
    assert "ROLLCALL_API_UNKNOWN_FILES_LIMIT" in str(logs)


@pytest.mark.fault(36)
async def test_one_file_that_a_restored_backup_does_not_know_is_there_after_the_first_sweep(
    engine: AsyncEngine, sweep_settings: ApiSettings, database: asyncpg.Connection, folder: Path
) -> None:
    file = store_file(folder, uuid.uuid4())

    await purge(engine, UploadStore(folder.as_uri()), sweep_settings)

    assert file.exists()


@pytest.mark.fault(26)
@pytest.mark.fault(36)
async def test_nothing_is_marked_or_deleted_in_a_store_of_another_identity(
    engine: AsyncEngine, sweep_settings: ApiSettings, database: asyncpg.Connection, folder: Path
) -> None:
    store = UploadStore(folder.as_uri())
    key = uuid.uuid4()
    store_file(folder, key)
    store_file(folder, f"{key}.unknown")
    part = store_file(folder, f"{uuid.uuid4()}#1")
    before = names(folder)
    await give_id(store)

    assert await purge(engine, store, sweep_settings) == (0, 0, 0, 0)

    assert names(folder) == before
    assert part.exists()


async def test_text_of_a_sheet_stays_only_while_its_upload_reads_it(
    engine: AsyncEngine, sweep_settings: ApiSettings, database: asyncpg.Connection, folder: Path
) -> None:
    known, lost = await insert_upload(database, status="draft"), uuid.uuid4()
    read, superseded, of_nobody = (f"{known}.0a1b2c3d.csv", f"{known}.ffffffff.csv", f"{lost}.0a1b2c3d.csv")
    await database.execute("UPDATE uploads SET object_key = $1, original_key = id::text", read)
    for name in (str(known), read, superseded, of_nobody):
        store_file(folder, name)
    store = UploadStore(folder.as_uri())
    assert await purge(engine, store, sweep_settings) == (0, 0, 0, 0)
    make_old(*(folder / f"{name}.unknown" for name in (superseded, of_nobody)))
    assert await purge(engine, store, sweep_settings) == (0, 0, 2, 0)
    assert names(folder) == {str(known), read}


async def test_few_files_that_a_restored_database_does_not_know_are_kept_while_the_mark_of_the_restore_stands(
    engine: AsyncEngine, sweep_settings: ApiSettings, database: asyncpg.Connection, folder: Path
) -> None:
    known = store_file(folder, await insert_upload(database, status="running"))
    since_the_backup, restored = store_file(folder, uuid.uuid4()), store_file(folder, RESTORED_KEY)
    store = UploadStore(folder.as_uri())

    assert await purge(engine, store, sweep_settings) == (0, 0, 0, 0)
    assert names(folder) == {known.name, since_the_backup.name, restored.name}

    restored.unlink()
    assert await purge(engine, store, sweep_settings) == (0, 0, 0, 0)
    assert f"{since_the_backup.name}.unknown" in names(folder)


def test_the_restore_leaves_the_mark_that_is_heeded() -> None:
    assert restore_mark == RESTORED_KEY
