"""Messages in and settled: acknowledged after their effect, given back while the fault is ours, never just dropped."""

from __future__ import annotations

import asyncio
import hashlib
import json
import uuid
from functools import partial

import asyncpg
import msgspec
import pytest
from prometheus_client import REGISTRY
from sqlalchemy.ext.asyncio import AsyncEngine

from consumer_service.settings import ConsumerSettings
from shared.amqp.topology import BULK_REQUESTS_QUEUE, DEAD_LETTERS_QUEUE, REQUESTS_QUEUE
from shared.messages import RedriveRequest, encode
from tests.integration.consumer_service.conftest import AddUpload
from tests.support import effects
from tests.support.broker import Broker, QueueState
from tests.support.chunks import BAD_EMAIL, chunk, rows
from tests.support.effects import Counts
from tests.support.pipeline import consumer_settings, running_consumer
from tests.support.servers import Servers, management
from tests.support.uploads import count_locks, insert_rejects
from tests.support.waiting import eventually, somebody_waits_for_a_lock


@pytest.fixture
def settings(database_url: str, amqp_url: str) -> ConsumerSettings:
    return consumer_settings(database_url, amqp_url)


async def test_reply_goes_to_the_callback_queue_with_the_counts(
    engine: AsyncEngine, settings: ConsumerSettings, broker: Broker, add_upload: AddUpload
) -> None:
    request = chunk(await add_upload(), [*rows(3), BAD_EMAIL])
    callbacks = await broker.callback_queue()
    async with running_consumer(engine, settings):
        await broker.request(request, reply_to=callbacks.name)
        reply = await broker.next_reply(callbacks)

    assert (reply.upload_id, reply.first_row, reply.outcome) == (request.upload_id, 1, "done")
    assert (reply.counts.inserted, reply.counts.rejected_by) == (3, {"invalid_email": 1})
    assert await broker.state(REQUESTS_QUEUE) == QueueState(ready=0, consumers=0)


async def test_chunk_of_a_finished_upload_is_answered_closed_and_acknowledged(
    engine: AsyncEngine, settings: ConsumerSettings, broker: Broker, add_upload: AddUpload
) -> None:
    callbacks = await broker.callback_queue()
    async with running_consumer(engine, settings):
        await broker.request(chunk(await add_upload(status="cancelled"), rows(3)), reply_to=callbacks.name)
        reply = await broker.next_reply(callbacks)

    assert reply.outcome == "closed"
    assert await broker.take_all(REQUESTS_QUEUE) == []


async def test_reply_to_a_callback_queue_that_is_gone_does_no_harm(
    engine: AsyncEngine, settings: ConsumerSettings, broker: Broker, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    upload_id = await add_upload()
    callbacks = await broker.callback_queue()
    async with running_consumer(engine, settings):
        await broker.request(chunk(upload_id, rows(2)), reply_to="callback.gone")
        await broker.request(chunk(upload_id, rows(2), first_row=3), reply_to=callbacks.name)
        reply = await broker.next_reply(callbacks)

    assert reply.first_row == 3
    assert (await effects.ledger_counts(database, upload_id)).rows == 4


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe not text",
        b"{}",
        b'{"kind": "chunk"}',
        b'{"kind": "upload_announced", "upload_id": "6f3f1c9e-2f51-4b9f-93a9-0e7a4a9c0b4e"}',
        b"null \x00",
    ],
)
async def test_malformed_message_is_dead_lettered_with_a_reason_and_the_consumer_goes_on(
    body: bytes,
    engine: AsyncEngine,
    settings: ConsumerSettings,
    broker: Broker,
    add_upload: AddUpload,
    database: asyncpg.Connection,
) -> None:
    upload_id = await add_upload()
    async with running_consumer(engine, settings):
        for _ in range(2):
            await broker.request(body, message_id="malformed one")
        await broker.request(chunk(upload_id, rows(1)))
        await eventually(lambda: _has_rows(database, upload_id, 1))

    messages = await broker.take_all(DEAD_LETTERS_QUEUE)
    assert [message.body for message in messages] == [body, body]
    # The same message twice: one row in the table, and letters whose id shows that they are the same.
    (stored,) = await database.fetch("SELECT id, reason, body, published_at FROM malformed_messages")
    assert {message.message_id for message in messages} == {f"malformed:{stored['id']}"}
    assert stored["reason"].startswith("not a request")
    assert stored["published_at"] is not None
    assert await broker.take_all(REQUESTS_QUEUE) == []


