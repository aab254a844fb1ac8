"""A chunk that the broker dead-letters at its delivery limit is sent once more, as long as it is wanted."""

from __future__ import annotations

import json
import uuid

import asyncpg
import msgspec
import pytest
from aio_pika.abc import AbstractIncomingMessage
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from producer_service.settings import ProducerSettings
from producer_service.uploads import dead_chunks
from shared.amqp.topology import (
    BULK_REQUESTS_QUEUE,
    DEAD_CHUNKS_QUEUE,
    DEAD_LETTERS_QUEUE,
    REQUEST_DELIVERY_LIMIT,
    REQUESTS_QUEUE,
)
from shared.messages import CorrectionRequest, PreviewChunkRequest, RedriveRequest, Request, encode
from tests.integration.producer_service.conftest import AddUpload
from tests.support.broker import Broker
from tests.support.chunks import chunk, rows
from tests.support.pipeline import running_producer
from tests.support.uploads import insert_rejects
from tests.support.waiting import eventually


@pytest.fixture
async def running_upload(add_upload: AddUpload, database: asyncpg.Connection) -> uuid.UUID:
    """An upload on which another producer works, so that ours leaves it alone: it has no file."""
    upload_id = await add_upload(status="running")
    await database.execute(
        "INSERT INTO upload_leases (upload_id, owner, fence, expires_at)"
        " VALUES ($1, 'another', 1, now() + interval '1 hour')",
        upload_id,
    )
    return upload_id


async def test_chunk_at_its_delivery_limit_comes_back_as_a_new_message_without_its_past(
    engine: AsyncEngine, settings: ProducerSettings, broker: Broker, running_upload: uuid.UUID
) -> None:
    request = chunk(running_upload, rows(2))
    await broker.request(request, reply_to="callback.one", message_id="one")
    await broker.return_until_dead(REQUESTS_QUEUE, REQUEST_DELIVERY_LIMIT + 1)
    (dead,) = await broker.take(DEAD_CHUNKS_QUEUE, 1)
    assert "x-death" in dead.headers

    async with running_producer(engine, settings):
        await broker.publish(
            DEAD_CHUNKS_QUEUE,
            dead.body,
            reply_to=dead.reply_to,
            message_id="one",
            headers={"x-first-death-reason": "delivery_limit"},
        )
        (again,) = await broker.take(REQUESTS_QUEUE, 1)

    assert again.body == encode(request)
    assert (again.reply_to, again.correlation_id) == ("callback.one", "correlation of one")
    assert [name for name in again.headers if name != "x-delivery-count"] == []
    assert _deliveries(again) == 0
    assert await broker.take_all(DEAD_CHUNKS_QUEUE) == []


async def test_chunk_that_is_dead_lettered_while_a_producer_runs_goes_round(
    engine: AsyncEngine, settings: ProducerSettings, broker: Broker, running_upload: uuid.UUID
) -> None:
    async with running_producer(engine, settings):
        await broker.request(chunk(running_upload, rows(2)))
        await broker.return_until_dead(REQUESTS_QUEUE, REQUEST_DELIVERY_LIMIT + 1)
        (again,) = await broker.take(REQUESTS_QUEUE, 1)

    assert "x-death" not in again.headers
    assert _deliveries(again) == 0


async def test_chunk_that_the_ledger_has_is_dropped(
    engine: AsyncEngine,
    settings: ProducerSettings,
    broker: Broker,
    running_upload: uuid.UUID,
    database: asyncpg.Connection,
) -> None:
    await database.execute(
        "INSERT INTO upload_chunks (upload_id, first_row, row_count, byte_count, inserted, updated, duplicates,"
        " rejected) VALUES ($1, 1, 2, 10, 2, 0, 0, 0)",
        running_upload,
    )

    await _is_dropped(engine, settings, broker, chunk(running_upload, rows(2)))


@pytest.mark.parametrize("status", ["cancelling", "succeeded", "failed"])
async def test_chunk_of_an_upload_that_takes_no_more_is_dropped(
    status: str, engine: AsyncEngine, settings: ProducerSettings, broker: Broker, add_upload: AddUpload
) -> None:
    await _is_dropped(engine, settings, broker, chunk(await add_upload(status=status), rows(2)))


@pytest.mark.parametrize("is_over", [False, True])
async def test_chunk_of_a_preview_goes_round_until_that_is_over(
    is_over: bool,
    engine: AsyncEngine,
    settings: ProducerSettings,
    broker: Broker,
    add_upload: AddUpload,
    database: asyncpg.Connection,
) -> None:
    upload_id = await add_upload(status="previewing", preview_id=7)
    # So that no producer takes it, as another has it.
    lease = "INSERT INTO upload_leases (upload_id, owner, fence, expires_at) VALUES ($1, 'other', 1, 'infinity')"
    await database.execute(lease, upload_id)
    values = msgspec.structs.asdict(chunk(upload_id, rows(2))) | {"version": 4, "preview_id": 6 if is_over else 7}
    request = PreviewChunkRequest(**values)
    if is_over:
        await _is_dropped(engine, settings, broker, request)
        return
    async with running_producer(engine, settings):
        await broker.publish(DEAD_CHUNKS_QUEUE, encode(request))
        (again,) = await broker.take(REQUESTS_QUEUE, 1)
    assert again.body == encode(request)


