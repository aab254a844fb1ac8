"""Takes messages from the request queues and settles them: decode, handle, publish, reply, acknowledge.

One is in hand of each queue at most, and they are handled in turn: no chunk waits for more than one bulk request, and
no bulk request for more than one chunk.

No other module of this service settles messages. A delivery ends in one of five ways:

* handled, now or by an earlier delivery: dead letters confirmed, reply sent, acknowledged;
* it is no request, or forged: stored and published to the dead letters, confirmed, acknowledged, never rejected;
* a newer release wrote it: put at the end of the queue, confirmed, acknowledged;
* the database or the broker is away: it is not settled. The subscription pauses, which gives the message back once,
  and goes on when the database answers (P5);
* a row hangs: it is given back in the same way, and what it leaves behind is what a consumer leaves that died.
"""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from consumer_service import metrics
from consumer_service.chunk_handler import ChunkHandler
from consumer_service.dead_letters import publish_letters
from consumer_service.leavers_handler import LeaversHandler
from consumer_service.preview_handler import PreviewHandler
from consumer_service.redrive_handler import RedriveHandler
from consumer_service.row_markers import forget_own_markers
from consumer_service.single_handler import SingleHandler
from consumer_service.undo_handler import UndoHandler
from shared.amqp.acknowledgement import acknowledge
from shared.amqp.connection import BrokerUnavailable
from shared.amqp.readable_properties import require_readable_properties
from shared.amqp.signatures import Purpose, Signatures
from shared.amqp.subscription import Subscription, existing_queue
from shared.amqp.topology import BULK_REQUESTS_QUEUE, PRODUCERS_KEY, REQUESTS_EXCHANGE, REQUESTS_QUEUE
from shared.database.engine import DATABASE_ERRORS
from shared.database.schema_check import database_trouble
from shared.database.suppressions import Suppressions
from shared.dead_letters.malformed import dead_letter_malformed
from shared.errors import MalformedMessage, NewerThanKnown, RowHangs, TryAgainLater
from shared.messages import (
    ChunkRequest,
    CorrectionRequest,
    EmployeeRequest,
    LeaversRequest,
    PreviewChunkRequest,
    RedriveRequest,
    RequestReply,
    RequestsLost,
    TextRequest,
    UndoRequest,
    decode_request,
)
from shared.service.backoff import Backoff
from shared.service.telemetry import describe_error, reason_of, sqlstate

if TYPE_CHECKING:
    from aio_pika.abc import AbstractIncomingMessage
    from sqlalchemy.ext.asyncio import AsyncEngine

    from consumer_service.dead_letters import UnpublishedLetters
    from consumer_service.reply_sender import ReplySender
    from consumer_service.settings import ConsumerSettings
    from shared.amqp.publisher import Publisher
    from shared.messages import EmployeeOutcome, Request
    from shared.service.failpoints import Failpoints

log = structlog.get_logger(__name__)

T = TypeVar("T")

# Serialization failure, deadlock, lock timeout: another transaction was faster, so another try at once may do.
CONFLICTS = frozenset({"40001", "40P01", "55P03"})
CONFLICT_TRIES = 5
HOLD_SECONDS = (1, 2, 5, 10, 30)
FORGET_SECONDS = 2
NEWER_PAUSE_SECONDS = (0.1, 0.2, 0.5, 1, 2, 5)
PUBLISH_RETRY_SECONDS = (0.5, 1, 2, 5)
# Replies are sent in the background. A test that kills the consumer between reply and acknowledgement waits so long.
REPLY_OUT_SECONDS = 10