async def test_malformed_message_gives_nothing_of_its_body_away_in_its_reason(
    engine: AsyncEngine, settings: ConsumerSettings, broker: Broker, database: asyncpg.Connection
) -> None:
    secret = hashlib.sha256(b"an employee").hexdigest()
    body = msgspec.json.encode({"kind": "chunk", "upload_id": secret, "first_row": secret, "rows": [[secret]]})
    async with running_consumer(engine, settings):
        await broker.request(body)
        await broker.take(DEAD_LETTERS_QUEUE, 1)

    assert secret not in await database.fetchval("SELECT reason FROM malformed_messages")


@pytest.mark.fault(33)
@pytest.mark.parametrize(
    "newer",
    [
        {"version": 99},
        {"version": 99, "rows": "in another form", "more": 1},
        {"kind": "sheet"},
        {"faults": {"1": "record_has_nul"}},
        {"layout": {"width": 5, "columns": {"email": [3], "shoe_size": [4]}}},
    ],
    ids=["version", "form", "kind", "code", "field"],
)
async def test_what_a_newer_release_wrote_is_given_back_unharmed_and_delays_nothing(
    newer: dict[str, object],
    engine: AsyncEngine,
    settings: ConsumerSettings,
    broker: Broker,
    add_upload: AddUpload,
    database: asyncpg.Connection,
) -> None:
    upload_id = await add_upload()
    body = msgspec.json.encode(msgspec.to_builtins(chunk(upload_id, rows(3), first_row=100)) | newer)
    before = _given_back()
    async with running_consumer(engine, settings):
        await broker.request(body, message_id="one", reply_to="callback.one")
        await broker.request(chunk(upload_id, rows(2)))
        await eventually(lambda: _has_rows(database, upload_id, 2))
        await eventually(lambda: _given_back() >= before + 3)

    (message,) = await broker.take(REQUESTS_QUEUE, 1)
    assert (message.body, message.message_id) == (body, "one")
    assert (message.reply_to, message.correlation_id) == ("callback.one", "correlation of one")
    assert await broker.take_all(DEAD_LETTERS_QUEUE) == []
    assert await database.fetchval("SELECT count(*) FROM malformed_messages") == 0


