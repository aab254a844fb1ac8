"""Gives a chunk its effect in one transaction: its employees, its rejects and its ledger entry, or none of them.

Invariants, each kept by the order below:

* No chunk joins a finished upload: `FOR KEY SHARE` waits for the final state change, which takes `FOR UPDATE`.
* Every effect happens once (P3): the ledger entry commits with it, and a conflict rolls the effect back.
* No row counts twice (P3): a chunk that shares rows with one of other borders, or was cut by other rules than those
  its upload began with, is refused. Its producer starts anew from the ledger.
* A chunk that the ledger has is answered from the ledger, even when its upload is finished by now.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import structlog
from sqlalchemy import text

from consumer_service.copy_policy import CopyPolicy
from consumer_service.dead_letters import UnpublishedLetters, store_rejects, unpublished_letters_of
from consumer_service.employee_writer import EmailKnown
from consumer_service.erased_people import read_erased_people
from consumer_service.named_emails import note_named_emails
from consumer_service.row_check import rows_check
from consumer_service.row_markers import open_markers
from consumer_service.row_results import RawRows, count
from consumer_service.row_writer import Target, blames_a_row, write_as_new, write_at_once, write_one_by_one
from shared.database.ledger import LedgerEntry, insert_entry, ledger_of
from shared.database.suppressions import Suppressions
from shared.database.tables import TOTAL_SLOTS
from shared.errors import RollcallError, RowCode
from shared.messages import ChunkReply, ChunkRequest
from shared.service.telemetry import describe_error

if TYPE_CHECKING:
    import uuid
    from collections.abc import Awaitable, Callable, Sequence

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from consumer_service.dead_letters import Reject
    from consumer_service.employee_writer import Written
    from consumer_service.row_writer import WriteRows
    from consumer_service.settings import ConsumerSettings
    from shared.database.ledger import Ledger
    from shared.service.failpoints import Failpoints

log = structlog.get_logger(__name__)

_LOCK_UPLOAD = text("""
    SELECT status, sequence, on_duplicate, reader_version, absent_scope FROM uploads WHERE id = :upload_id FOR KEY SHARE
