"""What everybody sees who follows an upload: one LISTEN connection a process, and one read a change, for any number.

Invariants:

* Who joins sees the upload as it is, and then at least its last state: changes that come too fast for a viewer are left
  out, never the newest one.
* Nothing is missed: the connection listens before an upload is read, and whatever was to be heard while it was lost is
  made up for by reading every upload again.
* Nobody is listening while nobody looks.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import asyncpg
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from api_service.http.problems import Problem, ProblemCode
from api_service.uploads import queries
from api_service.uploads.documents import upload_document
from shared.database.engine import CONNECT_TIMEOUT_SECONDS, DATABASE_ERRORS
from shared.service.end_tasks import end_tasks
from shared.service.telemetry import describe_error
from shared.upload_status import SETTLED_STATES

log = structlog.get_logger(__name__)

APPLICATION_NAME: Final = "rollcall api viewers"
# A trigger on `uploads` names the upload there whose revision has changed.
CHANNEL: Final = "rollcall_uploads"
MOST_VIEWERS: Final = 500
RETRY_SECONDS: Final = 1.0
# A connection that is silently gone is noticed after this and the statement's time-out.
ALIVE_CHECK_SECONDS: Final = 10.0
STATEMENT_TIMEOUT_SECONDS: Final = 5.0

_FAILURES = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


class Snapshot(NamedTuple):
    """An upload at a revision; `document` is its JSON, as `GET` of it answers."""

    revision: int
    is_final: bool
    document: str


class LiveUpload:
    """An upload that somebody follows."""

    def __init__(self) -> None:
        self.viewers = 0
        self._stale = asyncio.Event()
        self._moved = asyncio.Condition()
        self._newest: Snapshot | None = None
        self._is_gone = False

    async def newer_than(self, revision: int | None) -> Snapshot | None:
        """Wait for it; the newest there is. None: the upload was deleted."""
        async with self._moved:
            await self._moved.wait_for(lambda: self._is_gone or self._is_past(revision))
            return None if self._is_gone else self._newest

    def _is_past(self, revision: int | None) -> bool:
        return self._newest is not None and (revision is None or self._newest.revision > revision)

    def read_again(self) -> None:
        self._stale.set()

    async def keep_reading(self, engine: AsyncEngine, upload_id: uuid.UUID) -> None:
        """For as long as there is a viewer: read it whenever it may have changed."""
        while True:
            await self._stale.wait()
            self._stale.clear()
            try:
                newest = await _read(engine, upload_id)
            except DATABASE_ERRORS as error:
                log.warning("an upload that is followed cannot be read", **describe_error(error))
                await asyncio.sleep(RETRY_SECONDS)
                self._stale.set()
                continue
            async with self._moved:
                self._newest, self._is_gone = newest, newest is None
                self._moved.notify_all()


class LiveUploads:
    """All uploads that this process's clients follow."""

    def __init__(self, engine: AsyncEngine, database_url: str) -> None:
        self._engine = engine
        self._database_url = database_url
        self._viewers = 0
        self._followed: dict[uuid.UUID, LiveUpload] = {}
        self._tasks: dict[uuid.UUID, asyncio.Task[None]] = {}
        self._listening: asyncio.Task[None] | None = None

    def require_room(self) -> None:
        """Raises the problem `service_busy` where there is none for one more viewer."""
        if self._viewers >= MOST_VIEWERS:
            detail = "Too many follow uploads just now: try again shortly, or ask for the upload itself."
            raise Problem(ProblemCode.SERVICE_BUSY, detail)

    @contextlib.contextmanager
    def following(self, upload_id: uuid.UUID) -> Iterator[LiveUpload]:
        """To be left when the viewer goes."""
        self._viewers += 1
        live = self._join(upload_id)
        try:
            yield live
        finally:
            self._viewers -= 1
            self._leave(upload_id, live)

    def _join(self, upload_id: uuid.UUID) -> LiveUpload:
        live = self._followed.get(upload_id)
        if live is None:
            live = self._followed[upload_id] = LiveUpload()
            reading = live.keep_reading(self._engine, upload_id)
            self._tasks[upload_id] = asyncio.create_task(reading, name=f"following {upload_id}")
            if self._listening is None:
                # It has every upload read once it listens.
                self._listening = asyncio.create_task(self._listen(), name="upload changes")
            else:
                live.read_again()
        live.viewers += 1
        return live

    def _leave(self, upload_id: uuid.UUID, live: LiveUpload) -> None:
        live.viewers -= 1
        if live.viewers == 0:
            del self._followed[upload_id]
            self._tasks.pop(upload_id).cancel()
        if not self._followed and self._listening is not None:
            self._listening.cancel()
            self._listening = None

    async def close(self) -> None:
        """For a process that ends, after the last viewer was sent away."""
        await end_tasks([*self._tasks.values(), *([self._listening] if self._listening else [])])

    async def _listen(self) -> None:
        while True:
            try:
                await self._listen_until_lost()
            except _FAILURES as error:
                log.warning("upload changes lost their connection", **describe_error(error))
            # While it cannot be heard what changes, it is looked for.
            self._read_all_again()
            await asyncio.sleep(RETRY_SECONDS)

    async def _listen_until_lost(self) -> None:
        connection = await asyncpg.connect(
            self._database_url,
            timeout=CONNECT_TIMEOUT_SECONDS,
            command_timeout=STATEMENT_TIMEOUT_SECONDS,
            server_settings={"application_name": APPLICATION_NAME},
        )
        closed = asyncio.Event()
        connection.add_termination_listener(lambda _: closed.set())
        try:
            await connection.add_listener(CHANNEL, self._hear)
            self._read_all_again()
            while not closed.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(ALIVE_CHECK_SECONDS):
                        await closed.wait()
                await connection.execute("SELECT 1")
        finally:
            connection.terminate()

    def _hear(self, _connection: Any, _pid: int, _channel: str, upload_id: object) -> None:
        live = self._followed.get(uuid.UUID(str(upload_id)))
        if live is not None:
            live.read_again()

    def _read_all_again(self) -> None:
        for live in self._followed.values():
            live.read_again()


async def _read(engine: AsyncEngine, upload_id: uuid.UUID) -> Snapshot | None:
    async with engine.connect() as connection:
        row = await queries.upload_by_id(connection, upload_id)
    if row is None:
        return None
    document = upload_document(row).model_dump_json(by_alias=True)
    return Snapshot(row.revision, row.status in SETTLED_STATES, document)
