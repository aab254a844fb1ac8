"""Sends replies to producers. They are hints: sent in the background, and dropped rather than waited for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from consumer_service import metrics
from shared.amqp.connection import BrokerUnavailable
from shared.amqp.topology import REPLIES_EXCHANGE
from shared.messages import encode

if TYPE_CHECKING:
    from shared.amqp.publisher import Publisher
    from shared.messages import Reply

log = structlog.get_logger(__name__)

WAITING_LIMIT = 1000


class ReplySender:
    """A broker that blocks publishers holds up no acknowledgement, because nobody waits for a reply to be sent.

    A producer that gets no reply reads the ledger.
    """

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._waiting: asyncio.Queue[tuple[str, str | None, Reply]] = asyncio.Queue(WAITING_LIMIT)

    def send(self, reply_to: str | None, correlation_id: str | None, reply: Reply) -> None:
        if reply_to is None:
            return
        try:
            self._waiting.put_nowait((reply_to, correlation_id, reply))
        except asyncio.QueueFull:
            metrics.REPLIES_DROPPED.inc()

    async def run(self) -> None:
        while True:
            reply_to, correlation_id, reply = await self._waiting.get()
            try:
                await self._publisher.publish(
                    REPLIES_EXCHANGE, reply_to, encode(reply), correlation_id=correlation_id, mandatory=False
                )
            except BrokerUnavailable:
                metrics.REPLIES_DROPPED.inc()
            finally:
                self._waiting.task_done()

    async def drain(self, seconds: float) -> None:
        """Wait until everything is sent, at most so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._waiting.join()
        except TimeoutError:
            log.info("replies left unsent", waiting=self._waiting.qsize())