""")


class Handled(NamedTuple):
    """After the commit the caller publishes these letters, and then sends this reply."""

    reply: ChunkReply
    letters: list[UnpublishedLetters]


class DoneAlready(RollcallError):
    """Another delivery of the same chunk committed first: this transaction must not."""


ChunkT = TypeVar("ChunkT", bound=ChunkRequest)


class AnyChunkHandler(ABC, Generic[ChunkT]):
    """Of chunks of an upload or of a preview: what the two have in common. The rest is abstract, below."""

    inside_transaction: str

    def __init__(
        self, engine: AsyncEngine, settings: ConsumerSettings, failpoints: Failpoints, consumer: uuid.UUID
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._failpoints = failpoints
        self._consumer = consumer
        self._check_rows = rows_check(failpoints)
        self._suppressions = Suppressions(settings.erasure_key)

    async def handle(self, chunk: ChunkT, *, careful: bool) -> Handled:
        """Give a chunk its effect, unless it has had it. An error that this raises is not the chunk's fault (P5)."""
        if careful:
            return await self._handle_carefully(chunk)
        try:
            return await self._handle_quickly(chunk)
        except Exception as error:  # raised again unless a row is to blame
            if not blames_a_row(error):
                raise
            log.warning("a row made its chunk fail: row by row", **_log_fields(chunk), **describe_error(error))
        return await self._handle_with(chunk, self._one_by_one(chunk))

    async def _handle_carefully(self, chunk: ChunkT) -> Handled:
        log.warning("delivered too often: careful mode", **_log_fields(chunk))
        last_row = _last_row(chunk)
        async with open_markers(
            self._engine, chunk.upload_id, self._consumer, row_seconds=self._settings.longest_row_seconds
        ) as markers:
            await markers.load(chunk.first_row, last_row)
            write = partial(
                self._one_by_one(chunk), markers=markers, poison_after=self._settings.poison_after_consumers
            )
            handled = await self._handle_with(chunk, write)
            await markers.unmark(chunk.first_row, last_row)
        return handled

    async def _handle_with(self, chunk: ChunkT, write: WriteRows) -> Handled:
        try:
            handled = await self._transact(chunk, write)
        except DoneAlready:
            return await self._answer_from_ledger(chunk)
        self._failpoints.hit("consumer.after_commit")
        return handled

    async def _transact(self, chunk: ChunkT, write: WriteRows) -> Handled:
        async with self._engine.begin() as connection:
            locked = await self._lock_upload(connection, chunk)
            before, suppressed = await self._ledger(chunk).look_back(connection, _last_row(chunk))
            if before is not None and before.first_row == chunk.first_row:
                raise DoneAlready
            if locked is None or not self._takes(locked, chunk):
                return Handled(self._reply(chunk, None), [])
            if chunk.reader_version != locked.reader_version or (before and before.last_row >= chunk.first_row):
                log.error("a chunk of other rules or borders than its upload's: refused", **_log_fields(chunk))
                return Handled(self._reply(chunk, None), [])
            target = Target(
                locked.sequence, locked.on_duplicate, chunk.layout.require_known(), absent_scope=locked.absent_scope
            )
            rows = _raw_rows(chunk)
            erased = await read_erased_people(connection, self._suppressions, suppressed)
            check = self._check_rows if erased is None else erased.refused_by(self._check_rows)
            written, rejects = await write(connection, rows, target, check)
            if erased is not None:
                rejects = erased.without_words(rejects, target.layout)
            await self._note_names(connection, locked, chunk, rows)
            counts = count(written, rejects)
            entry = LedgerEntry(chunk.first_row, len(chunk.rows), chunk.byte_count, counts, written.notes)
            letters = await self._store(connection, chunk, rejects, entry)
            self._failpoints.hit(self.inside_transaction)
        return Handled(self._reply(chunk, entry), letters)

    def _reply_values(self, chunk: ChunkT, entry: LedgerEntry | None) -> dict[str, Any]:
        chunk_of = {"upload_id": chunk.upload_id, "first_row": chunk.first_row}
        if entry is None:
            return {**chunk_of, "outcome": "closed"}
        counts = {"row_count": entry.row_count, "byte_count": entry.byte_count, "counts": entry.counts}
        return {**chunk_of, "outcome": "done", **counts}

    async def _answer_from_ledger(self, chunk: ChunkT) -> Handled:
        log.info("chunk was done already", **_log_fields(chunk))
        async with self._engine.begin() as connection:
            (entry,) = await self._ledger(chunk).entries_among(connection, [chunk.first_row])
            letters = await self._letters_of(connection, chunk)
        return Handled(self._reply(chunk, entry), letters)

    @abstractmethod
    async def _handle_quickly(self, chunk: ChunkT) -> Handled:
        """All rows together. Raises what a row makes it raise."""

    @abstractmethod
    def _one_by_one(self, chunk: ChunkT) -> Callable[..., Awaitable[tuple[Written, list[Reject]]]]:
        """As `write_one_by_one`."""

    @abstractmethod
    async def _lock_upload(self, connection: AsyncConnection, chunk: ChunkT) -> Row[Any] | None:
        """Against its next state."""

    @abstractmethod
    def _takes(self, upload: Row[Any], chunk: ChunkT) -> bool:
        """Whether the upload is in the state that such chunks belong to."""

    @abstractmethod
    def _ledger(self, chunk: ChunkT) -> Ledger: ...

    async def _note_names(self, connection: AsyncConnection, upload: Row[Any], chunk: ChunkT, rows: RawRows) -> None:
        """Whom the rows name, where it matters who is named by none."""

    @abstractmethod
    async def _store(
        self, connection: AsyncConnection, chunk: ChunkT, rejects: Sequence[Reject], entry: LedgerEntry
    ) -> list[UnpublishedLetters]:
        """The rejects and the ledger entry; returns the letters to publish. Raises `DoneAlready`."""

    @abstractmethod
    async def _letters_of(self, connection: AsyncConnection, chunk: ChunkT) -> list[UnpublishedLetters]:
        """Those that are not published yet of a chunk that was done before."""

    @abstractmethod
    def _reply(self, chunk: ChunkT, entry: LedgerEntry | None) -> ChunkReply:
        """Without an entry the upload takes no more chunks, or not this one."""


