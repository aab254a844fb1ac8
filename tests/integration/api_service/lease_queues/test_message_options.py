"""What a message can have beside its payload: a deduplication id, a priority, headers."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import httpx2

from api_service.settings import ApiSettings
from tests.support.api import running_api
from tests.support.queues import acknowledge, assert_problem, change_lease, counts, payloads, receive, send
from tests.support.waiting import eventually


async def send_each(api: httpx2.AsyncClient, *messages: dict[str, Any]) -> list[int]:
    answer = await api.post("/v1/queues/q/messages", json={"messages": list(messages)})
    assert answer.status_code == 201, answer.text
    ids: list[int] = answer.json()["ids"]
    return ids


async def test_a_send_that_is_repeated_sends_once(api: httpx2.AsyncClient, database: asyncpg.Connection) -> None:
    once = {"payload": 1, "deduplicationId": "order-1"}
    first, other, again = await send_each(api, once, {"payload": 2}, {**once, "payload": 3})
    assert first == again != other
    assert await send_each(api, {"payload": 4, "deduplicationId": "order-2"}, once) == [other + 1, first]
    messages = await receive(api, "q", 10)
    assert payloads(messages) == [1, 2, 4]
    # After it was done, too, and in another queue it is another.
    await acknowledge(api, "q", [message["receipt"] for message in messages])
    assert await send_each(api, once) == [first]
    assert await counts(api, "q") == {}
    elsewhere = await api.post("/v1/queues/other/messages", json=once)
    assert elsewhere.json()["ids"] != [first]
    # Until its time is over.
    await database.execute("UPDATE queue_deduplications SET expires_at = now()")
    (new,) = await send_each(api, once)
    assert new > first
    assert await send_each(api, once) == [new]


async def test_a_send_that_is_repeated_at_once_sends_once(settings: ApiSettings) -> None:
    async with running_api(settings) as one, running_api(settings) as other:
        once = {"payload": 1, "deduplicationId": "k"}
        ids = await asyncio.gather(*(send_each((one, other)[number % 2], once) for number in range(40)))
        assert len({message_id for (message_id,) in ids}) == 1
        assert await counts(one, "q") == {"visible": 1}


async def test_a_queue_says_how_long_it_remembers_and_forgets_in_the_end(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    await api.put("/v1/queues/q", json={"deduplicationSeconds": 3600})
    await send_each(api, {"payload": 1, "deduplicationId": "k"})
    left = await database.fetchval("SELECT extract(epoch FROM expires_at - now()) FROM queue_deduplications")
    assert 3500 < left <= 3600
    await database.execute("""
        INSERT INTO queue_deduplications SELECT 1, 'old ' || number, 1, now() FROM generate_series(1, 5000) AS number
    """)
    await eventually(lambda: _are_remembered(database, 1), seconds=30)
    assert await database.fetchval("SELECT deduplication_id FROM queue_deduplications") == "k"


async def _are_remembered(database: asyncpg.Connection, expected: int) -> bool:
    return bool(await database.fetchval("SELECT count(*) FROM queue_deduplications") == expected)


async def test_higher_priorities_come_first_and_in_order_within_one(api: httpx2.AsyncClient) -> None:
    await send(api, "q", "0a", "0b")
    await send_each(
        api,
        {"payload": "3a", "priority": 3},
        {"payload": "9a", "priority": 9},
        {"payload": "0c", "priority": 0},
        {"payload": "3b", "priority": 3},
        {"payload": "9b", "priority": 9},
    )
    await send_each(api, {"payload": "3c", "priority": 3, "delaySeconds": 100})
    (first,) = await receive(api, "q")
    assert (first["payload"], first["priority"]) == ("9a", 9)
    # A message given back is where it was among its own.
    await change_lease(api, "q", first["receipt"], 0)
    assert payloads(await receive(api, "q", 3)) == ["9a", "9b", "3a"]
    rest = await receive(api, "q", 10)
    assert payloads(rest) == ["3b", "0a", "0b", "0c"]
    assert ["priority" in message for message in rest] == [True, False, False, False]
    for wrong in (-1, 10, "1", 1.5):
        answer = await api.post("/v1/queues/q/messages", json={"payload": 1, "priority": wrong})
        assert_problem(answer, 422, "invalid_request")


async def test_a_crowd_that_is_due_holds_no_priority_up(api: httpx2.AsyncClient, database: asyncpg.Connection) -> None:
    await send(api, "q", *range(1000))
    await send_each(api, {"payload": "urgent", "priority": 1})
    await database.execute("UPDATE queue_messages SET visible_at = now() - interval '1 minute' WHERE priority = 0")
    await database.execute("UPDATE queue_messages SET visible_at = now() WHERE priority = 1")
    assert payloads(await receive(api, "q", 2)) == ["urgent", 0]


async def test_within_a_priority_what_is_due_comes_in_the_order_sent_not_in_that_of_its_time(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    await send_each(api, *({"payload": number, "priority": 5} for number in range(6)))
    await database.execute("UPDATE queue_messages SET visible_at = now() - id * interval '1 second'")
    assert payloads(await receive(api, "q", 3)) == [0, 1, 2]


async def test_headers_come_back_as_they_were_sent(api: httpx2.AsyncClient) -> None:
    headers = {"trace-id": "1", "b": "ü \u0000 \U0001f600", "a": "", "": "no name"}
    await send_each(api, {"payload": 1, "headers": headers}, {"payload": 2, "headers": {}}, {"payload": 3})
    listed = (await api.get("/v1/queues/q/messages")).json()["data"]
    assert [message["headers"] for message in listed] == [headers, {}, None]
    received = await receive(api, "q", 10)
    assert [message.get("headers") for message in received] == [headers, {}, None]
    assert list(received[0]["headers"]) == list(headers)
    for wrong, status, code in (
        ({"a": 1}, 422, "invalid_request"),
        ({"a": None}, 422, "invalid_request"),
        (["a"], 422, "invalid_request"),
        ({"a": "x" * 8192}, 413, "too_large"),
    ):
        answer = await api.post("/v1/queues/q/messages", json={"payload": 1, "headers": wrong})
        assert_problem(answer, status, code)
    await send_each(api, {"payload": 4, "headers": {"a": "x" * 8000}})
