"""Dead letters deleted: in small steps, each with its count, and the queue follows."""

from __future__ import annotations

import uuid

import asyncpg
import httpx2
import pytest

from api_service.dead_letters import deletion
from api_service.settings import ApiSettings
from shared.amqp.topology import BULK_REQUESTS_QUEUE
from tests.integration.api_service.dead_letters.conftest import listed
from tests.support.api import running_api
from tests.support.broker import Broker
from tests.support.dead_letters import DeadLetters, until_acquainted
from tests.support.jobs import address, delete, order_deletion, redrive, until_ended
from tests.support.tcp_proxy import tcp_proxy


async def test_deleted_rows_leave_the_dead_letters_and_stay_in_the_report(
    api: httpx2.AsyncClient, letters: DeadLetters, broker: Broker, upload_id: uuid.UUID
) -> None:
    await letters.add_rows(upload_id, [1, 2])
    await letters.add_malformed()

    job = await delete(api, uploadId=upload_id)

    assert (job["kind"], job["state"], job["total"], job["done"]) == ("delete", "succeeded", 2, 2)
    assert (await delete(api, uploadId=upload_id))["total"] == 0
    [malformed_id] = await listed(api)
    assert await letters.take(1) == [malformed_id]
    report = (await api.get(f"/v1/uploads/{upload_id}/rejects")).json()
    assert [reject["rowNumber"] for reject in report["data"]] == [1, 2]
    assert (await redrive(api, all=True))["total"] == 0
    assert await broker.take_all(BULK_REQUESTS_QUEUE) == []


async def test_malformed_messages_are_deleted_by_their_code(
    api: httpx2.AsyncClient, letters: DeadLetters, upload_id: uuid.UUID
) -> None:
    await letters.add_malformed()
    kept = await letters.add_rows(upload_id, [1])

    assert (await delete(api, code="malformed_message"))["done"] == 1

    assert await listed(api) == kept
    assert await letters.take(1) == kept


@pytest.mark.parametrize("step", [1, 2, 100])
async def test_everything_is_deleted_in_steps_and_counted_once(
    api: httpx2.AsyncClient, letters: DeadLetters, upload_id: uuid.UUID, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletion, "STEP_LETTERS", step)
    await letters.add_rows(upload_id, [1, 2, 3])
    for _ in range(2):
        await letters.add_malformed()

    job = await delete(api, all=True)

    assert (job["total"], job["done"], job["left"]) == (5, 5, 0)
    assert (await listed(api), await letters.take(0)) == ([], [])


async def test_deletion_that_is_stopped_leaves_the_rest(
    api: httpx2.AsyncClient,
    letters: DeadLetters,
    database: asyncpg.Connection,
    upload_id: uuid.UUID,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deletion, "STEP_LETTERS", 2)
    ids = await letters.add_rows(upload_id, range(1, 8))
    # The second step waits for this row.
    transaction = database.transaction()
    await transaction.start()
    await database.execute("SELECT FROM rejected_rows WHERE row_number = 3 FOR UPDATE")
    job = await order_deletion(api, all=True)
    answer = await api.delete(address(job))
    assert (answer.status_code, answer.json()["state"]) == (202, "cancelling")
    await transaction.rollback()

    ended = await until_ended(api, job)

    assert ended["state"] == "cancelled"
    assert ended["done"] in (0, 2, 4)
    assert await listed(api) == ids[ended["done"] :]
    assert await letters.take(7 - ended["done"]) == sorted(ids[ended["done"] :])


async def test_broker_that_is_away_delays_the_letters_and_not_the_rows(
    settings: ApiSettings, letters: DeadLetters, database: asyncpg.Connection, upload_id: uuid.UUID, amqp_url: str
) -> None:
    await letters.add_rows(upload_id, [1, 2])
    async with tcp_proxy(amqp_url) as proxy:
        away = type(settings.amqp_url)(proxy.url)
        async with running_api(settings.model_copy(update={"amqp_url": away})) as api:
            await until_acquainted(settings, database)
            proxy.cut()
            job = await order_deletion(api, all=True)
            assert (await api.get("/v1/dead-letters")).json()["depth"] is None
            await proxy.open()
            assert (await until_ended(api, job))["done"] == 2
    assert await letters.take(0) == []
