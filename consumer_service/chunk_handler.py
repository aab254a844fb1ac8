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
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import structlog
from sqlalchemy import text

from consumer_service.copy_policy import CopyPolicy
from consumer_service.dead_letters import UnpublishedLetters, store_rejects, unpublished_letters_of
from consumer_service.employee_writer import EmailKnown
from consumer_service.row_check import rows_check
from consumer_service.row_markers import open_markers
from consumer_service.row_results import RawRows, count
from consumer_service.row_writer import Target, blames_a_row, write_as_new, write_at_once, write_one_by_one
from shared.database.ledger import LedgerEntry, insert_entry, ledger_of
from shared.database.tables import TOTAL_SLOTS
from shared.errors import RollcallError, RowCode
from shared.messages import ChunkReply
from shared.service.telemetry import describe_error

if TYPE_CHECKING:
    import uuid
    from collections.abc import Awaitable, Callable

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from consumer_service.dead_letters import Reject
    from consumer_service.employee_writer import Written
    from consumer_service.row_check import CheckRows
    from consumer_service.settings import ConsumerSettings
    from shared.messages import ChunkRequest
    from shared.service.failpoints import Failpoints

    WriteRows = Callable[[AsyncConnection, RawRows, Target, CheckRows], Awaitable[tuple[Written, list[Reject]]]]

log = structlog.get_logger(__name__)

_LOCK_UPLOAD = text("""
    SELECT status, sequence, on_duplicate, reader_version FROM uploads WHERE id = :upload_id FOR KEY SHARE
""")


class Handled(NamedTuple):
    """After the commit the caller publishes these letters, and then sends this reply."""

    reply: ChunkReply
    letters: list[UnpublishedLetters]


class _DoneAlready(RollcallError):
    """Another delivery of the same chunk committed first: this transaction must not."""


class ChunkHandler:
    def __init__(
        self, engine: AsyncEngine, settings: ConsumerSettings, failpoints: Failpoints, consumer: uuid.UUID
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._failpoints = failpoints
        self._consumer = consumer
        self._check_rows = rows_check(failpoints)
        self._copy_policy = CopyPolicy()

    async def handle(self, chunk: ChunkRequest, *, careful: bool) -> Handled:
        """Give a chunk its effect, unless it has had it. An error that this raises is not the chunk's fault (P5)."""
        if careful:
            return await self._handle_carefully(chunk)
        try:
            return await self._handle_quickly(chunk)
        except Exception as error:  # raised again unless a row is to blame
            if not blames_a_row(error):
                raise
            log.warning("a row made its chunk fail: row by row", **_log_fields(chunk), **describe_error(error))
        return await self._handle_with(chunk, write_one_by_one)

    async def _handle_quickly(self, chunk: ChunkRequest) -> Handled:
        if self._copy_policy.allows_copy(chunk.upload_id):
            try:
                return await self._handle_with(chunk, write_as_new)
            except EmailKnown:
                self._copy_policy.copy_failed(chunk.upload_id)
        return await self._handle_with(chunk, write_at_once)

    async def _handle_carefully(self, chunk: ChunkRequest) -> Handled:
        log.warning("delivered too often: careful mode", **_log_fields(chunk))
        last_row = _last_row(chunk)
        async with open_markers(
            self._engine, chunk.upload_id, self._consumer, row_seconds=self._settings.longest_row_seconds
        ) as markers:
            await markers.load(chunk.first_row, last_row)
            write = partial(write_one_by_one, markers=markers, poison_after=self._settings.poison_after_consumers)
            handled = await self._handle_with(chunk, write)
            await markers.unmark(chunk.first_row, last_row)
        return handled

    async def _handle_with(self, chunk: ChunkRequest, write: WriteRows) -> Handled:
        try:
            handled = await self._transact(chunk, write)
        except _DoneAlready:
            return await self._answer_from_ledger(chunk)
        self._failpoints.hit("consumer.after_commit")
        return handled

    async def _transact(self, chunk: ChunkRequest, write: WriteRows) -> Handled:
        async with self._engine.begin() as connection:
            locked = (await connection.execute(_LOCK_UPLOAD, {"upload_id": chunk.upload_id})).one_or_none()
            before = await ledger_of(chunk.upload_id).last_entry_up_to(connection, _last_row(chunk))
            if before is not None and before.first_row == chunk.first_row:
                raise _DoneAlready
            if locked is None or locked.status != "running":
                return Handled(_closed(chunk), [])
            if chunk.reader_version != locked.reader_version or (before and before.last_row >= chunk.first_row):
                log.error("a chunk of other rules or borders than its upload's: refused", **_log_fields(chunk))
                return Handled(_closed(chunk), [])
            target = Target(locked.sequence, locked.on_duplicate, chunk.layout.require_known())
            written, rejects = await write(connection, _raw_rows(chunk), target, self._check_rows)
            letters = await store_rejects(connection, chunk.upload_id, rejects)
            counts = count(written, rejects)
            entry = LedgerEntry(chunk.first_row, len(chunk.rows), chunk.byte_count, counts, written.notes)
            slot = random.randrange(TOTAL_SLOTS)  # noqa: S311 - spreads a counter, guards nothing
            if not await insert_entry(connection, chunk.upload_id, entry, slot=slot):
                raise _DoneAlready
            self._failpoints.hit("consumer.inside_transaction")
        return Handled(_done(chunk, entry), letters)

    async def _answer_from_ledger(self, chunk: ChunkRequest) -> Handled:
        log.info("chunk was done already", **_log_fields(chunk))
        async with self._engine.begin() as connection:
            (entry,) = await ledger_of(chunk.upload_id).entries_among(connection, [chunk.first_row])
            letters = await unpublished_letters_of(connection, chunk.upload_id, chunk.first_row, _last_row(chunk))
        return Handled(_done(chunk, entry), letters)


def _last_row(chunk: ChunkRequest) -> int:
    return chunk.first_row + len(chunk.rows) - 1


def _raw_rows(chunk: ChunkRequest) -> RawRows:
    faults = {index: RowCode(fault) for index, fault in chunk.faults.items()}
    return RawRows(
        range(chunk.first_row, _last_row(chunk) + 1), chunk.line_numbers, chunk.rows, faults, chunk.fault_messages
    )


def _done(chunk: ChunkRequest, entry: LedgerEntry) -> ChunkReply:
    return ChunkReply(
        upload_id=chunk.upload_id,
        first_row=chunk.first_row,
        outcome="done",
        row_count=entry.row_count,
        byte_count=entry.byte_count,
        counts=entry.counts,
    )


def _closed(chunk: ChunkRequest) -> ChunkReply:
    return ChunkReply(upload_id=chunk.upload_id, first_row=chunk.first_row, outcome="closed")


def _log_fields(chunk: ChunkRequest) -> dict[str, object]:
    return {"upload_id": str(chunk.upload_id), "first_row": chunk.first_row, "last_row": _last_row(chunk)}
