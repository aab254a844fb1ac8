"""Chooses the undos that this producer works on: any that was asked for and that nobody works on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

import structlog

from producer_service.undos import undo_state
from producer_service.undos.undo_runner import UndoRunner
from producer_service.uploads.leased_work import work_under
from shared.service.end_tasks import end_tasks

if TYPE_CHECKING:
    import uuid

    from sqlalchemy.ext.asyncio import AsyncEngine

    from producer_service.requester import Requester
    from producer_service.settings import ProducerSettings
    from producer_service.uploads.leases import Lease
    from shared.service.failpoints import Failpoints

log = structlog.get_logger(__name__)

# Ranges that may be unanswered at a time, shared by the undos in progress.
WINDOW_RANGES = 8


class UndoDispatcher:
    def __init__(
        self,
        engine: AsyncEngine,
        requester: Requester,
        settings: ProducerSettings,
        failpoints: Failpoints,
        *,
        owner: str,
    ) -> None:
        self._engine = engine
        self._requester = requester
        self._settings = settings
        self._failpoints = failpoints
        self._owner = owner
        self._running: dict[uuid.UUID, asyncio.Task[None]] = {}

    async def start_due(self) -> None:
        """Database errors pass through."""
        free_places = self._settings.max_uploads - len(self._running)
        if free_places <= 0:
            return
        async with self._engine.connect() as connection:
            due = await undo_state.due_undos(connection, limit=free_places)
        for upload_id in due:
            if upload_id not in self._running:
                await self._start(upload_id)

    async def stop(self) -> None:
        """Release every upload, so that another producer goes on at once."""
        await end_tasks(self._running.values())

    async def _start(self, upload_id: uuid.UUID) -> None:
        seconds = self._settings.lease_seconds
        async with self._engine.begin() as connection:
            lease = await undo_state.acquire(connection, upload_id, owner=self._owner, seconds=seconds)
        # An announcement may have been faster.
        if lease is None or upload_id in self._running:
            return
        task = asyncio.create_task(self._run(lease), name=f"undo {upload_id}")
        self._running[upload_id] = task
        task.add_done_callback(lambda _: self._running.pop(upload_id, None))

    def _places(self) -> int:
        return max(1, WINDOW_RANGES // max(1, len(self._running)))

    async def _run(self, lease: Lease) -> None:
        undo_log = log.bind(upload_id=str(lease.upload_id), fence=lease.fence, work="undo")
        undo_log.info("undo taken")
        await work_under(self._engine, lease, self._take_back(lease), undo_log)

    async def _take_back(self, lease: Lease) -> Literal["undone"]:
        await UndoRunner(self._engine, self._requester, self._places, self._settings, self._failpoints, lease).run()
        return "undone"
