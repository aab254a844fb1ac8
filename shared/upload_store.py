"""Stores uploaded files, which the API writes and the producer reads, in a local folder or an S3 bucket.

RollcallError
├── ObjectMissing             no such object
└── TryAgainLater
    ├── StoreFull             no room for what is written
    └── StoreUnavailable      the store does not answer, or refuses us
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from shared.errors import RollcallError, TryAgainLater
from shared.store_failures import failure_of

if TYPE_CHECKING:
    from obstore import AsyncWritableFile, ReadableFile

# A writer holds two parts at most: one is being filled, the other is on its way. S3 takes no smaller ones.
S3_PART_BYTES: Final = 5 * 1024 * 1024
FOLDER_PART_BYTES: Final = 256 * 1024
PARTS_HELD: Final = 2
READ_BYTES: Final = 256 * 1024
# Each upload in progress has a file open, and a folder is as quick with little as with much.
FOLDER_READ_BYTES: Final = 64 * 1024

# The library tries for three minutes by itself. A client that waits for its answer would be gone by then.
_RETRIES: Final = 3
_RETRY_TIMEOUT: Final = timedelta(seconds=20)
_REQUEST_TIMEOUT: Final = timedelta(seconds=30)

# With less room than that a folder counts as full, so that its operator hears of it before every upload fails.
LEAST_FREE_BYTES: Final = 5 * 1024 * 1024
_PROBE_BYTES: Final = 4096
_NOT_THERE: Final = "is not there: no such folder or bucket"


class ObjectMissing(RollcallError):
    """The store has no object with this key."""


class StoreUnavailable(TryAgainLater):
    """The store does not answer, or refuses us."""


class StoreFull(TryAgainLater):
    """The store has no room for what is written."""


class UploadStore:
    """Objects that appear whole or not at all, on a `file:///folder` (made if missing) or `s3://bucket/prefix`.

    Credentials and the endpoint of an S3 come from the usual `AWS_*` variables. Nothing connects before the first
    call. Safe for any number of tasks and threads. Everything raises `StoreUnavailable`.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._folder: Path | None = None
        self._read_bytes = FOLDER_READ_BYTES if parts.scheme == "file" else READ_BYTES
        self._part_bytes = FOLDER_PART_BYTES if parts.scheme == "file" else S3_PART_BYTES
        if parts.scheme == "file":
            self._folder = Path(unquote(parts.path))
            with _translated():
                self._store: LocalStore | S3Store = LocalStore(self._folder, mkdir=True)
        elif parts.scheme == "s3":
            self._store = S3Store(
                parts.netloc,
                prefix=parts.path.strip("/") or None,
                retry_config={"max_retries": _RETRIES, "retry_timeout": _RETRY_TIMEOUT},
                client_options={
                    "timeout": _REQUEST_TIMEOUT,
                    # An operator who gives an address without TLS means it.
                    "allow_http": os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://"),
                },
            )
        else:
            raise ValueError(f"an upload store is file:///folder or s3://bucket/prefix, not {parts.scheme}://")

    @contextlib.asynccontextmanager
    async def writing(self, key: str) -> AsyncIterator[ObjectWriter]:
        """The object exists, on disk, once the block ends without an exception; otherwise nothing is left behind.

        Raises `StoreFull` from a write or at the end of the block.
        """
        with _translated():
            file = obstore.open_writer_async(
                self._store, key, buffer_size=self._part_bytes, max_concurrency=PARTS_HELD - 1
            )
        try:
            yield ObjectWriter(file)
        except BaseException as error:
            with contextlib.suppress(BaseError, OSError):
                await file.__aexit__(type(error), error, error.__traceback__)
            raise
        with _translated(missing=StoreUnavailable):
            await file.close()
            if self._folder is not None:
                await asyncio.to_thread(_flush_to_disk, self._folder / key)

    def writer_bytes(self, size: int) -> int:
        """The most memory that a writer of an object of up to this size holds."""
        return min(size, PARTS_HELD * self._part_bytes)

    async def delete(self, key: str) -> None:
        """Delete the object if it exists."""
        with contextlib.suppress(ObjectMissing), _translated():
            await self._store.delete_async(key)

    def open_blocking(self, key: str) -> StoredFile:
        """For use in a thread. Raises `ObjectMissing`; reading can raise `StoreUnavailable` and `ObjectMissing`."""
        with _translated():
            return StoredFile(obstore.open_reader(self._store, key, buffer_size=self._read_bytes), self._read_bytes)

    async def stream(self, key: str) -> AsyncIterator[bytes]:
        """The object's bytes in blocks of at most `READ_BYTES`. Raises `ObjectMissing` before the first."""
        with _translated():
            # `get` would not do: its one request would have to last as long as the slowest client takes.
            file = await obstore.open_reader_async(self._store, key, buffer_size=READ_BYTES)
        while True:
            with _translated():
                block = bytes(await file.read(READ_BYTES))
            if not block:
                return
            yield block

    async def read(self, key: str) -> bytes:
        """The whole of a small object, in one request. Raises `ObjectMissing`."""
        with _translated():
            return bytes(await (await self._store.get_async(key)).bytes_async())

    async def exists(self, key: str) -> bool:
        try:
            with _translated():
                await self._store.head_async(key)
        except ObjectMissing:
            return False
        return True

    async def list_older_than(self, age: timedelta) -> AsyncIterator[str]:
        """The keys of all objects that were finished longer ago than that."""
        before = datetime.now(UTC) - age
        with _translated():
            async for found in self._store.list():
                for each in found:
                    if each["last_modified"] < before:
                        yield each["path"]

    async def delete_unfinished_older_than(self, age: timedelta) -> int:
        """Delete what killed writers left in a folder; their number. On S3 a lifecycle rule of the bucket does it."""
        if self._folder is None:
            return 0
        return await asyncio.to_thread(_delete_unfinished, self._folder, time.time() - age.total_seconds())

    async def is_reachable(self) -> bool:
        """True, or raises `StoreUnavailable`. It does not ask whether there is room."""
        with _translated(missing=StoreUnavailable):
            async for _ in self._store.list(chunk_size=1):
                break
        return True

    async def free_bytes(self) -> int | None:
        """What its file system has left for this user; None for a bucket."""
        if self._folder is None:
            return None
        with _translated(missing=StoreUnavailable):
            state = await asyncio.to_thread(os.statvfs, self._folder)
        return state.f_bavail * state.f_frsize

    async def require_room(self) -> None:
        """Raises `StoreFull` and `StoreUnavailable`. A bucket has to be reachable; a folder is written to."""
        await self.is_reachable()
        if self._folder is None:
            return
        with _translated(missing=StoreUnavailable):
            await asyncio.to_thread(_try_to_write, self._folder)
        free = await self.free_bytes()
        if free is not None and free < LEAST_FREE_BYTES:
            raise StoreFull(f"the upload store is full: {free} bytes left")


