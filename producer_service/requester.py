"""Publishes requests to the request queue, and takes their replies from an exclusive callback queue."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Protocol

import structlog

from producer_service import metrics
from shared.amqp.publisher import Publisher
from shared.amqp.signatures import Purpose, Signatures
from shared.amqp.subscription import Subscription
from shared.amqp.topology import PRODUCERS_KEY, REPLIES_EXCHANGE, REQUESTS_EXCHANGE, REQUESTS_QUEUE
from shared.errors import MalformedMessage, NewerThanKnown
from shared.messages import ChunkReply, RequestReply, RequestsLost, decode_reply

if TYPE_CHECKING:
    from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue

    from shared.service.settings import SharedSettings

log = structlog.get_logger(__name__)


class ReplyListener(Protocol):
    def on_reply(self, reply: ChunkReply) -> None: ...

    def on_replies_lost(self) -> None:
        """The callback queue is new. Replies to the old one are lost; the ledger knows of their chunks."""

    def on_requests_lost(self) -> None:
        """The request queue is new. Requests that no consumer had taken are gone."""


class SingleListener(Protocol):
    def on_reply(self, correlation_id: str | None, reply: RequestReply) -> None: ...

    def on_replies_lost(self) -> None: ...

    def on_requests_lost(self) -> None: ...


async def declare_callback_queue(channel: AbstractChannel) -> AbstractQueue:
    """A queue that is exclusive to its connection and goes with it.

    Its name is new each time: the old queue may live on with a half-open connection, and the broker would close the
    channel that asks for it (405).
    """
    name = f"callback.{uuid.uuid4().hex}"
    queue = await channel.declare_queue(name, exclusive=True, durable=False)
    await queue.bind(REPLIES_EXCHANGE, name)
    await queue.bind(REPLIES_EXCHANGE, PRODUCERS_KEY)
    return queue


class Requester:
    """Replies go to the listener of their upload. A reply for which nobody waits any more is dropped."""

    def __init__(self, settings: SharedSettings) -> None:
        self._publisher = Publisher(settings, "rollcall producer requests")
        self._signatures = Signatures(settings)
        self._listeners: dict[uuid.UUID, ReplyListener] = {}
        self._singles: SingleListener | None = None
        self.replies = Subscription(
            settings,
            name="rollcall producer replies",
            declare_queue=declare_callback_queue,
            on_message=self._on_message,
            prefetch=0,
            no_ack=True,
        )
        self.replies.on_subscribed = self._on_subscribed

    def listen_for_singles(self, listener: SingleListener) -> None:
        self._singles = listener

    def listen(self, upload_id: uuid.UUID, listener: ReplyListener) -> None:
        self._listeners[upload_id] = listener

    def forget(self, upload_id: uuid.UUID) -> None:
        self._listeners.pop(upload_id, None)

    async def send(self, body: bytes, *, correlation_id: str, queue: str = REQUESTS_QUEUE) -> None:
        """Returns when the broker has confirmed it. Raises `BrokerUnavailable`: to send it again then does no harm."""
        await self._publisher.publish(
            REQUESTS_EXCHANGE,
            queue,
            body,
            correlation_id=correlation_id,
            reply_to=self.replies.queue_name,
        )

    async def count_consumers(self) -> int:
        """Of the request queue. Raises `BrokerUnavailable`."""
        return (await self._publisher.depth(REQUESTS_QUEUE)).consumers

    async def close(self) -> None:
        await self._publisher.close()

    async def _on_message(self, message: AbstractIncomingMessage) -> None:
        try:
            self._signatures.require(message, Purpose.REPLY)
            reply = decode_reply(message.body)
        except MalformedMessage as error:
            log.warning("not a reply", message_id=message.message_id, reason=str(error))
            return
        except NewerThanKnown as error:
            # Replies are hints: the ledger tells of a chunk, and who waits for a single answer is told 504.
            metrics.NEWER_REPLIES.inc()
            log.warning("a newer release wrote this reply: update this service", reason=str(error))
            return
        match reply:
            case ChunkReply():
                self._pass_to_upload(reply)
            case RequestReply():
                if self._singles is not None:
                    self._singles.on_reply(message.correlation_id, reply)
            case RequestsLost():
                log.warning("the request queue was deleted: sending again")
                for listener in self._all_listeners():
                    listener.on_requests_lost()

    def _pass_to_upload(self, reply: ChunkReply) -> None:
        listener = self._listeners.get(reply.upload_id)
        if listener is None:
            metrics.LATE_REPLIES.inc()
        else:
            listener.on_reply(reply)

    def _on_subscribed(self) -> None:
        for listener in self._all_listeners():
            listener.on_replies_lost()

    def _all_listeners(self) -> list[ReplyListener | SingleListener]:
        singles = [] if self._singles is None else [self._singles]
        return [*singles, *self._listeners.values()]