@pytest.mark.fault(33)
async def test_field_that_no_version_of_a_message_has_is_refused_with_a_reason(
    engine: AsyncEngine, settings: ConsumerSettings, broker: Broker, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    unknown = {"sheet": "ignored?"}
    body = msgspec.json.encode(msgspec.to_builtins(chunk(await add_upload(), rows(3))) | unknown)
    async with running_consumer(engine, settings):
        await broker.request(body)
        await broker.take(DEAD_LETTERS_QUEUE, 1)

    assert "unknown field" in await database.fetchval("SELECT reason FROM malformed_messages")
    assert await database.fetchval("SELECT count(*) FROM upload_chunks") == 0


@pytest.mark.fault(32)
@pytest.mark.parametrize(("first_row", "count", "reader_version"), [(4, 3, 1), (1, 12, 1), (8, 9, 1), (20, 2, 7)])
async def test_chunk_that_cannot_be_of_its_uploads_reading_is_refused(
    first_row: int,
    count: int,
    reader_version: int,
    engine: AsyncEngine,
    settings: ConsumerSettings,
    broker: Broker,
    add_upload: AddUpload,
    database: asyncpg.Connection,
) -> None:
    upload_id = await add_upload()
    callbacks = await broker.callback_queue()
    other = msgspec.structs.replace(
        chunk(upload_id, rows(count, start=first_row), first_row=first_row), reader_version=reader_version
    )
    async with running_consumer(engine, settings):
        await broker.request(chunk(upload_id, rows(6, start=5), first_row=5), reply_to=callbacks.name)
        assert (await broker.next_reply(callbacks)).outcome == "done"
        await broker.request(other, reply_to=callbacks.name)
        assert (await broker.next_reply(callbacks)).outcome == "closed"

    assert await database.fetchval("SELECT sum(row_count) FROM upload_chunks") == 6
    assert len(await effects.employees(database)) == 6


async def test_message_is_given_back_while_the_database_fails_and_done_when_it_answers_again(
    engine: AsyncEngine, settings: ConsumerSettings, broker: Broker, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    request = chunk(await add_upload(), [*rows(3), BAD_EMAIL])
    await database.execute("ALTER TABLE uploads RENAME TO uploads_away")
    async with running_consumer(engine, settings) as deliveries:
        await broker.request(request)
        await eventually(lambda: _is(broker, QueueState(ready=1, consumers=0)))
        assert not deliveries.is_consuming

        await database.execute("ALTER TABLE uploads_away RENAME TO uploads")
        await eventually(lambda: _has_rows(database, request.upload_id, 4))
        # The chunk may be done before the other queue is subscribed to again.
        await eventually(lambda: deliveries.is_consuming)

    assert await effects.ledger_counts(database, request.upload_id) == Counts(4, 3, 0, 0, 1)
    assert await effects.codes(database, request.upload_id) == {4: "invalid_email"}
    assert await broker.take_all(REQUESTS_QUEUE) == []


async def test_error_in_most_rows_holds_the_message_instead_of_dead_lettering_them(
    engine: AsyncEngine, settings: ConsumerSettings, broker: Broker, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    request = chunk(await add_upload(), rows(4))
    await database.execute("ALTER TABLE employees ADD CONSTRAINT ours CHECK (false)")
    async with running_consumer(engine, settings):
        await broker.request(request)
        await eventually(lambda: _is(broker, QueueState(ready=1, consumers=0)))
        assert await effects.rejects(database, request.upload_id) == []

        await database.execute("ALTER TABLE employees DROP CONSTRAINT ours")
        await eventually(lambda: _has_rows(database, request.upload_id, 4))

    assert await effects.ledger_counts(database, request.upload_id) == Counts(4, 4, 0, 0, 0)
    assert await broker.take_all(DEAD_LETTERS_QUEUE) == []


async def test_malformed_message_waits_for_the_database_too(
    engine: AsyncEngine, settings: ConsumerSettings, broker: Broker, database: asyncpg.Connection
) -> None:
    await database.execute("ALTER TABLE malformed_messages RENAME TO malformed_away")
    async with running_consumer(engine, settings):
        await broker.request(b"no request")
        await eventually(lambda: _is(broker, QueueState(ready=1, consumers=0)))
        await database.execute("ALTER TABLE malformed_away RENAME TO malformed_messages")
        await broker.take(DEAD_LETTERS_QUEUE, 1)

    assert await broker.take_all(REQUESTS_QUEUE) == []


@pytest.mark.parametrize("place", ["before_transaction", "before_reply", "after_reply"])
async def test_failure_at_any_point_of_a_delivery_leaves_one_effect(
    place: str,
    engine: AsyncEngine,
    database_url: str,
    amqp_url: str,
    broker: Broker,
    add_upload: AddUpload,
    database: asyncpg.Connection,
) -> None:
    request = chunk(await add_upload(), [*rows(3), BAD_EMAIL])
    failing = consumer_settings(
        database_url, amqp_url, failpoints=json.dumps({f"consumer.{place}": {"action": "raise"}})
    )
    callbacks = await broker.callback_queue()
    async with running_consumer(engine, failing):
        await broker.request(request, reply_to=callbacks.name)
        # After the failure, the redelivery: settled for good once it is neither ready nor unacknowledged.
        reply = await broker.next_reply(callbacks)
        await broker.take(DEAD_LETTERS_QUEUE, 1)
        await broker.request(chunk(request.upload_id, rows(1, start=9), first_row=5))
        await eventually(lambda: _has_rows(database, request.upload_id, 5))

    assert reply.counts.inserted == 3
    assert await effects.ledger_counts(database, request.upload_id) == Counts(5, 4, 0, 0, 1)
    assert await broker.take_all(REQUESTS_QUEUE) == []
    assert await broker.take_all(DEAD_LETTERS_QUEUE) == []


async def test_deadlock_is_retried_and_reaches_no_message(
    engine: AsyncEngine, settings: ConsumerSettings, broker: Broker, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    # Raised three times by the test's own trigger, as Postgres raises it in the loser of a deadlock.
    await database.execute("""
        CREATE SEQUENCE tries;
        CREATE FUNCTION deadlock() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF nextval('tries') <= 3 THEN RAISE EXCEPTION 'deadlock' USING ERRCODE = '40P01'; END IF; RETURN NEW;
        END $$;
        CREATE TRIGGER deadlock BEFORE INSERT ON employees FOR EACH STATEMENT EXECUTE FUNCTION deadlock()
    """)
    upload_id = await add_upload()
    async with running_consumer(engine, settings) as deliveries:
        await broker.request(chunk(upload_id, rows(2)))
        await eventually(lambda: _has_rows(database, upload_id, 2))
        assert deliveries.is_consuming

    assert await database.fetchval("SELECT last_value FROM tries") == 4
    assert await effects.ledger_counts(database, upload_id) == Counts(2, 2, 0, 0, 0)


async def test_consumer_that_stops_settles_the_message_in_hand_and_leaves_the_others(
    engine: AsyncEngine,
    settings: ConsumerSettings,
    broker: Broker,
    add_upload: AddUpload,
    database: asyncpg.Connection,
    database_url: str,
) -> None:
    upload_id = await add_upload()
    blocker = await asyncpg.connect(database_url)
    transaction = blocker.transaction()
    await transaction.start()
    await blocker.execute("LOCK TABLE employees IN ACCESS EXCLUSIVE MODE")
    async with running_consumer(engine, settings) as deliveries:
        for first_row in (1, 3):
            await broker.request(chunk(upload_id, rows(2, start=first_row), first_row=first_row))
        await eventually(lambda: _is(broker, QueueState(ready=1, consumers=1)))
        # What was only delivered goes back with the others.
        await eventually(lambda: somebody_waits_for_a_lock(database))
        deliveries.stop()
        await transaction.rollback()
        await blocker.close()

    assert await effects.ledger_counts(database, upload_id) == Counts(2, 2, 0, 0, 0)
    # It may have been on its way to the consumer, and then comes back a moment after that has ended.
    assert len(await broker.take(REQUESTS_QUEUE, 1)) == 1


@pytest.mark.fault(28)
async def test_chunk_waits_for_one_bulk_request_and_a_bulk_request_for_one_chunk(
    engine: AsyncEngine,
    settings: ConsumerSettings,
    broker: Broker,
    add_upload: AddUpload,
    database: asyncpg.Connection,
    database_url: str,
) -> None:
    upload_id, redriven_id = await add_upload(), await add_upload()
    await insert_rejects(database, redriven_id, [(number, BAD_EMAIL) for number in range(1, 11)])
    await database.execute(
        "INSERT INTO upload_chunks (upload_id, first_row, row_count, byte_count, inserted, updated, duplicates,"
        " rejected) VALUES ($1, 1, 10, 10, 0, 0, 0, 10)",
        redriven_id,
    )
    for number in range(1, 11):
        await broker.publish(BULK_REQUESTS_QUEUE, encode(RedriveRequest(upload_id=redriven_id, rows=[(number, 1)])))
    for first_row in (1, 3, 5, 7):
        await broker.request(chunk(upload_id, rows(2, start=first_row), first_row=first_row))
    # Each message waits for one of two locks. One is let go when the next one of each queue is in hand, and the other
    # is in line behind the message that goes on then: so one message is handled at a time.
    gates = [await asyncpg.connect(database_url) for _ in range(2)]
    await _close(gates[0])
    async with running_consumer(engine, settings):
        for handled in range(7):
            closed, following = gates[handled % 2], gates[(handled + 1) % 2]
            await eventually(partial(_has_one_of_each_in_hand, broker, left=14 - handled))
            await eventually(partial(_wait_for_uploads, database, 1))
            closing = asyncio.create_task(_close(following))
            await eventually(partial(_wait_for_uploads, database, 2))
            await closed.execute("ROLLBACK")
            await closing
        for gate in gates:
            await gate.close()
        await eventually(lambda: broker.has_ready(BULK_REQUESTS_QUEUE, 0))
        await eventually(lambda: _has_rows(database, upload_id, 8))

    kinds = await database.fetchval(
        "SELECT string_agg(kind, '' ORDER BY at) FROM ("
        "  SELECT 'c' AS kind, committed_at AS at FROM upload_chunks WHERE upload_id = $1"
        "  UNION ALL SELECT 'b', dead_at FROM rejected_rows WHERE upload_id = $2 AND attempt = 2) AS handled",
        upload_id,
        redriven_id,
    )
    assert kinds in ("cb" * 4 + "b" * 6, "bc" * 4 + "b" * 6)


async def test_consumer_takes_one_message_at_a_time(
    engine: AsyncEngine, settings: ConsumerSettings, amqp_url: str, servers: Servers, broker: Broker
) -> None:
    vhost = amqp_url.rpartition("/")[2]

    async def prefetches() -> list[int]:
        async with management(servers) as api:
            consumers = (await api.get(f"/api/consumers/{vhost}")).raise_for_status().json()
        return [each["prefetch_count"] for each in consumers if each["queue"]["name"] == REQUESTS_QUEUE]

    async def one_of_prefetch_one() -> bool:
        return await prefetches() == [1]

    async with running_consumer(engine, settings):
        await eventually(one_of_prefetch_one)


async def _close(gate: asyncpg.Connection) -> None:
    await gate.execute("BEGIN; LOCK TABLE uploads IN ACCESS EXCLUSIVE MODE")


async def _wait_for_uploads(database: asyncpg.Connection, count: int) -> bool:
    return await count_locks(database, "relation = 'uploads'::regclass AND NOT granted") == count


async def _has_one_of_each_in_hand(broker: Broker, *, left: int) -> bool:
    """Of so many that are not acknowledged yet."""
    queues = (REQUESTS_QUEUE, BULK_REQUESTS_QUEUE)
    return sum([(await broker.state(queue)).ready for queue in queues]) == left - len(queues)


async def _has_rows(database: asyncpg.Connection, upload_id: uuid.UUID, count: int) -> bool:
    return (await effects.ledger_counts(database, upload_id)).rows == count


async def _is(broker: Broker, state: QueueState) -> bool:
    return await broker.state(REQUESTS_QUEUE) == state


def _given_back() -> float:
    return REGISTRY.get_sample_value("rollcall_consumer_newer_messages_total") or 0
