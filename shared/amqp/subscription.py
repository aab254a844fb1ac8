"""Keeps one consumer on one queue: it connects, declares and consumes, and does so again after every loss."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import structlog
from aio_pika.exceptions import ChannelNotFoundEntity

from shared.amqp.connection import BrokerUnavailable, broker_errors, close_quietly, connect
from shared.amqp.topology import declare_topology
from shared.service.backoff import Backoff
from shared.service.telemetry import describe_error

if TYPE_CHECKING:
    from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue

    from shared.service.settings import SharedSettings

log = structlog.get_logger(__name__)

OnMessage = Callable[["AbstractIncomingMessage"], Awaitable[None]]
DeclareQueue = Callable[["AbstractChannel"], Awaitable["AbstractQueue"]]

RECONNECT_SECONDS = (0.2, 0.5, 1, 2, 5)
QUEUE_CHECK_SECONDS = 5
BROKER_ANSWER_SECONDS = 15
# The broker cancels a queue's consumers a moment before it has forgotten the queue. Nobody declares it anew so soon.
LOOKS_AFTER_A_CANCEL = 10
LOOK_SECONDS = 0.02


def existing_queue(name: str) -> DeclareQueue:
    """A queue of the topology, which the subscription declares before it consumes."""

    async def declare(channel: AbstractChannel) -> AbstractQueue:
        return await channel.get_queue(name, ensure=True)

    return declare


class Subscription:
    """`run()` consumes until `stop()`, whatever happens to the broker meanwhile.

    Messages are handled one after another in a task of its own, because aiormq cancels the callbacks of a channel that
    dies, and with them their transactions. A message that arrives after a reconnect waits until the one before it is
    finished. `on_message` settles its message itself.

    A deleted queue is noticed by a passive declare, every few seconds and whenever the broker cancels the consumer. The
    cancel itself proves nothing: from RabbitMQ 4.3 on it comes too when a message was held for longer than the broker's
    consumer timeout, and then the queue is there with all that is in it.
    """

    def __init__(
        self,
        settings: SharedSettings,
        *,
        name: str,
        declare_queue: DeclareQueue,
        on_message: OnMessage,
        prefetch: int,
        no_ack: bool = False,
    ) -> None:
        self._settings = settings
        self._name = name
        self._declare_queue = declare_queue
        self._on_message = on_message
        self._prefetch = prefetch
        self._no_ack = no_ack
        self._inbox: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        self._idle = asyncio.Event()
        self._idle.set()
        self._not_paused = asyncio.Event()
        self._not_paused.set()
        self._interrupt = asyncio.Event()
        self._stopping = False
        self._worker: asyncio.Task[None] | None = None
        self.queue_name: str | None = None
        self._last_loss: str | None = None
        self._queue_was_deleted = False
        self.on_subscribed: Callable[[], None] | None = None
        # Called after the queue was deleted and declared again: the messages that were in it are gone.
        self.on_queue_renewed: Callable[[], None] | None = None

    @property
    def is_subscribed(self) -> bool:
        return self.queue_name is not None

    def require_subscribed(self) -> None:
        """Raises `BrokerUnavailable`, which says what keeps it from consuming."""
        if not self.is_subscribed:
            paused = None if self._not_paused.is_set() else "paused"
            raise BrokerUnavailable(paused or self._last_loss or "not subscribed yet")

    def pause(self) -> None:
        """Stop consuming until `resume()`. The connection closes, so unacknowledged messages go back, once."""
        self._not_paused.clear()
        self._interrupt_consuming()

    def resume(self) -> None:
        self._not_paused.set()

    def stop(self) -> None:
        """Take no more messages; `run()` returns once the current one is settled."""
        self._stopping = True
        self._not_paused.set()
        self._interrupt_consuming()

    async def abandon(self, *, seconds: float) -> None:
        """After `stop()`: cancel the handler of the current message, if there is one, and wait so long for its end.

        The message is not settled, so it goes back.
        """
        if self._worker is not None and not self._idle.is_set():
            self._worker.cancel()
            await asyncio.wait([self._worker], timeout=seconds)

    async def run(self) -> None:
        self._worker = worker = asyncio.create_task(self._handle_messages(), name=f"{self._name} worker")
        backoff = Backoff(RECONNECT_SECONDS)
        try:
            while not self._stopping:
                await self._not_paused.wait()
                self._interrupt.clear()
                if self._stopping:
                    break
                try:
                    await self._consume_until_lost()
                    backoff.reset()
                except BrokerUnavailable as error:
                    delay = backoff.next_seconds()
                    self._last_loss = str(error)
                    if error.was_connected:
                        backoff.reset()
                    log.warning("broker lost", subscription=self._name, reason=str(error), retry_seconds=delay)
                    await self._sleep_unless_interrupted(delay)
                except Exception as error:  # no answer of a broker may end consumption
                    log.error("subscription failed", subscription=self._name, **describe_error(error))
                    await self._sleep_unless_interrupted(RECONNECT_SECONDS[-1])
            await self._idle.wait()
        finally:
            worker.cancel()

    async def _handle_messages(self) -> None:
        while True:
            message = await self._inbox.get()
            self._idle.clear()
            try:
                await self._on_message(message)
            except Exception as error:  # a bug in a handler must neither end consumption nor keep its message for ever
                log.error("handler failed", subscription=self._name, **describe_error(error))
                self._interrupt.set()
            finally:
                self._idle.set()

    async def _consume_until_lost(self) -> None:
        connection = await connect(self._settings, self._name)
        connected = False
        try:
            with broker_errors("cannot subscribe"):
                async with asyncio.timeout(BROKER_ANSWER_SECONDS):
                    channel = await connection.channel(publisher_confirms=False)
                    loss = await self._watch_for_loss(channel)
                    await declare_topology(channel, self._settings)
                    await channel.set_qos(prefetch_count=self._prefetch)
                    queue = await self._declare_queue(channel)
                    consumer_tag = await queue.consume(self._receive, no_ack=self._no_ack)
            connected = True
            self._subscribed_to(queue.name)
            with broker_errors("the broker does not answer"):
                await self._until_interrupted_or_lost(channel, queue.name, loss)
                async with asyncio.timeout(BROKER_ANSWER_SECONDS):
                    await queue.cancel(consumer_tag)
            self._drop_not_begun()
            await self._idle.wait()
        except BrokerUnavailable as error:
            error.was_connected = connected
            raise
        finally:
            self.queue_name = None
            self._drop_not_begun()
            await close_quietly(connection)

    def _subscribed_to(self, queue_name: str) -> None:
        self.queue_name = queue_name
        self._last_loss = None
        log.info("subscribed", subscription=self._name, queue=queue_name)
        if self.on_subscribed is not None:
            self.on_subscribed()
        if self._queue_was_deleted and self.on_queue_renewed is not None:
            self.on_queue_renewed()
        self._queue_was_deleted = False

    def _interrupt_consuming(self) -> None:
        self._interrupt.set()
        self._drop_not_begun()

    async def _receive(self, message: AbstractIncomingMessage) -> None:
        # After an interrupt no message is begun any more.
        if not self._interrupt.is_set():
            self._inbox.put_nowait(message)

    def _drop_not_begun(self) -> None:
        """Drop messages that were not begun: the broker delivers them again when the connection closes."""
        while not self._inbox.empty():
            self._inbox.get_nowait()

    async def _watch_for_loss(self, channel: AbstractChannel) -> _Loss:
        loss = _Loss()
        channel.close_callbacks.add(loss.on_closed)
        underlay = await channel.get_underlay_channel()
        underlay.on_consumer_cancel_callbacks.add(loss.on_cancelled)
        return loss

    async def _until_interrupted_or_lost(self, channel: AbstractChannel, queue_name: str, loss: _Loss) -> None:
        """Returns after an interrupt; raises `BrokerUnavailable` when channel, consumer or queue are gone."""
        interrupted = asyncio.create_task(self._interrupt.wait())
        happened = asyncio.create_task(loss.happened.wait())
        try:
            while not self._interrupt.is_set():
                await asyncio.wait(
                    {interrupted, happened}, timeout=QUEUE_CHECK_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                if loss.is_closed:
                    raise BrokerUnavailable("the channel is gone")
                await self._check_that_it_exists(channel, queue_name)
                if loss.happened.is_set():
                    for _ in range(LOOKS_AFTER_A_CANCEL):
                        await asyncio.sleep(LOOK_SECONDS)
                        await self._check_that_it_exists(channel, queue_name)
                    raise BrokerUnavailable("the broker cancelled the consumer")
        finally:
            interrupted.cancel()
            happened.cancel()

    async def _check_that_it_exists(self, channel: AbstractChannel, queue_name: str) -> None:
        try:
            async with asyncio.timeout(BROKER_ANSWER_SECONDS):
                await channel.declare_queue(queue_name, passive=True)
        except ChannelNotFoundEntity:
            self._queue_was_deleted = True
            raise

    async def _sleep_unless_interrupted(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._interrupt.wait()


class _Loss:
    """That of a channel, or of its only consumer."""

    def __init__(self) -> None:
        self.happened = asyncio.Event()
        self.is_closed = False

    def on_closed(self, *_: object) -> None:
        self.is_closed = True
        self.happened.set()

    def on_cancelled(self, *_: object) -> None:
        self.happened.set()
