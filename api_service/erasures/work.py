"""The work on one erasure, from where it stands: docs/erasure.md says what each step relies on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import UUID

import structlog
from sqlalchemy import Row, func, select, text

from api_service.erasures import statements, stored_files
from api_service.erasures.employee_traces import erase_employee
from api_service.erasures.row_traces import TRACES, allow_time
from api_service.erasures.statements import Erasure, MustWait
from api_service.erasures.stored_files import RewrittenFile, StoredFile, delete_unnamed, file_document, name_new_file
from shared.rows.named_people import NamedPeople
from shared.upload_status import RESTING_STATES

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from shared.service.failpoints import Failpoints
    from shared.store_identity import StoreIdentity
    from shared.upload_store import UploadStore

T = TypeVar("T")

log = structlog.get_logger(__name__)

# Turns the dead-letter queue once; false when another process is at it.
TurnQueue = Callable[[], Awaitable[bool]]

RENEWALS_PER_LEASE: Final = 3

_HORIZON = text("SELECT CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text)")
_IS_PAST = text("SELECT pg_snapshot_xmin(pg_current_snapshot()) >= CAST(CAST(:horizon AS text) AS xid8)")
_UNPUBLISHED = text("SELECT EXISTS (SELECT FROM unpublished_letters WHERE dead_at < :before)")
# What a planner remembers of the commonest values and of the borders between them are people's emails.
_FORGET_STATISTICS = text("SELECT forget_statistics()")


class ErasureWork:
    """Of the holder of its lease. Raises `ErasureLost` and `MustWait`."""

    def __init__(
        self,
        engine: AsyncEngine,
        store: UploadStore,
        identity: StoreIdentity,
        turn_queue: TurnQueue,
        failpoints: Failpoints,
        erasure: Erasure,
        *,
        lease_seconds: float,
    ) -> None:
        assert erasure.email is not None  # noqa: S101 - the table says so of unfinished ones
        self._engine = engine
        self._store = store
        self._identity = identity
        self._turn_queue = turn_queue
        self._failpoints = failpoints
        self._erasure = erasure
        self._point = erasure.resume_point
        self._lease_seconds = lease_seconds
        self._email: str = erasure.email
        self._people = NamedPeople(self._email.__eq__)

    async def run(self) -> None:
        """Returns when nothing is left of the person."""
        self._point.waits_for = []
        await self._await_older_transactions()
        await self._erase_employee()
        await self._erase_rows()
        await self._erase_files()
        await self._turn_letters()
        async with self._step("statistics") as connection:
            await allow_time(connection)
            await connection.execute(_FORGET_STATISTICS)
        async with self._engine.begin() as connection:
            await statements.finish_erasure(connection, self._erasure)
        log.info("erasure finished", erasure_id=str(self._erasure.id))

    async def note_waiting(self, reasons: list[str]) -> None:
        """What for, so that people see it; another process may go on meanwhile."""
        self._point.waits_for = reasons
        async with self._engine.begin() as connection:
            await statements.write_step(connection, self._erasure, seconds=self._lease_seconds)

    @asynccontextmanager
    async def _step(self, name: str) -> AsyncIterator[AsyncConnection]:
        """One transaction of the step's effect and of what is known of it."""
        async with self._engine.begin() as connection:
            yield connection
            self._point.done.append(name)
            try:
                await statements.write_step(connection, self._erasure, seconds=self._lease_seconds)
            except BaseException:  # a cancel too
                self._point.done.remove(name)
                raise
            self._failpoints.hit(f"api.erasure_inside_{name}")
        self._failpoints.hit(f"api.erasure_after_{name}")

    def _is_done(self, name: str) -> bool:
        return name in self._point.done

    def _count(self, kind: str, number: int) -> None:
        if number:
            self._erasure.found[kind] = self._erasure.found.get(kind, 0) + number

    async def _await_older_transactions(self) -> None:
        """Who has asked for suppressed people before there was this one may write the person yet."""
        if self._is_done("settled"):
            return
        if self._point.horizon is None:
            async with self._step("horizon") as connection:
                self._point.horizon = (await connection.execute(_HORIZON)).scalar_one()
        async with self._engine.connect() as connection:
            is_past = (await connection.execute(_IS_PAST, {"horizon": self._point.horizon})).scalar_one()
        if not is_past:
            raise MustWait(["older transactions of the database"])
        async with self._step("settled") as connection:
            now: datetime = (await connection.execute(select(func.now()))).scalar_one()
            self._point.until = self._point.letters_before = now

    async def _erase_employee(self) -> None:
        if self._is_done("employee"):
            return
        async with self._step("employee") as connection:
            await allow_time(connection)
            traces = await erase_employee(connection, self._email)
            self._count("employees", traces.employees)
            self._count("beforeImages", traces.before_images)

    async def _erase_rows(self) -> None:
        for kind, erase in TRACES.items():
            if self._is_done(kind):
                continue
            async with self._step(kind) as connection:
                await allow_time(connection)
                self._count(kind, await erase(connection, self._people, self._email))

    async def _erase_files(self) -> None:
        if self._is_done("files"):
            return
        await self._identity.require()
        await delete_unnamed(self._engine, self._store)
        while batch := await self._next_files():
            for row in batch:
                await self._erase_file(row.id, passed=(row.created_at, row.id))
        for upload_id in list(self._point.waiting):
            await self._erase_file(upload_id, passed=None)
        if self._point.waiting:
            raise MustWait([f"the end of upload {upload_id}" for upload_id in self._point.waiting])
        async with self._step("files"):
            pass

    async def _next_files(self) -> list[Any]:
        after, after_id = self._point.after or (None, None)
        named = {"until": self._point.until, "after": after, "after_id": after_id}
        async with self._engine.connect() as connection:
            return list((await connection.execute(stored_files.NEXT_FILES, named)).all())

    async def _erase_file(self, upload_id: UUID, *, passed: tuple[datetime, UUID] | None) -> None:
        """`passed`: looked through in order; None for one that had to be waited for."""
        async with self._engine.connect() as connection:
            upload = (await connection.execute(stored_files.FIND_FILE, {"id": upload_id})).one_or_none()
        is_at_rest = upload is None or upload.status in RESTING_STATES
        rewritten: RewrittenFile | None = None
        if upload is not None and is_at_rest:
            rewritten = await self._renewing(StoredFile(self._store, upload, self._people, self._email).rewrite())
            self._failpoints.hit("api.erasure_file_written")
        async with self._engine.begin() as connection:
            if upload is not None and rewritten is not None:
                is_at_rest = await self._name(connection, upload, rewritten)
            self._note_passed(upload_id, passed, is_at_rest=is_at_rest)
            await statements.write_step(connection, self._erasure, seconds=self._lease_seconds)
        self._failpoints.hit("api.erasure_file_named")
        await delete_unnamed(self._engine, self._store)

    async def _name(self, connection: AsyncConnection, upload: Row[Any], rewritten: RewrittenFile) -> bool:
        """False when somebody deleted or started it meanwhile: then what was written is of no upload."""
        if await name_new_file(connection, upload, rewritten):
            self._erasure.files.append(file_document(upload, rewritten))
            return True
        return False

    def _note_passed(self, upload_id: UUID, passed: tuple[datetime, UUID] | None, *, is_at_rest: bool) -> None:
        if passed is not None:
            self._point.after = passed
        if is_at_rest:
            self._point.waiting = [each for each in self._point.waiting if each != upload_id]
        elif upload_id not in self._point.waiting:
            self._point.waiting.append(upload_id)

    async def _renewing(self, work: Coroutine[Any, Any, T]) -> T:
        """A large file takes longer than a lease."""
        task = asyncio.create_task(work)
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=self._lease_seconds / RENEWALS_PER_LEASE)
                async with self._engine.begin() as connection:
                    await statements.renew_lease(connection, self._erasure, seconds=self._lease_seconds)
            return task.result()
        finally:
            task.cancel()

    async def _turn_letters(self) -> None:
        """Each letter goes whose row is settled, once all that were on their way are in the queue."""
        if self._is_done("letters"):
            return
        if self._erasure.found.keys() & {"rejectedRows", "malformedMessages"}:
            async with self._engine.connect() as connection:
                before = {"before": self._point.letters_before}
                if (await connection.execute(_UNPUBLISHED, before)).scalar_one():
                    raise MustWait(["dead letters that are not published yet"])
            if not await self._turn_queue():
                raise MustWait(["other work on the dead letters"])
        async with self._step("letters"):
            pass
