"""Chooses the uploads that this producer works on: an announced one at once, by a sweep any that nobody works on."""

from __future__ import annotations

import asyncio
import os
import socket
import uuid
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import SQLAlchemyError

from producer_service import metrics
from producer_service.previews.ended_previews import forget_ended_previews
from producer_service.undos.undo_dispatcher import UndoDispatcher
from producer_service.uploads import leases, upload_state
from producer_service.uploads.chunk_room import ChunkRoom
from producer_service.uploads.lanes import SMALL_BYTES, open_lanes, places_for
from producer_service.uploads.leased_work import work_under
from producer_service.uploads.runner import UploadRunner
from producer_service.uploads.trials import ReadingTurns, Trial
from producer_service.uploads.work_state import work_state
from shared.amqp.acknowledgement import acknowledge
from shared.amqp.connection import BrokerUnavailable
from shared.amqp.signatures import Purpose, Signatures
from shared.amqp.subscription import Subscription, existing_queue
from shared.amqp.topology import UPLOADS_QUEUE
from shared.errors import FileCode, FileProblem, MalformedMessage, NewerThanKnown
from shared.messages import decode_announcement
from shared.service.end_tasks import end_tasks
from shared.service.telemetry import describe_error
from shared.store_identity import StoreIdentity
from shared.upload_store import StoreFull, StoreUnavailable

if TYPE_CHECKING:
    from aio_pika.abc import AbstractIncomingMessage
    from sqlalchemy.ext.asyncio import AsyncEngine

    from producer_service.requester import Requester
    from producer_service.settings import ProducerSettings
    from producer_service.uploads.lanes import Lane
    from producer_service.uploads.leases import Lease
    from producer_service.uploads.upload_state import Upload
    from shared.service.failpoints import Failpoints
    from shared.upload_status import UploadStatus
    from shared.upload_store import UploadStore

log = structlog.get_logger(__name__)

# They are handled one after another, and whoever may publish can make them large.
ANNOUNCEMENTS_AT_A_TIME = 1


