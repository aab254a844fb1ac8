"""Rejected rows tried again: a letter goes when its row has moved on, and the queue follows the tables."""

from __future__ import annotations

import uuid
from typing import Any

import asyncpg
import httpx2
import pytest

from api_service.dead_letters import redrive as redriving
from api_service.settings import ApiSettings
from shared.amqp.topology import BULK_REQUESTS_QUEUE, DEAD_LETTERS_QUEUE, REQUESTS_QUEUE
from shared.messages import RedriveRequest, decode_request
from tests.integration.api_service.dead_letters.conftest import ConsumerOf, listed, rejected_upload
from tests.support.api import running_api
from tests.support.broker import Broker
from tests.support.dead_letters import DeadLetters, until_acquainted
from tests.support.effects import employees, ledger_counts, upload
from tests.support.jobs import address, order_redrive, redrive, until_ended, watch
from tests.support.tcp_proxy import tcp_proxy
from tests.support.waiting import eventually


@pytest.fixture(autouse=True)
def sent_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a test looks at what was sent, it is not sent again."""
    monkeypatch.setattr(redriving, "RESEND_SECONDS", 3600)


async def redriven_rows(broker: Broker, messages: int) -> list[tuple[uuid.UUID, list[tuple[int, int]]]]:
    requests = [decode_request(message.body) for message in await broker.take(BULK_REQUESTS_QUEUE, messages)]
    return [(each.upload_id, each.rows) for each in requests if isinstance(each, RedriveRequest)]


async def move_on(database: asyncpg.Connection) -> None:
    """As if every row were in by now."""
    await database.execute("DELETE FROM rejected_rows")


async def test_redrive_of_everything_leaves_malformed_messages_and_what_is_dead_again(
    api: httpx2.AsyncClient, letters: DeadLetters, consumer: ConsumerOf, upload_id: uuid.UUID
) -> None:
    await letters.add_rows(upload_id, [1, 2])
    malformed_id = await letters.add_malformed()
    await letters.add_rows(upload_id, [4], attempt=2)

    async with consumer():
        job = await redrive(api, all=True)

    assert (job["kind"], job["state"], job["total"], job["done"], job["left"]) == ("redrive", "succeeded", 3, 3, 0)
    again = [f"{upload_id}:{row_number}:{attempt}" for row_number, attempt in ((1, 2), (2, 2), (4, 3))]
    assert await listed(api) == [malformed_id, *again]
    assert await letters.take(4) == sorted([malformed_id, *again])


async def test_redrive_takes_the_oldest_and_leaves_the_others(
    api: httpx2.AsyncClient, letters: DeadLetters, consumer: ConsumerOf, upload_id: uuid.UUID
) -> None:
    others = await add_others(letters, upload_id)

    async with consumer():
        job = await redrive(api, limit=2)

    assert (job["total"], job["done"], job["left"], job["limit"]) == (2, 2, 4, 2)
    assert await letters.take(7) == sorted([*others, f"{upload_id}:8:2", f"{upload_id}:9:2"])


async def add_others(letters: DeadLetters, upload_id: uuid.UUID) -> list[str]:
    """Letters in an order that is neither that of rows nor of ids; all but the first two."""
    ids = await letters.add_rows(upload_id, [9, 8, 3, 5])
    ids.append(await letters.add_malformed())
    ids += await letters.add_rows(upload_id, [4, 1])
    return ids[2:]


async def test_redrive_can_be_for_one_upload_and_one_code(
    api: httpx2.AsyncClient,
    letters: DeadLetters,
    consumer: ConsumerOf,
    database: asyncpg.Connection,
    upload_id: uuid.UUID,
) -> None:
    other_id = await rejected_upload(database)
    [kept_code] = await letters.add_rows(upload_id, [1], code="invalid_mobile")
    await letters.add_rows(upload_id, [2], code="invalid_email")
    [kept_upload] = await letters.add_rows(other_id, [2], code="invalid_email")

    async with consumer():
        job = await redrive(api, uploadId=upload_id, code="invalid_email")

    assert (job["total"], job["done"]) == (1, 1)
    assert (job["uploadId"], job["code"]) == (str(upload_id), "invalid_email")
    assert await letters.take(3) == sorted([kept_code, kept_upload, f"{upload_id}:2:2"])


@pytest.mark.fault(28)
async def test_many_rows_go_in_small_requests_a_batch_at_a_time_and_pass_the_uploads_queue_by(
    api: httpx2.AsyncClient, letters: DeadLetters, broker: Broker, database: asyncpg.Connection, upload_id: uuid.UUID
) -> None:
    other_id = await rejected_upload(database)
    await letters.add_rows(other_id, [1])
    await letters.add_rows(upload_id, range(1, 1101))

    job = await order_redrive(api, all=True)
    first_batch = await redriven_rows(broker, 11)

    assert [(each, len(rows)) for each, rows in first_batch] == [
        (other_id, 1),
        *[(upload_id, 100)] * 9,
        (upload_id, 99),
    ]
    assert (await watch(api, job))["done"] == 0
    await database.execute("DELETE FROM rejected_rows WHERE upload_id = $1 OR row_number <= 999", other_id)
    second_batch = await redriven_rows(broker, 2)
    assert [rows for _, rows in second_batch] == [
        [(row_number, 1) for row_number in range(1000, 1100)],
        [(1100, 1)],
    ]
    assert (await watch(api, job))["done"] == 1000
    await move_on(database)
    assert (await until_ended(api, job))["done"] == 1101
    assert await broker.take_all(REQUESTS_QUEUE) == []
    assert await letters.take(0) == []


@pytest.mark.fault(34)
async def test_letter_stays_while_its_row_waits_and_what_the_request_queue_lost_is_sent_again(
    api: httpx2.AsyncClient,
    letters: DeadLetters,
    consumer: ConsumerOf,
    broker: Broker,
    upload_id: uuid.UUID,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redriving, "RESEND_SECONDS", 0.3)
    kept = await letters.add_rows(upload_id, [1, 2])
    job = await order_redrive(api, uploadId=upload_id)
    # By the time that somebody looks it may have been sent again.
    await eventually(lambda: _is_sent(broker))
    lost = [decode_request(message.body) for message in await broker.take_all(BULK_REQUESTS_QUEUE)]
    assert lost == [RedriveRequest(upload_id=upload_id, rows=[(1, 1), (2, 1)])] * len(lost)

    # The request is lost, as with its queue: nobody has tried the rows.
    assert await broker.has_ready(DEAD_LETTERS_QUEUE, 2)
    assert await listed(api) == kept
    async with consumer():
        job = await until_ended(api, job)

    assert (job["state"], job["done"]) == ("succeeded", 2)
    assert await letters.take(2) == [f"{upload_id}:1:2", f"{upload_id}:2:2"]


async def _is_sent(broker: Broker) -> bool:
    return (await broker.state(BULK_REQUESTS_QUEUE)).ready > 0


@pytest.mark.fault(34)
async def test_broker_that_is_away_delays_a_redrive_and_loses_nothing(
    settings: ApiSettings,
    letters: DeadLetters,
    consumer: ConsumerOf,
    database: asyncpg.Connection,
    upload_id: uuid.UUID,
    amqp_url: str,
) -> None:
    kept = await letters.add_rows(upload_id, [1, 2])
    async with tcp_proxy(amqp_url) as proxy:
        away = type(settings.amqp_url)(proxy.url)
        async with running_api(settings.model_copy(update={"amqp_url": away})) as api:
            await until_acquainted(settings, database)
            proxy.cut()
            job = await order_redrive(api, all=True)
            assert (await api.get("/v1/dead-letters")).json()["depth"] is None
            assert await listed(api) == kept
            await proxy.open()
            async with consumer():
                assert (await until_ended(api, job))["done"] == 2
    assert await letters.take(2) == [f"{upload_id}:1:2", f"{upload_id}:2:2"]


@pytest.mark.fault(28)
async def test_redrive_that_is_stopped_leaves_the_rest_alone_and_counts_what_moved_on(
    api: httpx2.AsyncClient,
    letters: DeadLetters,
    broker: Broker,
    database: asyncpg.Connection,
    upload_id: uuid.UUID,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redriving, "BATCH_ROWS", 3)
    ids = await letters.add_rows(upload_id, range(1, 11))
    job = await order_redrive(api, all=True)
    await redriven_rows(broker, 1)
    await database.execute("DELETE FROM rejected_rows WHERE row_number <= 3")
    await redriven_rows(broker, 1)
    await database.execute("DELETE FROM rejected_rows WHERE row_number = 4")

    answer = await api.delete(address(job))

    assert (answer.status_code, answer.json()["state"]) == (202, "cancelling")
    ended = await until_ended(api, job)
    assert (ended["state"], ended["done"], ended["total"]) == ("cancelled", 4, 10)
    assert await letters.take(6) == sorted(ids[4:])
    assert await broker.take_all(BULK_REQUESTS_QUEUE) == []


async def test_turn_of_the_queue_drops_second_copies_and_what_no_row_stands_for(
    api: httpx2.AsyncClient, letters: DeadLetters, broker: Broker, consumer: ConsumerOf, upload_id: uuid.UUID
) -> None:
    kept = await letters.add_rows(upload_id, range(1, 621))
    await letters.publish_row(upload_id, 7)
    await letters.publish_row(upload_id, 8, attempt=2)
    await letters.publish_row(uuid.uuid4(), 1)
    await broker.publish(DEAD_LETTERS_QUEUE, b"put here by hand", message_id="by hand")
    await letters.add_rows(upload_id, [2000], code="invalid_mobile")

    async with consumer():
        assert (await redrive(api, code="invalid_mobile"))["done"] == 1

    assert await letters.take(622) == sorted([*kept, "correlation of by hand", f"{upload_id}:2000:2"])


async def test_redriven_row_that_succeeds_leaves_dead_letters_and_report(
    api: httpx2.AsyncClient, letters: DeadLetters, consumer: ConsumerOf, database: asyncpg.Connection
) -> None:
    upload_id = await rejected_upload(database, chunk_rows=1)
    await letters.add_rows(upload_id, [1])
    await database.execute(
        "UPDATE rejected_rows SET cells = $1", '["Asha", "Initech", "9876543210", "asha@example.com"]'
    )

    async with consumer():
        assert (await redrive(api, all=True))["done"] == 1

    assert await listed(api) == []
    assert list(await employees(database)) == ["asha@example.com"]
    assert (await ledger_counts(database, upload_id)) == (1, 1, 0, 0, 0)
    assert (await upload(database, upload_id))["status"] == "succeeded"
    assert await letters.take(0) == []


async def test_letters_that_died_after_the_order_are_no_part_of_it(
    api: httpx2.AsyncClient, letters: DeadLetters, broker: Broker, database: asyncpg.Connection, upload_id: uuid.UUID
) -> None:
    await letters.add_rows(upload_id, [1])
    job = await order_redrive(api, all=True)
    # In one go: for a moment it would have died before the order.
    async with database.transaction():
        await letters.add_rows(upload_id, [2])
        await database.execute("UPDATE rejected_rows SET dead_at = now() WHERE row_number = 2")
    await redriven_rows(broker, 1)
    await database.execute("DELETE FROM rejected_rows WHERE row_number = 1")

    assert (await until_ended(api, job))["done"] == 1
    assert await letters.take(1) == [f"{upload_id}:2:1"]
    assert await broker.take_all(BULK_REQUESTS_QUEUE) == []


@pytest.mark.parametrize("order", [{"limit": 0}, {"code": "malformed_message"}, {"limit": 2**63}])
async def test_redrive_that_makes_no_sense_is_refused(api: httpx2.AsyncClient, order: dict[str, Any]) -> None:
    answer = await api.post("/v1/dead-letters/redrive", json={"all": True, **order})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_nothing_to_redrive_ends_at_once(api: httpx2.AsyncClient, broker: Broker) -> None:
    job = await redrive(api, all=True)

    assert (job["state"], job["total"], job["done"], job["left"]) == ("succeeded", 0, 0, 0)
    await eventually(lambda: broker.has_ready(BULK_REQUESTS_QUEUE, 0))