class ChunkHandler(AnyChunkHandler[ChunkRequest]):
    """Of chunks of uploads."""

    inside_transaction = "consumer.inside_transaction"

    def __init__(
        self, engine: AsyncEngine, settings: ConsumerSettings, failpoints: Failpoints, consumer: uuid.UUID
    ) -> None:
        super().__init__(engine, settings, failpoints, consumer)
        self._copy_policy = CopyPolicy()

    async def _handle_quickly(self, chunk: ChunkRequest) -> Handled:
        if self._copy_policy.allows_copy(chunk.upload_id):
            try:
                return await self._handle_with(chunk, write_as_new)
            except EmailKnown:
                self._copy_policy.copy_failed(chunk.upload_id)
        return await self._handle_with(chunk, write_at_once)

    def _one_by_one(self, _chunk: ChunkRequest) -> Callable[..., Awaitable[tuple[Written, list[Reject]]]]:
        return write_one_by_one

    async def _lock_upload(self, connection: AsyncConnection, chunk: ChunkRequest) -> Row[Any] | None:
        return (await connection.execute(_LOCK_UPLOAD, {"upload_id": chunk.upload_id})).one_or_none()

    def _takes(self, upload: Row[Any], _chunk: ChunkRequest) -> bool:
        return bool(upload.status == "running")

    def _ledger(self, chunk: ChunkRequest) -> Ledger:
        return ledger_of(chunk.upload_id)

    async def _note_names(
        self, connection: AsyncConnection, upload: Row[Any], chunk: ChunkRequest, rows: RawRows
    ) -> None:
        if upload.absent_scope is not None:
            await note_named_emails(connection, chunk.upload_id, chunk.first_row, rows, chunk.layout)

    async def _store(
        self, connection: AsyncConnection, chunk: ChunkRequest, rejects: Sequence[Reject], entry: LedgerEntry
    ) -> list[UnpublishedLetters]:
        letters = await store_rejects(connection, chunk.upload_id, rejects)
        slot = random.randrange(TOTAL_SLOTS)  # noqa: S311 - spreads a counter, guards nothing
        if not await insert_entry(connection, chunk.upload_id, entry, slot=slot):
            raise DoneAlready
        return letters

    async def _letters_of(self, connection: AsyncConnection, chunk: ChunkRequest) -> list[UnpublishedLetters]:
        return await unpublished_letters_of(connection, chunk.upload_id, chunk.first_row, _last_row(chunk))

    def _reply(self, chunk: ChunkRequest, entry: LedgerEntry | None) -> ChunkReply:
        return ChunkReply(**self._reply_values(chunk, entry))


def _last_row(chunk: ChunkRequest) -> int:
    return chunk.first_row + len(chunk.rows) - 1


def _raw_rows(chunk: ChunkRequest) -> RawRows:
    faults = {index: RowCode(fault) for index, fault in chunk.faults.items()}
    return RawRows(
        range(chunk.first_row, _last_row(chunk) + 1), chunk.line_numbers, chunk.rows, faults, chunk.fault_messages
    )


def _log_fields(chunk: ChunkRequest) -> dict[str, object]:
    return {"upload_id": str(chunk.upload_id), "first_row": chunk.first_row, "last_row": _last_row(chunk)}
