"""Dead letters listed, redriven and deleted: the tables say what there is, and the queue follows."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx2
import pytest
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from api_service.settings import ApiSettings
from shared.amqp.topology import DEAD_LETTERS_QUEUE, REQUESTS_QUEUE
from shared.database import advisory_locks
from shared.messages import RedriveRequest, decode_request
from tests.support.api import running_api
from tests.support.broker import Broker
from tests.support.dead_letters import CELLS, MESSAGE, DeadLetters, open_dead_letters
from tests.support.effects import employees, ledger_counts, upload
from tests.support.pipeline import consumer_settings, running_consumer
from tests.support.tcp_proxy import tcp_proxy
from tests.support.uploads import insert_upload
from tests.support.waiting import eventually

LETTERS = "/v1/dead-letters"
REDRIVE = "/v1/dead-letters/redrive"


@pytest.fixture
async def letters(settings: ApiSettings, database: asyncpg.Connection, broker: Broker) -> AsyncIterator[DeadLetters]:
    async with open_dead_letters(settings, database, broker) as dead_letters:
        yield dead_letters


@pytest.fixture
async def upload_id(database: asyncpg.Connection) -> uuid.UUID:
    return await insert_upload(database, status="partially_succeeded")


async def redrive(api: httpx2.AsyncClient, **order: Any) -> httpx2.Response:
    return await _when_free(api, "POST", REDRIVE, order)


async def delete(api: httpx2.AsyncClient, **matching: Any) -> httpx2.Response:
    return await _when_free(api, "DELETE", LETTERS, matching)


async def _when_free(api: httpx2.AsyncClient, method: str, path: str, order: dict[str, Any]) -> httpx2.Response:
    """An API that has just started looks for stale letters itself."""
    answers: list[httpx2.Response] = []

    async def answered() -> bool:
        answers.append(await api.request(method, path, json=order or None))
        return answers[-1].status_code != 409

    await eventually(answered)
    return answers[-1]


async def listed(api: httpx2.AsyncClient) -> list[str]:
    body = (await api.get(f"{LETTERS}?limit=1000")).json()
    assert body["totalData"] == body["size"] == len(body["data"])
    return [letter["messageId"] for letter in body["data"]]


async def redriven_rows(broker: Broker, messages: int) -> list[tuple[uuid.UUID, list[tuple[int, int]]]]:
    requests = [decode_request(message.body) for message in await broker.take(REQUESTS_QUEUE, messages)]
    return [(each.upload_id, each.rows) for each in requests if isinstance(each, RedriveRequest)]


async def test_dead_letters_are_listed_oldest_first_with_the_queues_depth(
    api: httpx2.AsyncClient, letters: DeadLetters, upload_id: uuid.UUID
) -> None:
    await letters.add_rows(upload_id, [2])
    malformed_id = await letters.add_malformed()
    await letters.add_rows(upload_id, [1], code="missing_value", attempt=3)
    body = (await api.get(LETTERS)).json()
    assert (body["depth"], body["totalData"], body["size"]) == (3, 3, 3)
    assert [letter.pop("deadAt") for letter in body["data"]] == [f"2026-01-01T00:00:0{second}Z" for second in (1, 2, 3)]
    row = {"uploadId": str(upload_id), "field": "email", "message": MESSAGE, "cells": CELLS}
    nothing = {"uploadId": None, "rowNumber": None, "lineNumber": None, "field": None, "cells": None}
    assert body["data"] == [
        row | {"messageId": f"{upload_id}:2:1", "rowNumber": 2, "lineNumber": 3, "code": "invalid_email"},
        nothing | {"messageId": malformed_id, "code": "malformed_message", "message": "not a request"},
        row | {"messageId": f"{upload_id}:1:3", "rowNumber": 1, "lineNumber": 2, "code": "missing_value"},
    ]


async def test_pages_and_cursors_lead_through_all_dead_letters(
    api: httpx2.AsyncClient, letters: DeadLetters, upload_id: uuid.UUID
) -> None:
    expected = await letters.add_rows(upload_id, [3, 1])
    expected.append(await letters.add_malformed())
    expected += await letters.add_rows(upload_id, [2, 7, 5])
    by_page = [(await api.get(f"{LETTERS}?limit=2&page={page}")).json() for page in (1, 2, 3, 4)]
    assert [letter["messageId"] for page in by_page for letter in page["data"]] == expected
    page, by_cursor = by_page[0], list(by_page[0]["data"])
    while page["nextCursor"] is not None:
        page = (await api.get(LETTERS, params={"limit": 2, "cursor": page["nextCursor"]})).json()
        by_cursor += page["data"]
    assert [letter["messageId"] for letter in by_cursor] == expected


async def test_a_redrive_of_everything_empties_the_queue_of_rows(
    api: httpx2.AsyncClient, letters: DeadLetters, broker: Broker, upload_id: uuid.UUID
) -> None:
    await letters.add_rows(upload_id, [1, 2])
    malformed_id = await letters.add_malformed()
    await letters.add_rows(upload_id, [4], attempt=2)
    answer = await redrive(api)
    assert answer.json() == {"redriven": 3, "left": 0}
    assert await redriven_rows(broker, 1) == [(upload_id, [(1, 1), (2, 1), (4, 2)])]
    assert await letters.take(1) == [malformed_id]


async def test_a_redrive_takes_the_oldest_and_leaves_the_others_in_order(
    api: httpx2.AsyncClient, letters: DeadLetters, broker: Broker, upload_id: uuid.UUID
) -> None:
    others = await insert_others(letters, upload_id)
    answer = await redrive(api, limit=2)
    assert answer.json() == {"redriven": 2, "left": 4}
    assert await redriven_rows(broker, 1) == [(upload_id, [(9, 1), (8, 1)])]
    assert await letters.take(5) == others


async def insert_others(letters: DeadLetters, upload_id: uuid.UUID) -> list[str]:
    """Letters in an order that is neither that of rows nor of ids; all but the first two."""
    ids = await letters.add_rows(upload_id, [9, 8, 3, 5])
    ids.append(await letters.add_malformed())
    ids += await letters.add_rows(upload_id, [4, 1])
    return ids[2:]


async def test_a_redrive_can_be_for_one_upload_and_one_code(
    api: httpx2.AsyncClient, letters: DeadLetters, broker: Broker, database: asyncpg.Connection, upload_id: uuid.UUID
) -> None:
    other_id = await insert_upload(database)
    [kept_code] = await letters.add_rows(upload_id, [1], code="invalid_mobile")
    await letters.add_rows(upload_id, [2], code="invalid_email")
    [kept_upload] = await letters.add_rows(other_id, [2], code="invalid_email")
    answer = await redrive(api, uploadId=str(upload_id), code="invalid_email")
    assert answer.json() == {"redriven": 1, "left": 0}
    assert await redriven_rows(broker, 1) == [(upload_id, [(2, 1)])]
    assert await letters.take(2) == [kept_code, kept_upload]


async def test_many_rows_go_back_in_requests_of_five_hundred_by_upload(
    api: httpx2.AsyncClient, letters: DeadLetters, broker: Broker, database: asyncpg.Connection, upload_id: uuid.UUID
) -> None:
    other_id = await insert_upload(database)
    await letters.add_rows(upload_id, range(1, 1101))
    await letters.add_rows(other_id, [1])
    assert (await redrive(api, uploadId=None)).json() == {"redriven": 1101, "left": 0}
    redriven = await redriven_rows(broker, 4)
    assert [(each, len(rows)) for each, rows in redriven] == [
        (upload_id, 500),
        (upload_id, 500),
        (upload_id, 100),
        (other_id, 1),
    ]
    assert await letters.take(0) == []


async def test_a_rotation_keeps_order_drops_second_copies_and_what_no_row_stands_for(
    api: httpx2.AsyncClient, letters: DeadLetters, broker: Broker, database: asyncpg.Connection, upload_id: uuid.UUID
) -> None:
    kept = await letters.add_rows(upload_id, range(1, 621))
    await letters.publish_row(upload_id, 7)
    await letters.publish_row(upload_id, 8, attempt=2)
    await letters.publish_row(uuid.uuid4(), 1)
    await broker.publish(DEAD_LETTERS_QUEUE, b"put here by hand", message_id="by hand")
    discarded = await letters.add_rows(upload_id, [2000], code="invalid_mobile")
    answer = await delete(api, code="invalid_mobile")
    assert answer.json() == {"removed": 1}
    assert await letters.take(621) == [*kept, "correlation of by hand"]
    assert discarded == [f"{upload_id}:2000:1"]


async def test_deleted_rows_leave_the_dead_letters_and_stay_in_the_report(
    api: httpx2.AsyncClient, letters: DeadLetters, broker: Broker, upload_id: uuid.UUID
) -> None:
    await letters.add_rows(upload_id, [1, 2])
    await letters.add_malformed()
    assert (await delete(api, uploadId=str(upload_id))).json() == {"removed": 2}
    assert (await delete(api, uploadId=str(upload_id))).json() == {"removed": 0}
    [malformed_id] = await listed(api)
    assert await letters.take(1) == [malformed_id]
    report = (await api.get(f"/v1/uploads/{upload_id}/rejects")).json()
    assert [reject["rowNumber"] for reject in report["data"]] == [1, 2]
    assert (await redrive(api)).json() == {"redriven": 0, "left": 0}
    assert await broker.take_all(REQUESTS_QUEUE) == []


async def test_malformed_messages_are_deleted_by_their_code(
    api: httpx2.AsyncClient, letters: DeadLetters, upload_id: uuid.UUID
) -> None:
    await letters.add_malformed()
    kept = await letters.add_rows(upload_id, [1])
    assert (await delete(api, code="malformed_message")).json() == {"removed": 1}
    assert await listed(api) == kept
    assert await letters.take(1) == kept


async def test_deleting_without_a_filter_deletes_everything(
    api: httpx2.AsyncClient, letters: DeadLetters, upload_id: uuid.UUID
) -> None:
    await letters.add_rows(upload_id, [1, 2])
    await letters.add_malformed()
    assert (await delete(api)).json() == {"removed": 3}
    assert (await listed(api), await letters.take(0)) == ([], [])


async def add_rejected_row(
    database: asyncpg.Connection, letters: DeadLetters, upload_id: uuid.UUID, cells: str
) -> None:
    """The only row of its upload, with the ledger and the counts to match."""
    await letters.add_rows(upload_id, [1])
    await database.execute("UPDATE rejected_rows SET cells = $1", cells)
    await database.execute(
        "INSERT INTO upload_chunks (upload_id, first_row, row_count, byte_count, inserted, updated, duplicates,"
        " rejected, rejected_by) VALUES ($1, 1, 1, 10, 0, 0, 0, 1, '{\"invalid_email\": 1}')",
        upload_id,
    )
    await database.execute(
        "UPDATE uploads SET rows_read = 1, rejected = 1, rejected_by = '{\"invalid_email\": 1}', finished_at = now()"
        " WHERE id = $1",
        upload_id,
    )


async def test_a_redriven_row_that_succeeds_leaves_dead_letters_and_report(
    api: httpx2.AsyncClient,
    letters: DeadLetters,
    database: asyncpg.Connection,
    upload_id: uuid.UUID,
    engine: AsyncEngine,
    settings: ApiSettings,
) -> None:
    await add_rejected_row(database, letters, upload_id, '["Asha", "Initech", "9876543210", "asha@example.com"]')
    consuming = consumer_settings(settings.database_url.get_secret_value(), settings.amqp_url.get_secret_value())
    async with running_consumer(engine, consuming):
        assert (await redrive(api)).json() == {"redriven": 1, "left": 0}

        async def gone() -> bool:
            return await listed(api) == []

        await eventually(gone)
    assert list(await employees(database)) == ["asha@example.com"]
    assert (await ledger_counts(database, upload_id)) == (1, 1, 0, 0, 0)
    assert (await upload(database, upload_id))["status"] == "succeeded"
    assert await letters.take(0) == []


async def test_a_redriven_row_that_fails_again_is_dead_again_once(
    api: httpx2.AsyncClient,
    letters: DeadLetters,
    database: asyncpg.Connection,
    upload_id: uuid.UUID,
    engine: AsyncEngine,
    settings: ApiSettings,
) -> None:
    await add_rejected_row(database, letters, upload_id, '["Asha", "Initech", "9876543210", "still no email"]')
    consuming = consumer_settings(settings.database_url.get_secret_value(), settings.amqp_url.get_secret_value())
    async with running_consumer(engine, consuming):
        assert (await redrive(api)).json() == {"redriven": 1, "left": 0}

        async def dead_again() -> bool:
            return await listed(api) == [f"{upload_id}:1:2"]

        await eventually(dead_again)
        assert await letters.take(1) == [f"{upload_id}:1:2"]
    assert (await ledger_counts(database, upload_id)) == (1, 0, 0, 0, 1)


async def test_one_change_at_a_time(
    api: httpx2.AsyncClient, letters: DeadLetters, database: asyncpg.Connection, upload_id: uuid.UUID
) -> None:
    [kept] = await letters.add_rows(upload_id, [1])
    await database.execute("SELECT pg_advisory_lock($1)", advisory_locks.DEAD_LETTERS)
    for answer in (await api.post(REDRIVE), await api.delete(LETTERS)):
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert (answer.status_code, answer.json()["code"]) == (409, "dead_letters_busy")
    assert await listed(api) == [kept]
    await database.execute("SELECT pg_advisory_unlock($1)", advisory_locks.DEAD_LETTERS)
    # And again and again: no connection goes back to the pool with the lock.
    for _ in range(12):
        assert (await redrive(api, limit=1)).status_code == 200


async def test_without_a_broker_nothing_changes_and_the_list_is_still_there(
    settings: ApiSettings, letters: DeadLetters, upload_id: uuid.UUID, amqp_url: str
) -> None:
    kept = await letters.add_rows(upload_id, [1, 2])
    async with (
        tcp_proxy(amqp_url) as proxy,
        running_api(settings.model_copy(update={"amqp_url": SecretStr(proxy.url)})) as api,
    ):
        proxy.cut()
        for answer in (await api.post(REDRIVE), await api.delete(LETTERS)):
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert (answer.status_code, answer.json()["code"]) == (503, "broker_unavailable")
            assert int(answer.headers["Retry-After"]) > 0
        assert (await api.get(LETTERS)).json()["depth"] is None
        assert await listed(api) == kept
        await proxy.open()
        assert (await delete(api)).json() == {"removed": 2}
    assert await letters.take(0) == []


@pytest.mark.parametrize(
    ("order", "culprit"),
    [
        ({"uploadID": "x"}, "body.uploadID"),
        ({"uploadId": "x"}, "body.uploadId"),
        ({"code": "bad_luck"}, "body.code"),
        ({"limit": 0}, "body.limit"),
    ],
)
async def test_an_order_that_is_not_understood_changes_nothing(
    api: httpx2.AsyncClient, letters: DeadLetters, upload_id: uuid.UUID, order: dict[str, Any], culprit: str
) -> None:
    kept = await letters.add_rows(upload_id, [1])
    for answer in (await redrive(api, **order), await delete(api, **order)):
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
        assert culprit in {error["location"] for error in answer.json()["errors"]} | {"body.code"}
    assert (await listed(api), await letters.take(1)) == (kept, kept)


@pytest.mark.parametrize("media_type", [None, "application/x-www-form-urlencoded", "text/plain"])
async def test_an_order_that_is_not_sent_as_json_is_told_how_and_changes_nothing(
    api: httpx2.AsyncClient, letters: DeadLetters, upload_id: uuid.UUID, media_type: str | None
) -> None:
    kept = await letters.add_rows(upload_id, [1])
    headers = {"Content-Type": media_type} if media_type else {}
    for method, address in (("POST", f"{LETTERS}/redrive"), ("DELETE", LETTERS)):
        answer = await api.request(method, address, content=b'{"limit": 1}', headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
        assert "Content-Type: application/json" in answer.json()["detail"]
    assert (await listed(api), await letters.take(1)) == (kept, kept)


async def test_a_cursor_of_another_list_is_refused(
    api: httpx2.AsyncClient, letters: DeadLetters, upload_id: uuid.UUID
) -> None:
    await letters.add_rows(upload_id, [1, 2])
    cursor = (await api.get(f"{LETTERS}?limit=1")).json()["nextCursor"]
    answer = await api.get(f"/v1/uploads?cursor={cursor}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")
