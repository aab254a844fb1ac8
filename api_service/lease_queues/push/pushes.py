"""The pushers of this process: one for each queue that has a subscription, whichever process was asked for it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from api_service.lease_queues.push.addresses import PushAddresses, PushUrl
from api_service.lease_queues.push.post import Poster
from api_service.lease_queues.push.pusher import Places, Pusher
from shared.service.end_tasks import end_tasks

if TYPE_CHECKING:
    from api_service.lease_queues.lease_queues import LeaseQueues
    from api_service.settings import ApiSettings
    from shared.service.failpoints import Failpoints

CLOSE_SECONDS: Final = 5.0
LOOK_UP_SECONDS: Final = 2.0


class Pushes:
    """Hears from the sweep of lease queues which have a subscription, so that nobody asks for that by itself."""

    def __init__(self, lease_queues: LeaseQueues, settings: ApiSettings, failpoints: Failpoints) -> None:
        self._lease_queues = lease_queues
        self._failpoints = failpoints
        self._timeout_seconds = settings.push_timeout_seconds
        self._addresses = PushAddresses(settings.networks_pushed_to)
        self._poster = Poster(self._addresses, timeout_seconds=settings.push_timeout_seconds)
        self._places = Places(settings.push_requests)
        self._pushers: dict[str, Pusher] = {}
        self._at_work: set[asyncio.Task[None]] = set()
        self._is_open = False

    def open(self) -> None:
        self._is_open = True
        self._lease_queues.hear_subscriptions(self._hear)

    async def close(self) -> None:
        """What is on its way has a moment; the lease of what is cut off then runs out."""
        self._is_open = False
        for pusher in self._pushers.values():
            pusher.stop()
        if self._at_work:
            _, late = await asyncio.wait(self._at_work, timeout=CLOSE_SECONDS)
            await end_tasks(late)
        self._addresses.close()

    async def require_allowed(self, url: PushUrl) -> None:
        """Raises `PushRefused` for what would be refused at each push. A name that is not known yet may be one day."""
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                await self._addresses.of(url)
        except (OSError, TimeoutError):
            return

    def begin(self, queue: str) -> None:
        """It has a subscription that was set just now. Other processes hear of it within seconds."""
        self.end(queue)
        if self._is_open:
            self._pushers[queue] = Pusher(
                queue,
                self._lease_queues,
                self._poster,
                self._places,
                self._failpoints,
                self._at_work,
                timeout_seconds=self._timeout_seconds,
            )

    def end(self, queue: str) -> None:
        """It has none any more."""
        if queue in self._pushers:
            self._pushers.pop(queue).stop()

    def _hear(self, versions: Mapping[str, str]) -> None:
        """The queues that have one, each with what changes when it is set anew: then its endpoint is tried at once."""
        for queue in self._pushers.keys() - versions.keys():
            self.end(queue)
        for queue, version in versions.items():
            known = self._pushers.get(queue)
            if known is None or known.is_over or known.version not in {None, version}:
                self.begin(queue)
            self._pushers[queue].version = version
