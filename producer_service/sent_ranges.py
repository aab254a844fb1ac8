"""Sends ranges of an upload as bulk requests, a few at a time, until their ledger has them.

Replies only say that it is worth a look. A range that is sent twice does nothing the second time, so what is in doubt
is sent again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import structlog

from shared.amqp.connection import BrokerUnavailable
from shared.amqp.topology import BULK_REQUESTS_QUEUE
from shared.messages import encode

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Collection

    import msgspec

    from producer_service.requester import Requester
    from producer_service.settings import ProducerSettings
    from shared.messages import ChunkReply

log = structlog.get_logger(__name__)

BROKER_RETRY_SECONDS = 1


class SentRange(NamedTuple):
    """`first` names it among those of its kind and upload."""

    first: int
    last: int


@dataclass
class _Waiting:
    range: SentRange
    answer_seconds: float
    due: float = 0.0


class RangeSender:
    """It listens to replies for its upload, as the requester's listener."""

    def __init__(
        self,
        requester: Requester,
        settings: ProducerSettings,
        places: Callable[[], int],
        request_of: Callable[[SentRange], msgspec.Struct],
        *,
        correlation: str,
        on_sent: Callable[[], None],
    ) -> None:
        self._requester = requester
        self._settings = settings
        self._places = places
        self._request_of = request_of
        self._correlation = correlation
        self._on_sent = on_sent
        self._waiting: dict[int, _Waiting] = {}
        self._news = asyncio.Event()

    def on_reply(self, reply: ChunkReply) -> None:
        if reply.first_row in self._waiting:
            self._news.set()

    def on_replies_lost(self) -> None:
        self._news.set()

    def on_requests_lost(self) -> None:
        for waiting in self._waiting.values():
            waiting.due = 0
        self._news.set()

    async def send_all(
        self,
        ranges: AsyncGenerator[SentRange],
        done_among: Callable[[Collection[int]], Awaitable[Collection[int]]],
    ) -> None:
        """`done_among` tells which of those that wait are done, and raises what ends this."""
        async with contextlib.aclosing(ranges):
            is_exhausted = False
            while True:
                while not is_exhausted and len(self._waiting) < self._places():
                    following = await anext(ranges, None)
                    if following is None:
                        is_exhausted = True
                    else:
                        self._waiting[following.first] = _Waiting(following, self._settings.republish_seconds)
                if not self._waiting:
                    return
                await self._send_due()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), self._settings.progress_seconds)
                self._news.clear()
                for first in await done_among(list(self._waiting)):
                    del self._waiting[first]

    async def _send_due(self) -> None:
        now = time.monotonic()
        await asyncio.gather(*(self._send(waiting) for waiting in self._waiting.values() if waiting.due <= now))

    async def _send(self, waiting: _Waiting) -> None:
        """Tried again while the broker is away. A publish that failed may have arrived."""
        first = waiting.range.first
        body = encode(self._request_of(waiting.range))
        try:
            await self._requester.send(body, correlation_id=f"{self._correlation}:{first}", queue=BULK_REQUESTS_QUEUE)
        except BrokerUnavailable as error:
            log.warning("range not sent", first=first, correlation=self._correlation, reason=str(error))
            waiting.due = time.monotonic() + BROKER_RETRY_SECONDS
        else:
            waiting.due = time.monotonic() + waiting.answer_seconds
            waiting.answer_seconds *= 2
            self._on_sent()
