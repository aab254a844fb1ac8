"""Tells the receivers of all API processes that a queue has something for them, through LISTEN and NOTIFY.

A NOTIFY makes the commits of a database go one by one, so it stays out of the senders' transactions: it follows the
commit, on a connection of its own, and bundles what was sent meanwhile. One that gets lost costs a receiver no more
than the second after which it looks by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final

import asyncpg
import structlog

from api_service.lease_queues.metrics import LISTENER_LOSSES
from shared.database.engine import CONNECT_TIMEOUT_SECONDS
from shared.service.end_tasks import end_tasks
from shared.service.telemetry import describe_error

log = structlog.get_logger(__name__)

CHANNEL: Final = "rollcall_queues"
# At least so long from one NOTIFY of this process to its next; the first goes out at once.
NOTIFY_INTERVAL_SECONDS: Final = 0.005
RECONNECT_SECONDS: Final = 1.0
# A connection that is silently gone is noticed after this and the statement's timeout.
ALIVE_CHECK_SECONDS: Final = 10.0
STATEMENT_TIMEOUT_SECONDS: Final = 5.0

_FAILURES = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


class QueueNotifications:
    """`wake` is called with the name of each queue that another process announced, and with None after a gap."""

    def __init__(self, database_url: str, application_name: str, wake: Callable[[str | None], None]) -> None:
        self._database_url = database_url
        self._application_name = application_name
        self._wake = wake
        self._unannounced: set[str] = set()
        self._something_to_announce = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Connects in the background, and again whenever that is needed."""
        self._task = asyncio.create_task(self._run(), name="queue notifications")

    async def close(self) -> None:
        if self._task is not None:
            await end_tasks([self._task])

    def announce(self, queue: str) -> None:
        """To be called after the commit, for the other processes; returns at once."""
        self._unannounced.add(queue)
        self._something_to_announce.set()

    async def _run(self) -> None:
        while True:
            try:
                await self._listen_and_announce()
            except _FAILURES as error:
                LISTENER_LOSSES.inc()
                log.warning("queue notifications lost their connection", **describe_error(error))
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen_and_announce(self) -> None:
        connection = await asyncpg.connect(
            self._database_url,
            timeout=CONNECT_TIMEOUT_SECONDS,
            command_timeout=STATEMENT_TIMEOUT_SECONDS,
            server_settings={"application_name": self._application_name},
        )
        try:
            await connection.add_listener(CHANNEL, self._hear)
            self._wake(None)
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(ALIVE_CHECK_SECONDS):
                        await self._something_to_announce.wait()
                self._something_to_announce.clear()
                queues, self._unannounced = list(self._unannounced), set()
                await connection.execute("SELECT pg_notify($1, name) FROM unnest($2::text[]) AS name", CHANNEL, queues)
                await asyncio.sleep(NOTIFY_INTERVAL_SECONDS)
        finally:
            connection.terminate()

    def _hear(self, connection: Any, sender_pid: int, channel: str, queue: object) -> None:
        # The receivers of this process know already of its own messages.
        if sender_pid != connection.get_server_pid():
            self._wake(str(queue))