class ObjectWriter:
    """Takes an object's bytes in order. `UploadStore.writing` makes it."""

    def __init__(self, file: AsyncWritableFile) -> None:
        self._file = file

    async def write(self, block: bytes) -> None:
        """Waits while as many parts are on their way as may be. Raises `StoreFull`, `StoreUnavailable`."""
        with _translated(missing=StoreUnavailable):
            await self._file.write(block)


class StoredFile(io.BufferedReader):
    """A stored object as an ordinary binary file, read a little ahead; `size` is its length in bytes."""

    def __init__(self, file: ReadableFile, read_bytes: int) -> None:
        super().__init__(_RawStoredFile(file), read_bytes)
        self.size = file.size


class _RawStoredFile(io.RawIOBase):
    def __init__(self, file: ReadableFile) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed's Buffer lacks len()
        with _translated():
            block = self._file.read(len(buffer))
        size = len(block)
        buffer[:size] = memoryview(block)
        return size


@contextlib.contextmanager
def _translated(*, missing: type[RollcallError] = ObjectMissing) -> Iterator[None]:
    """Turn the library's errors into ours. Their text stays out: it names folders, buckets and hosts.

    `missing` is the error for "not found". Where no object is looked for, the bucket or folder itself is not there.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise missing("no such object" if missing is ObjectMissing else f"the upload store {_NOT_THERE}") from error
    except (BaseError, OSError) as error:
        failure = failure_of(error)
        kind = StoreFull if failure.is_full else StoreUnavailable
        raise kind(f"the upload store {failure.reason}") from error


def _try_to_write(folder: Path) -> None:
    """Permissions, a read-only mount, a full disk, a quota: all of them show in this way, and some in no other."""
    # The mark keeps it out of listings, and has it swept away if this process dies here.
    probe = folder / f"writable-{os.getpid()}#probe"
    try:
        probe.write_bytes(bytes(_PROBE_BYTES))
    finally:
        with contextlib.suppress(OSError):
            probe.unlink()


def _flush_to_disk(path: Path) -> None:
    # The library renames without a flush, so after a power cut an accepted upload could be an empty file.
    for each in (path, path.parent):
        descriptor = os.open(each, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _delete_unfinished(folder: Path, before: float) -> int:
    deleted = 0
    with _translated():
        # The library writes `key#1`, renames it when it is whole, and hides such names from its listing.
        for path in folder.rglob("*#*"):
            with contextlib.suppress(FileNotFoundError):
                if path.is_file() and path.stat().st_mtime < before:
                    path.unlink()
                    deleted += 1
    return deleted
