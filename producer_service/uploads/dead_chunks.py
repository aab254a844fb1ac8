"""Sends chunks once more that the broker dead-lettered at its delivery limit, which proves nothing about their rows.

A chunk that the ledger has, or whose upload takes no more chunks, is dropped. A message that is no request goes to the
dead letters. One that a newer release wrote stays here, at the end of the queue, for a newer producer: whether it is
wanted cannot be told, so it is neither dropped nor sent again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import text

from producer_service import metrics
from shared.amqp.acknowledgement import acknowledge
from shared.amqp.publisher import Publisher
from shared.amqp.readable_properties import require_readable_properties
from shared.amqp.signatures import Purpose, Signatures
from shared.amqp.subscription import Subscription, existing_queue
from shared.amqp.topology import (
    BULK_REQUESTS_QUEUE,
    CHUNK_KEY,
    DEAD_CHUNKS_QUEUE,
    DEAD_LETTERS_EXCHANGE,
    REQUESTS_EXCHANGE,
    REQUESTS_QUEUE,
)
from shared.database.ledger import ledger_of, ledger_of_preview
from shared.dead_letters.malformed import dead_letter_malformed
from shared.errors import MalformedMessage, NewerThanKnown
from shared.messages import (
    ChunkRequest,
    CorrectionRequest,
    EmployeeRequest,
    LeaversRequest,
    PreviewChunkRequest,
    RedriveRequest,
    TextRequest,
    UndoRequest,
    decode_request,
)
from shared.service.backoff import Backoff
from shared.service.telemetry import describe_error

if TYPE_CHECKING:
    from aio_pika.abc import AbstractIncomingMessage
    from sqlalchemy.ext.asyncio import AsyncEngine

    from shared.service.settings import SharedSettings

log = structlog.get_logger(__name__)

_UploadRequest = ChunkRequest | RedriveRequest | CorrectionRequest | UndoRequest | LeaversRequest

RETRY_SECONDS = 3
NEWER_PAUSE_SECONDS = (0.1, 0.5, 1, 5, 30)
NEVER_ANSWERED = "a single request that came back too often to be tried again"

_IS_RUNNING = text("SELECT status = 'running' FROM uploads WHERE id = :upload_id")
_IS_PREVIEWING = text("""
    SELECT status = 'previewing' AND preview_id = :preview_id FROM uploads WHERE id = :upload_id
""")
_IS_LEFT = text("""
    SELECT EXISTS (SELECT FROM uploads WHERE id = :upload_id AND status = 'undoing')
       AND NOT EXISTS (SELECT FROM upload_undos WHERE upload_id = :upload_id AND first_row = :first_row)
""")
_ARE_LEFT = text("""
    SELECT EXISTS (SELECT FROM uploads WHERE id = :upload_id AND status = 'running')
       AND NOT EXISTS (SELECT FROM leaver_ranges WHERE upload_id = :upload_id AND first_number = :first_number)
""")
_STANDS_AT_ATTEMPT = text("""
    SELECT EXISTS (
        SELECT 1 FROM rejected_rows AS r
        JOIN unnest(CAST(:row_numbers AS bigint[]), CAST(:attempts AS int[])) AS wanted (row_number, attempt)
          ON wanted.row_number = r.row_number AND wanted.attempt = r.attempt
        WHERE r.upload_id = :upload_id AND r.discarded_at IS NULL)
""")


class DeadChunks:
    def __init__(self, engine: AsyncEngine, settings: SharedSettings) -> None:
        self._engine = engine
        self._publisher = Publisher(settings, "rollcall producer dead chunks")
        self._signatures = Signatures(settings)
        self._newer_pauses = Backoff(NEWER_PAUSE_SECONDS)
        self.subscription = Subscription(
            settings,
            name="rollcall producer dead chunks consumer",
            declare_queue=existing_queue(DEAD_CHUNKS_QUEUE),
            on_message=self._on_message,
            prefetch=1,
        )

    async def close(self) -> None:
        await self._publisher.close()

    async def _on_message(self, message: AbstractIncomingMessage) -> None:
        while True:
            try:
                outcome = await self._resolve(message)
            except Exception as error:  # it stays unacknowledged until database and broker answer
                log.warning("dead chunk waits", **describe_error(error))
                await asyncio.sleep(RETRY_SECONDS)
            else:
                break
        metrics.DEAD_CHUNKS.labels(outcome).inc()
        log.warning("dead chunk", outcome=outcome, correlation_id=message.correlation_id)
        await acknowledge(message)
        if outcome == "newer":
            await asyncio.sleep(self._newer_pauses.next_seconds())
        else:
            self._newer_pauses.reset()

    async def _resolve(self, message: AbstractIncomingMessage) -> str:
        try:
            require_readable_properties(message)
            self._signatures.require(message, Purpose.REQUEST)
            request = decode_request(message.body)
        except MalformedMessage as error:
            await dead_letter_malformed(
                self._engine, self._publisher, message.body, message_id=message.message_id, reason=str(error)
            )
            return "malformed"
        except NewerThanKnown as error:
            log.error("a newer release wrote this message: update this service", reason=str(error))
            await self._publish_again(message, DEAD_LETTERS_EXCHANGE, CHUNK_KEY)
            return "newer"
        if isinstance(request, TextRequest | EmployeeRequest):
            # The client was told long ago that there is no answer. In the dead letters people find the message.
            await dead_letter_malformed(
                self._engine, self._publisher, message.body, message_id=message.message_id, reason=NEVER_ANSWERED
            )
            return "malformed"
        if not await self._is_wanted(request):
            return "dropped"
        queue = REQUESTS_QUEUE if isinstance(request, ChunkRequest) else BULK_REQUESTS_QUEUE
        await self._publish_again(message, REQUESTS_EXCHANGE, queue)
        return "republished"

    async def _publish_again(self, message: AbstractIncomingMessage, exchange: str, routing_key: str) -> None:
        """As a new message without the headers of the old one, of which one is its delivery count."""
        await self._publisher.publish(
            exchange,
            routing_key,
            message.body,
            correlation_id=message.correlation_id,
            reply_to=message.reply_to,
        )

    async def _is_wanted(self, request: _UploadRequest) -> bool:
        async with self._engine.connect() as connection:
            if isinstance(request, UndoRequest):
                key = {"upload_id": request.upload_id, "first_row": request.first_row}
                return bool((await connection.execute(_IS_LEFT, key)).scalar_one())
            if isinstance(request, PreviewChunkRequest):
                if await ledger_of_preview(request.preview_id).entries_among(connection, [request.first_row]):
                    return False
                key = {"upload_id": request.upload_id, "preview_id": request.preview_id}
                return bool((await connection.execute(_IS_PREVIEWING, key)).scalar_one_or_none())
            if isinstance(request, LeaversRequest):
                key = {"upload_id": request.upload_id, "first_number": request.first_number}
                return bool((await connection.execute(_ARE_LEFT, key)).scalar_one())
            if isinstance(request, ChunkRequest):
                if await ledger_of(request.upload_id).entries_among(connection, [request.first_row]):
                    return False
                running = await connection.execute(_IS_RUNNING, {"upload_id": request.upload_id})
                return bool(running.scalar_one_or_none())
            parameters = {
                "upload_id": request.upload_id,
                "row_numbers": [row_number for row_number, *_ in request.rows],
                "attempts": [attempt for _, attempt, *_ in request.rows],
            }
            return bool((await connection.execute(_STANDS_AT_ATTEMPT, parameters)).scalar_one())