async def test_chunk_of_an_unknown_upload_is_dropped(
    engine: AsyncEngine, settings: ProducerSettings, broker: Broker
) -> None:
    await _is_dropped(engine, settings, broker, chunk(uuid.uuid4(), rows(2)))


@pytest.mark.fault(33)
async def test_what_a_newer_release_wrote_stays_for_a_newer_producer_and_blocks_nothing(
    engine: AsyncEngine, settings: ProducerSettings, broker: Broker, running_upload: uuid.UUID
) -> None:
    newer = json.dumps({"kind": "sheet", "version": 99, "upload_id": str(running_upload)}).encode()
    async with running_producer(engine, settings):
        await broker.publish(DEAD_CHUNKS_QUEUE, newer, reply_to="callback.one", message_id="one")
        await broker.publish(DEAD_CHUNKS_QUEUE, encode(chunk(running_upload, rows(2))))
        await broker.take(REQUESTS_QUEUE, 1)

    (kept,) = await broker.take(DEAD_CHUNKS_QUEUE, 1)
    assert (kept.body, kept.reply_to, kept.correlation_id) == (newer, "callback.one", "correlation of one")
    assert await broker.take_all(DEAD_LETTERS_QUEUE) == []


@pytest.mark.parametrize("corrects", [False, True])
async def test_redrive_goes_back_to_its_own_queue_while_one_of_its_rows_stands_at_its_attempt(
    corrects: bool,
    engine: AsyncEngine,
    settings: ProducerSettings,
    broker: Broker,
    running_upload: uuid.UUID,
    database: asyncpg.Connection,
) -> None:
    await insert_rejects(database, running_upload, [(1, ["a"]), (2, ["b"])])
    await database.execute("UPDATE rejected_rows SET attempt = 2 WHERE row_number = 1")
    wanted = _retrying(running_upload, [(1, 1), (2, 1)], corrects=corrects)
    unwanted = _retrying(running_upload, [(1, 1), (9, 1)], corrects=corrects)

    await _is_dropped(engine, settings, broker, unwanted)
    async with running_producer(engine, settings):
        await broker.publish(DEAD_CHUNKS_QUEUE, encode(wanted))
        (again,) = await broker.take(BULK_REQUESTS_QUEUE, 1)

    assert again.body == encode(wanted)


def _retrying(upload_id: uuid.UUID, rows: list[tuple[int, int]], *, corrects: bool) -> Request:
    if not corrects:
        return RedriveRequest(upload_id=upload_id, rows=rows)
    corrected = [(row_number, attempt, ["a"]) for row_number, attempt in rows]
    return CorrectionRequest(upload_id=upload_id, correction_id=uuid.uuid4(), rows=corrected)


async def test_what_is_no_request_goes_to_the_dead_letters_with_a_reason(
    engine: AsyncEngine, settings: ProducerSettings, broker: Broker, database: asyncpg.Connection
) -> None:
    async with running_producer(engine, settings):
        await broker.publish(DEAD_CHUNKS_QUEUE, b"no request")
        (letter,) = await broker.take(DEAD_LETTERS_QUEUE, 1)

    assert (letter.body, letter.routing_key) == (b"no request", "malformed")
    (stored,) = await database.fetch("SELECT reason, published_at FROM malformed_messages")
    assert stored["reason"].startswith("not a request")
    assert stored["published_at"] is not None
    assert await broker.take_all(DEAD_CHUNKS_QUEUE) == []


async def test_dead_chunk_waits_while_the_database_fails(
    engine: AsyncEngine,
    settings: ProducerSettings,
    broker: Broker,
    running_upload: uuid.UUID,
    database: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dead_chunks, "RETRY_SECONDS", 0.1)
    failures: list[object] = []
    event.listen(engine.sync_engine, "handle_error", failures.append)
    await database.execute("ALTER TABLE upload_chunks RENAME TO chunks_away")
    async with running_producer(engine, settings):
        await broker.publish(DEAD_CHUNKS_QUEUE, encode(chunk(running_upload, rows(2))))
        # It is tried more than once, and stays where it is.
        await eventually(lambda: len(failures) >= 3)
        assert await broker.take_all(REQUESTS_QUEUE) == []

        await database.execute("ALTER TABLE chunks_away RENAME TO upload_chunks")
        await broker.take(REQUESTS_QUEUE, 1)

    assert await broker.take_all(DEAD_CHUNKS_QUEUE) == []


async def _is_dropped(engine: AsyncEngine, settings: ProducerSettings, broker: Broker, request: Request) -> None:
    async with running_producer(engine, settings):
        await broker.publish(DEAD_CHUNKS_QUEUE, encode(request))
        # Behind it, so that its turn has come and gone when this one is in the dead letters.
        await broker.publish(DEAD_CHUNKS_QUEUE, json.dumps("behind it").encode())
        await broker.take(DEAD_LETTERS_QUEUE, 1)

    for queue in (REQUESTS_QUEUE, BULK_REQUESTS_QUEUE, DEAD_CHUNKS_QUEUE):
        assert await broker.take_all(queue) == []


def _deliveries(message: AbstractIncomingMessage) -> int:
    count = message.headers.get("x-delivery-count", 0)
    assert isinstance(count, int)
    return count