class Deliveries:
    """Handles the messages of both request queues one after another."""

    def __init__(
        self,
        engine: AsyncEngine,
        publisher: Publisher,
        replies: ReplySender,
        settings: ConsumerSettings,
        failpoints: Failpoints,
    ) -> None:
        self._engine = engine
        self._publisher = publisher
        self._replies = replies
        self._settings = settings
        self._signatures = Signatures(settings)
        self._failpoints = failpoints
        self._begin_life()
        self._singles = SingleHandler(engine, failpoints, Suppressions(settings.erasure_key))
        self._undos = UndoHandler(engine, failpoints)
        self._leavers = LeaversHandler(engine, failpoints)
        self._holds = Backoff(HOLD_SECONDS)
        self._newer_pauses = Backoff(NEWER_PAUSE_SECONDS)
        self._resuming: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._held_by: str | None = None
        requests, bulk_requests = (
            Subscription(
                settings,
                name=name,
                declare_queue=existing_queue(queue),
                on_message=self.on_message,
                prefetch=1,
            )
            for name, queue in (
                ("rollcall consumer", REQUESTS_QUEUE),
                ("rollcall consumer bulk", BULK_REQUESTS_QUEUE),
            )
        )
        requests.on_queue_renewed = self._announce_lost_requests
        self.subscriptions = (requests, bulk_requests)

    def _begin_life(self) -> None:
        """Under a new id, so that markers of the former life count as those of a consumer that died."""
        self._consumer = uuid.uuid4()
        self._chunks = ChunkHandler(self._engine, self._settings, self._failpoints, self._consumer)
        self._previews = PreviewHandler(self._engine, self._settings, self._failpoints, self._consumer)
        self._redrives = RedriveHandler(self._engine, self._settings, self._failpoints, self._consumer)

    async def on_message(self, message: AbstractIncomingMessage) -> None:
        # The lock is fair, so the queues have their turns.
        async with self._turn:
            # What waited while the other queue's message met the fault goes back as it came, for all are paused.
            if self._held_by is None:
                await self._settle(message)

    async def _settle(self, message: AbstractIncomingMessage) -> None:
        started = time.perf_counter()
        try:
            require_readable_properties(message)
            self._signatures.require(message, Purpose.REQUEST)
            request = decode_request(message.body)
            self._failpoints.hit("consumer.before_transaction")
            await self._handle(request, message)
        except MalformedMessage as error:
            await self._settle_malformed(message, str(error))
            return
        except NewerThanKnown as error:
            await self._leave_to_newer(message, str(error))
            return
        except RowHangs as error:
            self._count_as_death(error)
            return
        except Exception as error:  # any other error that a row caused never arrives here, so it is ours
            self._hold(error)
            return
        await acknowledge(message)
        self._holds.reset()
        self._newer_pauses.reset()
        metrics.CHUNK_SECONDS.observe(time.perf_counter() - started)

    async def _handle(self, request: Request, message: AbstractIncomingMessage) -> None:
        careful = delivery_number(message) >= self._settings.careful_from_delivery
        match request:
            case PreviewChunkRequest():
                handled = await _retry_conflicts(lambda: self._previews.handle(request, careful=careful))
                self._replies.send(message.reply_to, message.correlation_id, handled.reply)
                metrics.count_previewed_rows(handled.reply)
            case ChunkRequest():
                await self._handle_chunk(request, message, careful=careful)
            case RedriveRequest() | CorrectionRequest():
                await _retry_conflicts(lambda: self._redrives.handle(request, careful=careful, publish=self._publish))
            case UndoRequest():
                reply = await _retry_conflicts(lambda: self._undos.handle(request))
                self._replies.send(message.reply_to, message.correlation_id, reply)
            case LeaversRequest():
                reply = await _retry_conflicts(lambda: self._leavers.handle(request))
                self._replies.send(message.reply_to, message.correlation_id, reply)
            case TextRequest():
                self._answer(message, f"Consumer processed {request.text}")
            case EmployeeRequest():
                self._answer(message, await _retry_conflicts(lambda: self._singles.handle(request)))

    async def _handle_chunk(self, chunk: ChunkRequest, message: AbstractIncomingMessage, *, careful: bool) -> None:
        handled = await _retry_conflicts(lambda: self._chunks.handle(chunk, careful=careful))
        await self._publish(handled.letters)
        self._failpoints.hit("consumer.before_reply")
        self._replies.send(message.reply_to, message.correlation_id, handled.reply)
        if self._failpoints.names("consumer.after_reply"):
            await self._replies.drain(seconds=REPLY_OUT_SECONDS)
        self._failpoints.hit("consumer.after_reply")
        metrics.count_rows(handled.reply)

    def _answer(self, message: AbstractIncomingMessage, response: str | EmployeeOutcome) -> None:
        self._replies.send(message.reply_to, message.correlation_id, RequestReply(response=response))

    async def _publish(self, letters: list[UnpublishedLetters]) -> None:
        """Returns once the broker has confirmed them all; while it blocks publishers, a chunk with rejects waits."""
        backoff = Backoff(PUBLISH_RETRY_SECONDS)
        while True:
            try:
                await publish_letters(self._engine, self._publisher, letters)
            except BrokerUnavailable as error:
                if not self.is_consuming:
                    raise
                log.warning("dead letters wait for the broker", reason=str(error))
                await asyncio.sleep(backoff.next_seconds())
            else:
                return

    async def _settle_malformed(self, message: AbstractIncomingMessage, reason: str) -> None:
        log.warning("malformed message goes to the dead letters", message_id=message.message_id)
        try:
            await dead_letter_malformed(
                self._engine, self._publisher, message.body, message_id=message.message_id, reason=reason
            )
        except Exception as error:  # database or broker failed, not the message
            self._hold(error)
            return
        metrics.MALFORMED.inc()
        await acknowledge(message)

    async def _leave_to_newer(self, message: AbstractIncomingMessage, reason: str) -> None:
        """Give it back by the end of the queue, so that neither the messages behind it nor its delivery limit suffer.

        It goes as a new message: one that was only returned would be next again, and at the limit a dead chunk.
        The pause comes last, when the message is free for a newer consumer, and grows while only such come.
        """
        try:
            await self._publisher.publish(
                REQUESTS_EXCHANGE,
                BULK_REQUESTS_QUEUE if message.routing_key == BULK_REQUESTS_QUEUE else REQUESTS_QUEUE,
                message.body,
                message_id=message.message_id,
                correlation_id=message.correlation_id,
                reply_to=message.reply_to,
            )
        except BrokerUnavailable as error:
            self._hold(error)
            return
        await acknowledge(message)
        metrics.NEWER.inc()
        pause = self._newer_pauses.next_seconds()
        log.error("a newer release wrote this message: update this service", reason=reason, pause_seconds=pause)
        await asyncio.sleep(pause)

    def _announce_lost_requests(self) -> None:
        log.warning("the request queue was deleted: what waited in it has to be sent again")
        self._replies.send(PRODUCERS_KEY, None, RequestsLost())

    def _hold(self, error: BaseException) -> None:
        """Give the message back by pausing, and go on when the database answers; each hold pauses longer."""
        delay = self._holds.next_seconds()
        metrics.HOLDS.inc()
        log.error("holding: the fault is ours, not the row's", retry_seconds=delay, **describe_error(error))
        is_of_database = isinstance(error, DATABASE_ERRORS)
        self._held_by = database_trouble(error) if is_of_database else reason_of(error) or type(error).__name__
        self._give_back(delay)

    def _count_as_death(self, error: RowHangs) -> None:
        """As if this consumer had been killed at the row: its marker stays, and its message comes again."""
        metrics.HUNG_ROWS.inc()
        log.error("a row hangs: this counts as the death of its consumer", reason=str(error))
        self._held_by = str(error)
        self._begin_life()
        self._give_back(HOLD_SECONDS[0])

    def _give_back(self, delay: float) -> None:
        for subscription in self.subscriptions:
            subscription.pause()
        self._resuming = asyncio.create_task(self._resume_when_the_database_answers(delay))

    async def _resume_when_the_database_answers(self, delay: float) -> None:
        while True:
            await asyncio.sleep(delay)
            try:
                async with self._engine.begin() as connection:
                    await connection.execute(text("SELECT 1 FROM uploads LIMIT 1"))
                await forget_own_markers(self._engine, self._consumer)
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                log.warning("the database does not answer yet", **describe_error(error))
                self._held_by = database_trouble(error)
                delay = 1
            else:
                self._held_by = None
                for subscription in self.subscriptions:
                    subscription.resume()
                log.info("consuming again")
                return

    @property
    def is_consuming(self) -> bool:
        return all(subscription.is_subscribed for subscription in self.subscriptions)

    async def require_consuming(self) -> None:
        """Raises `TryAgainLater`, which says what keeps it from consuming."""
        if self._held_by is not None:
            raise TryAgainLater(f"holding: {self._held_by}")
        for subscription in self.subscriptions:
            subscription.require_subscribed()

    def stop(self) -> None:
        """Take no more messages; those in hand are still settled."""
        for subscription in self.subscriptions:
            subscription.stop()

    async def abandon(self, *, seconds: float) -> None:
        """After `stop()`: give up what is in hand still, and wait so long for its end. It goes back."""
        await asyncio.gather(*(subscription.abandon(seconds=seconds) for subscription in self.subscriptions))

    async def close(self) -> None:
        """Once no message is in hand: an end like this is no death, so no marker of ours may stand for one."""
        if self._resuming is not None:
            self._resuming.cancel()
        try:
            async with asyncio.timeout(FORGET_SECONDS):
                await forget_own_markers(self._engine, self._consumer)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("own markers are left behind", **describe_error(error))


def delivery_number(message: AbstractIncomingMessage) -> int:
    """1 for the first. A quorum queue's headers count the deliveries that came back.

    From RabbitMQ 4.3 on the first of them leaves out what a consumer timeout brought back, and there is the second.
    """
    counts = [message.headers.get(name) for name in ("x-delivery-count", "x-acquired-count")]
    return max(count for count in (0, *counts) if isinstance(count, int)) + 1


async def _retry_conflicts(work: Callable[[], Awaitable[T]]) -> T:
    """Try again while other transactions are in the way. Raises the last error."""
    for attempt in range(1, CONFLICT_TRIES):
        try:
            return await work()
        except SQLAlchemyError as error:
            if sqlstate(error) not in CONFLICTS:
                raise
            metrics.CONFLICTS.inc()
            await asyncio.sleep(random.uniform(0.01, 0.1) * attempt)  # noqa: S311 - jitter
    return await work()