class Dispatcher:
    """At most `max_uploads` runners a lane. The rest stays `queued` in the table and is found by the sweep."""

    def __init__(
        self,
        engine: AsyncEngine,
        store: UploadStore,
        requester: Requester,
        settings: ProducerSettings,
        failpoints: Failpoints,
    ) -> None:
        self._engine = engine
        self._store = store
        self.store_identity = StoreIdentity(engine, store, may_be_first=False)
        self._requester = requester
        self._settings = settings
        self._signatures = Signatures(settings)
        self._failpoints = failpoints
        self._lanes = open_lanes(settings)
        self._chunk_room = ChunkRoom()
        self._turns = ReadingTurns()
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._undos = UndoDispatcher(engine, requester, settings, failpoints, owner=self._owner)
        self.announcements = Subscription(
            settings,
            name="rollcall producer announcements",
            declare_queue=existing_queue(UPLOADS_QUEUE),
            on_message=self._on_announcement,
            prefetch=ANNOUNCEMENTS_AT_A_TIME,
        )

    async def sweep(self) -> None:
        """Start uploads that are due and not leased, announced or not, until it is cancelled."""
        while True:
            try:
                await self._undos.start_due()
                await self._start_due_uploads()
                await forget_ended_previews(self._engine)
            except (SQLAlchemyError, OSError) as error:
                log.warning("sweep put off: the database does not answer", **describe_error(error))
            except (StoreUnavailable, StoreFull) as error:
                log.error("no upload is taken", reason=str(error))
            await asyncio.sleep(self._settings.sweep_seconds)

    async def keep_windows_fitting(self) -> None:
        """To the consumers that there are, until it is cancelled; beside the sweep, which needs no broker."""
        while True:
            await self._fit_windows()
            await asyncio.sleep(self._settings.sweep_seconds)

    async def stop(self) -> None:
        """Release every upload, so that another producer goes on at once."""
        runners = [runner for lane in self._lanes for runner in lane.running.values()]
        await asyncio.gather(end_tasks(runners), self._undos.stop())

    async def _on_announcement(self, message: AbstractIncomingMessage) -> None:
        try:
            self._signatures.require(message, Purpose.ANNOUNCEMENT)
            announced = decode_announcement(message.body)
            await self._undos.start_due()
            await self.store_identity.require()
            await self._start(announced.upload_id)
        except MalformedMessage:
            log.warning("not an announcement: dropped", message_id=message.message_id)
        except NewerThanKnown as error:
            metrics.NEWER_REPLIES.inc()
            log.warning("a newer release wrote this announcement: left to the sweep", reason=str(error))
        except (SQLAlchemyError, OSError, StoreUnavailable, StoreFull) as error:
            log.warning("announced upload left to the sweep", **describe_error(error))
        # The announcement is a hint. Whatever came of it, the table has the upload, and the sweep finds it.
        await acknowledge(message)

    async def _start_due_uploads(self) -> None:
        for lane in self._lanes:
            if lane.free_places <= 0:
                continue
            async with self._engine.connect() as connection:
                due = await leases.due_uploads(
                    connection, over_bytes=lane.over_bytes, up_to_bytes=lane.up_to_bytes, limit=lane.free_places
                )
            if due:
                await self.store_identity.require()
            for upload_id in due:
                await self._start_in(lane, upload_id)

    async def _fit_windows(self) -> None:
        larger = [lane for lane in self._lanes if lane.over_bytes >= SMALL_BYTES]
        if not any(lane.running for lane in larger):
            return
        try:
            consumers = await self._requester.count_consumers()
        except BrokerUnavailable:
            # Whoever sends says so. What was last known is as good as anything.
            return
        for lane in larger:
            lane.send_window.resize(places_for(consumers, at_most=self._settings.window_chunks))

    async def _start(self, upload_id: uuid.UUID) -> None:
        async with self._engine.connect() as connection:
            byte_count = await upload_state.size_of(connection, upload_id)
        for lane in self._lanes:
            if byte_count is not None and lane.is_for(byte_count):
                await self._start_in(lane, upload_id)

    async def _start_in(self, lane: Lane, upload_id: uuid.UUID) -> None:
        if upload_id in lane.running or lane.free_places <= 0:
            return
        async with self._engine.begin() as connection:
            lease = await leases.acquire(connection, upload_id, owner=self._owner, seconds=self._settings.lease_seconds)
        if lease is None:
            return
        task = asyncio.create_task(self._run(lease, lane), name=f"upload {upload_id}")
        lane.running[upload_id] = task
        metrics.UPLOADS_IN_PROGRESS.inc()
        task.add_done_callback(lambda _: self._ended(lane, upload_id))

    def _ended(self, lane: Lane, upload_id: uuid.UUID) -> None:
        lane.running.pop(upload_id, None)
        metrics.UPLOADS_IN_PROGRESS.dec()

    async def _run(self, lease: Lease, lane: Lane) -> None:
        upload_log = log.bind(upload_id=str(lease.upload_id), fence=lease.fence)
        upload_log.info("upload taken", suspected=lease.is_suspected, deaths=lease.deaths)
        await work_under(self._engine, lease, self._run_to_its_end(lease, lane), upload_log)

    async def _run_to_its_end(self, lease: Lease, lane: Lane) -> UploadStatus:
        async with self._engine.connect() as connection:
            upload = await upload_state.load(connection, lease.upload_id)
        if lease.deaths >= self._settings.fruitless_leases:
            return await self._end_without_progress(lease, upload)
        runner = UploadRunner(
            self._engine,
            self._store,
            self.store_identity,
            self._requester,
            lane.send_window,
            self._chunk_room,
            Trial(self._engine, self._turns, lease),
            self._settings,
            self._failpoints,
            upload,
            lease,
        )
        return await runner.run()

    async def _end_without_progress(self, lease: Lease, upload: Upload) -> UploadStatus:
        problem = FileProblem(
            FileCode.NO_PROGRESS,
            f"{lease.deaths} producers in a row died while they read this file and did nothing else. "
            "Rows read before that are accounted for. Please report the file.",
        )
        async with self._engine.begin() as connection:
            return await work_state(upload).finish(connection, lease, rows_read=None, byte_count=0, problem=problem)
