"""A folder and an S3 keep alike what the API and the producer rely on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest

from shared.upload_store import S3_PART_BYTES, ObjectMissing, StoreFull, StoreUnavailable, UploadStore
from tests.support.s3 import BUCKET, full_s3, running_s3, use_s3
from tests.support.uploads import stored_files

LARGE = os.urandom(3 * S3_PART_BYTES + 12_345)


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    with running_s3() as endpoint:
        yield endpoint


@pytest.fixture(params=["folder", "s3"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> UploadStore:
    if request.param == "folder":
        return UploadStore((tmp_path / "not made yet").as_uri())
    use_s3(monkeypatch, s3_endpoint)
    return UploadStore(f"s3://{BUCKET}/{tmp_path.name}")


async def write(store: UploadStore, key: str, content: bytes) -> None:
    async with store.writing(key) as writer:
        for start in range(0, len(content), 256 * 1024):
            await writer.write(content[start : start + 256 * 1024])


async def fail_while_writing(store: UploadStore, content: bytes) -> None:
    with contextlib.suppress(KeyError):
        async with store.writing("key") as writer:
            await writer.write(content)
            raise KeyError


async def keys(store: UploadStore) -> list[str]:
    return sorted([key async for key in store.list_older_than(timedelta(seconds=-10))])


@pytest.mark.parametrize("content", [b"", b"one line\n", LARGE], ids=["empty", "small", "several parts"])
async def test_what_was_written_is_read_back_by_both_readers(store: UploadStore, content: bytes) -> None:
    await write(store, "key", content)
    assert b"".join([block async for block in store.stream("key")]) == content
    with await asyncio.to_thread(store.open_blocking, "key") as file:
        assert file.size == len(content)
        assert await asyncio.to_thread(file.read) == content


async def test_a_blocking_reader_takes_lines_and_odd_sizes(store: UploadStore) -> None:
    await write(store, "key", b"first\nsecond\n" + LARGE)

    def read() -> tuple[bytes, bytes, bytes]:
        with store.open_blocking("key") as file:
            return file.readline(), file.read(3), file.read(2 * 1024 * 1024)

    assert await asyncio.to_thread(read) == (b"first\n", b"sec", (b"ond\n" + LARGE)[: 2 * 1024 * 1024])


async def test_an_object_is_not_there_before_it_is_whole(store: UploadStore) -> None:
    async with store.writing("key") as writer:
        await writer.write(LARGE)
        assert not await store.exists("key")
        assert await keys(store) == []
    assert await store.exists("key")
    assert await keys(store) == ["key"]


@pytest.mark.parametrize("written", [b"little", LARGE], ids=["less than a part", "several parts"])
async def test_a_failure_while_writing_leaves_nothing(store: UploadStore, written: bytes) -> None:
    await fail_while_writing(store, written)
    assert not await store.exists("key")
    assert await store.delete_unfinished_older_than(timedelta(seconds=-10)) == 0


async def test_a_cancelled_write_leaves_nothing(store: UploadStore) -> None:
    begun = asyncio.Event()

    async def write_for_ever() -> None:
        async with store.writing("key") as writer:
            await writer.write(LARGE)
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write_for_ever())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not await store.exists("key")
    assert await store.delete_unfinished_older_than(timedelta(seconds=-10)) == 0


async def test_an_aborted_upload_leaves_no_parts_that_an_s3_would_bill(
    s3_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_s3(monkeypatch, s3_endpoint)
    store = UploadStore(f"s3://{BUCKET}/{tmp_path.name}")
    await fail_while_writing(store, LARGE)
    unfinished = httpx2.get(f"{s3_endpoint}/{BUCKET}?uploads").text
    assert tmp_path.name not in unfinished


async def test_delete_is_safe_to_repeat(store: UploadStore) -> None:
    await write(store, "key", b"x")
    await store.delete("key")
    await store.delete("key")
    assert await keys(store) == []


async def test_a_missing_object_says_so(store: UploadStore) -> None:
    with pytest.raises(ObjectMissing):
        await asyncio.to_thread(store.open_blocking, "none")
    with pytest.raises(ObjectMissing):
        await anext(store.stream("none"))
    assert not await store.exists("none")


async def test_only_objects_past_the_age_are_listed(store: UploadStore) -> None:
    await write(store, "key", b"x")
    assert [key async for key in store.list_older_than(timedelta(hours=1))] == []


async def test_what_a_killed_writer_left_in_a_folder_is_deleted_after_its_time(tmp_path: Path) -> None:
    store = UploadStore(tmp_path.as_uri())
    await write(store, "whole", b"x")
    old, new = tmp_path / "old#1", tmp_path / "new#1"
    for path in (old, new):
        path.write_bytes(b"part of a file")
    an_hour_ago = time.time() - 3600
    os.utime(old, (an_hour_ago, an_hour_ago))
    assert await store.delete_unfinished_older_than(timedelta(minutes=30)) == 1
    assert not old.exists()
    assert new.exists()
    assert await store.exists("whole")


async def test_a_store_that_does_not_answer_is_unavailable(
    monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    use_s3(monkeypatch, f"http://127.0.0.1:{unused_tcp_port}")
    store = UploadStore(f"s3://{BUCKET}")
    with pytest.raises(StoreUnavailable):
        await store.exists("key")
    with pytest.raises(StoreUnavailable):
        await write(store, "key", b"x")


async def test_a_bucket_that_does_not_exist_is_unavailable(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use_s3(monkeypatch, s3_endpoint)
    store = UploadStore("s3://no-such-bucket")
    with pytest.raises(StoreUnavailable):
        await write(store, "key", b"x")
    with pytest.raises(StoreUnavailable):
        await store.is_reachable()


async def test_a_store_without_room_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async with full_s3() as endpoint:
        use_s3(monkeypatch, endpoint)
        with pytest.raises(StoreFull):
            await write(UploadStore(f"s3://{BUCKET}"), "key", b"x")


async def test_a_reachable_store_says_so(store: UploadStore) -> None:
    assert await store.is_reachable()


async def test_a_store_with_room_says_so_and_leaves_nothing(store: UploadStore, tmp_path: Path) -> None:
    await store.require_room()

    assert stored_files(tmp_path.as_uri()) == []


async def test_a_folder_that_is_gone_is_unavailable_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "uploads"
    store = UploadStore(folder.as_uri())
    folder.rename(tmp_path / "elsewhere")

    with pytest.raises(StoreUnavailable, match="the upload store is not there"):
        await store.free_bytes()
    with pytest.raises(StoreUnavailable, match="the upload store is not there"):
        await store.require_room()


async def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable):
        UploadStore((tmp_path / "file" / "folder").as_uri())


def test_other_kinds_of_store_are_refused() -> None:
    with pytest.raises(ValueError, match="file:///folder or s3://bucket/prefix"):
        UploadStore("https://example.com/uploads")
