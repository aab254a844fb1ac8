"""Works on one upload from its lease to its final state, and believes the ledger alone.

Two tasks run side by side, and the first that fails ends both:

* the feed reads the file and sends each chunk that the ledger lacks;
* the watch renews the lease, writes progress, notices a cancel, asks the ledger when replies stay away, and sends
  chunks again that were unanswered for too long.

When a runner dies, the next one reads the same file by the same rules, finds the same borders, and passes over the
rows that the ledger has. Should its borders be others all the same, the ledger's stay, and chunks fill the gaps.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from producer_service import metrics
from producer_service.leavers.leavers_marker import LeaversMarker
from producer_service.uploads import leases, upload_state
from producer_service.uploads.chunk_reader import ChunkReader
from producer_service.uploads.finished_chunks import FinishedChunks, ledger_mismatch
from producer_service.uploads.leases import LeaseLost
from producer_service.uploads.missing_files import judge_missing_file, note_found_file
from producer_service.uploads.pending_chunks import PendingChunks
from producer_service.uploads.work_state import work_state
from shared.amqp.connection import BrokerUnavailable
from shared.errors import FileCode, FileProblem, RollcallError
from shared.messages import PreviewReply
from shared.service.backoff import Backoff
from shared.service.telemetry import describe_error
from shared.upload_store import ObjectMissing

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.ext.asyncio import AsyncEngine

    from producer_service.requester import Requester
    from producer_service.settings import ProducerSettings
    from producer_service.uploads.chunk_reader import FileChunk
    from producer_service.uploads.chunk_room import ChunkRoom
    from producer_service.uploads.leases import Lease
    from producer_service.uploads.send_window import SendWindow
    from producer_service.uploads.trials import Trial
    from producer_service.uploads.upload_state import Progress, Upload
    from shared.database.ledger import LedgerEntry
    from shared.messages import ChunkReply
    from shared.service.failpoints import Failpoints
    from shared.store_identity import StoreIdentity
    from shared.upload_status import UploadStatus
    from shared.upload_store import UploadStore

log = structlog.get_logger(__name__)

P = ParamSpec("P")
Read = TypeVar("Read")

BROKER_RETRY_SECONDS = (0.2, 0.5, 1, 2, 5)
FINISH_RETRY_SECONDS = 1
RENEWALS_PER_LEASE = 3
# So often is told how far a reading is that sends no more.
COUNTED_ROWS = 10_000


class BordersDiffer(RollcallError):
    """The ledger has other chunks than this run cut. A fresh start passes over those, and cuts what lies between."""


class UploadRunner:
    """`run()` returns the state that the work ends in. Raises `LeaseLost`, and errors that a fresh start may mend."""

    def __init__(
        self,
        engine: AsyncEngine,
        store: UploadStore,
        store_identity: StoreIdentity,
        requester: Requester,
        send_window: SendWindow,
        room: ChunkRoom,
        trial: Trial,
        settings: ProducerSettings,
        failpoints: Failpoints,
        upload: Upload,
        lease: Lease,
    ) -> None:
        self._engine = engine
        self._store = store
        self._store_identity = store_identity
        self._requester = requester
        self._trial = trial
        self._settings = settings
        self._failpoints = failpoints
        self._upload = upload
        self._lease = lease
        self._ledger = upload.ledger
        # What the work leads to, an upload or its preview, and nothing else of it.
        self._state = work_state(upload)
        # Where the order of the chunks decides what becomes of a row, one is sent, and the next one read.
        self._one_at_a_time = upload.order_decides
        self._share = send_window.share(at_most=2 if self._one_at_a_time else None)
        self._pending = PendingChunks(
            self._share, room.of_file(upload.byte_count), republish_seconds=settings.republish_seconds
        )
        self._finished_chunks = FinishedChunks(engine, self._ledger)
        self._senders: set[asyncio.Task[None]] = set()
        self._sender_error: BaseException | None = None
        self._ask_ledger = asyncio.Event()
        self._refused: set[int] = set()
        # From then on the file is only read to its end, for the total.
        self._sends_no_more = False
        self._too_many_rejects: FileProblem | None = None
        self._rows_read = 0
        self._blank_rows = 0
        self._read_seconds = 0.0
        self._renewed_at = time.monotonic()
        self._progress_written: Progress | None = None
        self._log = log.bind(upload_id=str(upload.id))

    async def run(self) -> UploadStatus:
        self._requester.listen(self._upload.id, self)
        try:
            async with self._engine.begin() as connection:
                status = await self._state.start(connection, self._lease)
                rejected = await self._ledger.rejected_rows(connection)
            if status == "cancelling":
                self._cancel()
            self._stop_at_too_many(rejected)
            problem = await self._feed_and_watch()
            async with self._trial.own_work():
                return await self._finish(self._too_many_rejects or problem)
        finally:
            self._requester.forget(self._upload.id)
            self._pending.abandon()
            self._share.leave()

    def on_reply(self, reply: ChunkReply) -> None:
        # One to an earlier preview may come late, and tells nothing of this one or of the upload.
        if (reply.preview_id if isinstance(reply, PreviewReply) else None) != self._upload.preview_id:
            return
        if reply.outcome == "done":
            self._pending.settle(reply.first_row, reply.row_count, reply.byte_count, reply.counts)
        else:
            self._refused.add(reply.first_row)
            self._ask_ledger.set()

    def on_replies_lost(self) -> None:
        self._ask_ledger.set()

    def on_requests_lost(self) -> None:
        # A consumer may still have one of them, so the ledger is asked before any is sent again.
        self._ask_ledger.set()
        self._pending.make_all_overdue()

    async def _feed_and_watch(self) -> FileProblem | None:
        feed = asyncio.create_task(self._feed())
        watch = asyncio.create_task(self._watch())
        try:
            await asyncio.wait({feed, watch}, return_when=asyncio.FIRST_COMPLETED)
            if watch.done():
                watch.result()
            return await feed
        finally:
            tasks = [feed, watch, *self._senders]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _feed(self) -> FileProblem | None:
        """Send every chunk, and wait for all answers. Returns what is wrong with the file, which is no error here."""
        try:
            stream = await asyncio.to_thread(self._store.open_blocking, self._upload.object_key)
            try:
                await note_found_file(self._engine, self._lease)
                problem = await self._send_file(ChunkReader(stream, self._upload))
            finally:
                await asyncio.to_thread(stream.close)
        except ObjectMissing:
            problem = await judge_missing_file(
                self._engine,
                self._store_identity,
                self._lease,
                patience_seconds=self._settings.missing_file_seconds,
            )
        if problem is not None and problem.code is FileCode.FILE_CHANGED:
            await self._store_identity.require()
        self._failpoints.hit("producer.all_published")
        await self._pending.wait_until_empty()
        if problem is None and self._upload.marks_leavers and not self._sends_no_more:
            await self._mark_leavers()
        return problem

    async def _mark_leavers(self) -> None:
        marker = LeaversMarker(
            self._engine,
            self._requester,
            self._settings,
            self._failpoints,
            self._lease,
            is_cancelled=lambda: self._sends_no_more,
        )
        self._requester.listen(self._upload.id, marker.sender)
        await marker.run(rows_read=self._rows_read)

    async def _send_file(self, reader: ChunkReader) -> FileProblem | None:
        try:
            while await self._send_next_rows(reader):
                self._rows_read, self._blank_rows = reader.rows_read, reader.blank_rows
        except FileProblem as problem:
            return problem
        finally:
            self._rows_read, self._blank_rows = reader.rows_read, reader.blank_rows
        return None

    async def _send_next_rows(self, reader: ChunkReader) -> bool:
        """False at the end of the file. Raises `FileProblem`."""
        if self._sends_no_more:
            return await self._count_rows(reader)
        next_row = reader.rows_read + 1
        done = await self._finished_chunks.next_from(next_row)
        # Before the rows are read: those of many uploads would fill the memory, and the threads that read.
        await self._pending.wait_for_room()
        room_is_used = False
        try:
            if done is not None and done.first_row == next_row:
                await self._pass_over(reader, done)
                return True
            gap = None if done is None else done.first_row - next_row
            chunk = await self._read_chunk(reader, at_most=gap)
            if chunk is not None:
                self._pending.keep_room_for(chunk)
                self._rows_read = reader.rows_read
                room_is_used = await self._send(chunk)
            elif done is not None:
                raise ledger_mismatch()
        finally:
            if not room_is_used:
                self._pending.leave_room()
        if room_is_used and self._trial.is_on:
            await self._pending.wait_until_empty()
            await self._trial.acquit()
        return chunk is not None

    async def _count_rows(self, reader: ChunkReader) -> bool:
        async with self._trial.own_work():
            return await self._timed(reader.pass_over, COUNTED_ROWS, 0) == COUNTED_ROWS

    async def _pass_over(self, reader: ChunkReader, done: LedgerEntry) -> None:
        async with self._trial.beside_others():
            found = await self._timed(reader.pass_over, done.row_count, done.byte_count)
        if found < done.row_count:
            raise ledger_mismatch()
        self._pending.count(done.byte_count, done.counts)

    async def _read_chunk(self, reader: ChunkReader, *, at_most: int | None) -> FileChunk | None:
        async with self._trial.own_work():
            chunk = await self._timed(reader.next_chunk, at_most=at_most)
            if chunk is not None and self._failpoints.names("producer.row"):
                # Its cells are among the strings of its JSON.
                self._failpoints.hit_among("producer.row", chunk.body.decode().split('"'))
            return chunk

    async def _timed(self, read: Callable[P, Read], *args: P.args, **kwargs: P.kwargs) -> Read:
        """In a thread."""
        began = time.monotonic()
        try:
            return await asyncio.to_thread(read, *args, **kwargs)
        finally:
            self._read_seconds += time.monotonic() - began

    async def _send(self, chunk: FileChunk) -> bool:
        """False for an upload that is to end early: then the file is only read to its end, for the total."""
        if self._one_at_a_time:
            await self._pending.wait_until_empty()
        # No chunk goes out once more rows than allowed are known to be rejected.
        self._stop_at_too_many(self._pending.rejected)
        if self._sends_no_more:
            return False
        self._pending.add(chunk)
        self._start_sending(chunk)
        return True

    def _start_sending(self, chunk: FileChunk) -> None:
        sender = asyncio.create_task(self._send_until_confirmed(chunk))
        self._senders.add(sender)
        sender.add_done_callback(self._sender_ended)

    def _sender_ended(self, sender: asyncio.Task[None]) -> None:
        self._senders.discard(sender)
        if not sender.cancelled():
            self._sender_error = self._sender_error or sender.exception()

    async def _send_until_confirmed(self, chunk: FileChunk) -> None:
        """Tries again while the broker is away. A publish that failed may have arrived; sending again does no harm."""
        backoff = Backoff(BROKER_RETRY_SECONDS)
        while self._pending.is_waiting_for(chunk.first_row):
            try:
                await self._requester.send(chunk.body, correlation_id=f"{self._upload.id}:{chunk.first_row}")
            except BrokerUnavailable as error:
                delay = backoff.next_seconds()
                self._log.warning("chunk not sent", first_row=chunk.first_row, reason=str(error), retry_seconds=delay)
                await asyncio.sleep(delay)
            else:
                metrics.CHUNKS_PUBLISHED.inc()
                self._pending.sent(chunk.first_row)
                self._failpoints.hit("producer.chunk_published")
                return

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._settings.progress_seconds)
            if self._sender_error is not None:
                raise self._sender_error
            try:
                await self._check_on_upload()
            except (SQLAlchemyError, OSError) as error:
                # Waiting loses nothing: chunks go on, and the fencing number guards the final state.
                self._log.warning("the database does not answer", **describe_error(error))
            if self._pending.borders_differ:
                raise BordersDiffer
            for chunk in self._pending.overdue():
                metrics.CHUNKS_REPUBLISHED.inc()
                self._log.warning("no answer: chunk sent again", first_row=chunk.first_row)
                self._start_sending(chunk)

    async def _check_on_upload(self) -> None:
        settings = self._settings
        refused = frozenset(self._refused)
        now = time.monotonic()
        renews = now - self._renewed_at >= settings.lease_seconds / RENEWALS_PER_LEASE
        progress = self._pending.progress(self._rows_read, self._blank_rows)
        async with self._engine.begin() as connection:
            if progress != self._progress_written:
                await self._state.write_progress(connection, self._lease, progress)
            if renews:
                await leases.renew(connection, self._lease, seconds=settings.lease_seconds)
            status = await upload_state.current_status(connection, self._upload.id)
            waiting = self._pending.first_rows()
            done: list[LedgerEntry] = []
            if waiting and self._should_ask_the_ledger():
                done = await self._ledger.entries_among(connection, waiting)
        self._progress_written = progress
        if renews:
            self._renewed_at = now
        metrics.CHUNKS_FOUND_DONE.inc(self._pending.settle_all(done))
        if status == "cancelling":
            self._cancel()
        elif status != self._state.WORKING:
            raise LeaseLost
        elif any(self._pending.is_waiting_for(first_row) for first_row in refused):
            raise BordersDiffer
        self._refused -= refused

    def _should_ask_the_ledger(self) -> bool:
        asked = self._ask_ledger.is_set()
        self._ask_ledger.clear()
        return asked or time.monotonic() - self._pending.last_answer >= self._settings.ledger_check_seconds

    def _cancel(self) -> None:
        if not self._sends_no_more:
            self._log.info("cancelled: reading on for the total only")
        self._stop_sending()

    def _stop_at_too_many(self, rejected: int) -> None:
        most = self._upload.max_rejects
        if most is None or rejected <= most or self._sends_no_more:
            return
        self._log.warning("too many rejects: reading on for the total only", rejected=rejected, max_rejects=most)
        self._too_many_rejects = upload_state.too_many_rejects(most)
        self._stop_sending()

    def _stop_sending(self) -> None:
        """What is in flight is done or finds the upload closed; the ledger tells, in the end."""
        self._sends_no_more = True
        self._pending.abandon()

    async def _finish(self, problem: FileProblem | None) -> UploadStatus:
        self._failpoints.hit("producer.before_finish")
        while True:
            try:
                async with self._engine.begin() as connection:
                    return await self._state.finish(
                        connection,
                        self._lease,
                        rows_read=self._rows_read,
                        blank_rows=self._blank_rows,
                        byte_count=self._upload.byte_count,
                        read_seconds=self._read_seconds,
                        problem=problem,
                    )
            except (SQLAlchemyError, OSError) as error:
                self._log.warning("not finished yet", **describe_error(error))
                await asyncio.sleep(FINISH_RETRY_SECONDS)
