"""What a lease promises: one holder at a time, back to where it was when it ends, dead after too many."""

from __future__ import annotations

import asyncio

import asyncpg
import httpx2
import pytest

from api_service.lease_queues import upkeep
from tests.support.queues import acknowledge, assert_problem, change_lease, counts, pass_time, payloads, receive, send


async def end_leases(database: asyncpg.Connection) -> None:
    """As if their time were over: a lease of an hour need not be waited for."""
    await database.execute("""
        UPDATE queue_messages SET lease_expires_at = now() - interval '1 second',
            visible_at = CASE WHEN visible_at = 'infinity' THEN visible_at ELSE now() - interval '1 second' END
        WHERE lease_expires_at > now()
    """)


async def test_messages_come_out_in_the_order_in_which_they_went_in(api: httpx2.AsyncClient) -> None:
    first = await send(api, "q", 1, 2, 3)
    second = await send(api, "q", 4)
    received = await receive(api, "q", 2) + await receive(api, "q", 5)
    assert payloads(received) == [1, 2, 3, 4]
    assert [message["id"] for message in received] == first + second == sorted(first + second)
    assert {message["receiveCount"] for message in received} == {1}


async def test_a_payload_comes_back_byte_for_byte(api: httpx2.AsyncClient) -> None:
    written = r'{"b": 1.0, "a": [1e400, 12345678901234567890123, "\u0000 é \u00e9"],  "a": null}'
    body = f'{{"payload": {written}}}'.encode()
    says_json = {"Content-Type": "application/json"}
    assert (await api.post("/v1/queues/q/messages", content=body, headers=says_json)).status_code == 201
    listed = await api.get("/v1/queues/q/messages")
    received = await api.post("/v1/queues/q/receive", json={"consumerId": "c"})
    assert f'"payload":{written}' in listed.text
    assert f'"payload":{written}' in received.text


async def test_a_leased_message_is_nobody_elses(api: httpx2.AsyncClient) -> None:
    await send(api, "q", 1, 2)
    assert payloads(await receive(api, "q")) == [1]
    assert payloads(await receive(api, "q", 10)) == [2]
    assert await receive(api, "q", 10) == []
    assert await counts(api, "q") == {"inFlight": 2}


async def test_queues_are_apart(api: httpx2.AsyncClient) -> None:
    await send(api, "a", 1)
    await send(api, "b", 2)
    (message,) = await receive(api, "b", 10)
    assert message["payload"] == 2
    assert await acknowledge(api, "a", [message["receipt"]]) == ["lease_lost"]
    assert await acknowledge(api, "b", [message["receipt"]]) == ["acknowledged"]


async def test_an_acknowledged_message_is_gone_and_cannot_be_acknowledged_again(api: httpx2.AsyncClient) -> None:
    await send(api, "q", 1)
    (message,) = await receive(api, "q")
    address = f"/v1/queues/q/messages/{message['receipt']}"
    assert (await api.delete(address)).status_code == 204
    assert_problem(await api.delete(address), 409, "lease_lost")
    assert await counts(api, "q") == {}


async def test_each_receipt_of_many_has_its_own_outcome(api: httpx2.AsyncClient) -> None:
    await send(api, "q", 1, 2)
    first, second = [message["receipt"] for message in await receive(api, "q", 2)]
    never = f"{first.partition('-')[0]}-{'0' * 32}"
    outcomes = await acknowledge(api, "q", [second, never, first, second])
    assert outcomes == ["acknowledged", "lease_lost", "acknowledged", "lease_lost"]


async def test_a_lease_that_ran_out_puts_the_message_back_at_the_front(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    await send(api, "q", 1, 2, 3)
    assert payloads(await receive(api, "q", 2)) == [1, 2]
    await send(api, "q", 4)
    await end_leases(database)
    again = await receive(api, "q", 10)
    assert payloads(again) == [1, 2, 3, 4]
    assert [message["receiveCount"] for message in again] == [2, 2, 1, 1]


async def test_a_lease_ends_by_itself(api: httpx2.AsyncClient) -> None:
    await send(api, "q", 1)
    begin = asyncio.get_running_loop().time()
    (first,) = await receive(api, "q", lease_seconds=1)
    (second,) = await receive(api, "q", wait_seconds=20)
    # Not before, and long before the waiting is over.
    assert 0.99 < asyncio.get_running_loop().time() - begin < 15
    assert first["receipt"] != second["receipt"]


async def test_a_late_acknowledgement_is_refused_whether_or_not_another_has_the_message(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    await send(api, "q", 1)
    (late,) = await receive(api, "q")
    await end_leases(database)
    assert await acknowledge(api, "q", [late["receipt"]]) == ["lease_lost"]
    (current,) = await receive(api, "q")
    assert_problem(await api.delete(f"/v1/queues/q/messages/{late['receipt']}"), 409, "lease_lost")
    assert_problem(await change_lease(api, "q", late["receipt"], 0), 409, "lease_lost")
    assert await counts(api, "q") == {"inFlight": 1}
    assert await acknowledge(api, "q", [current["receipt"]]) == ["acknowledged"]


async def test_a_lease_can_be_extended_and_shortened(api: httpx2.AsyncClient, database: asyncpg.Connection) -> None:
    await send(api, "q", 1)
    (message,) = await receive(api, "q", lease_seconds=60)
    extended = await change_lease(api, "q", message["receipt"], 3600)
    assert extended.status_code == 200
    assert extended.json()["leaseExpiresAt"] > message["leaseExpiresAt"]
    await pass_time(database, 61)
    assert await receive(api, "q", wait_seconds=2) == []
    assert (await change_lease(api, "q", message["receipt"], 1)).status_code == 200
    assert payloads(await receive(api, "q", wait_seconds=20)) == [1]


async def test_a_message_given_back_is_at_the_front_at_once(api: httpx2.AsyncClient) -> None:
    await send(api, "q", 1, 2)
    (message,) = await receive(api, "q")
    assert (await change_lease(api, "q", message["receipt"], 0)).status_code == 200
    assert await counts(api, "q") == {"visible": 2}
    assert await acknowledge(api, "q", [message["receipt"]]) == ["lease_lost"]
    assert payloads(await receive(api, "q", 2)) == [1, 2]


async def test_a_delayed_message_is_hidden_until_it_is_due(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    await send(api, "q", "later", delay_seconds=600)
    await send(api, "q", "now")
    assert await counts(api, "q") == {"visible": 1, "delayed": 1}
    assert payloads(await receive(api, "q", 2, lease_seconds=3600)) == ["now"]
    await database.execute(
        "UPDATE queue_messages SET visible_at = now() + interval '1 second' WHERE lease_expires_at IS NULL"
    )
    assert payloads(await receive(api, "q", 2, wait_seconds=20)) == ["later"]


async def test_a_message_is_dead_after_its_last_lease_and_lives_after_a_redrive(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    assert (await api.put("/v1/queues/q", json={"maxReceives": 2})).status_code == 200
    await send(api, "q", "bad", "good")
    for _ in range(2):
        assert payloads(await receive(api, "q")) == ["bad"]
        assert await counts(api, "q") == {"visible": 1, "inFlight": 1}
        await end_leases(database)
    assert await counts(api, "q") == {"visible": 1, "dead": 1}
    assert payloads(await receive(api, "q", 2)) == ["good"]
    (dead,) = (await api.get("/v1/queues/q/messages?state=dead")).json()["data"]
    assert (dead["payload"], dead["state"], dead["receiveCount"]) == ("bad", "dead", 2)

    assert (await api.post("/v1/queues/q/redrive")).json() == {"redriven": 1, "complete": True}
    (again,) = await receive(api, "q")
    assert (again["payload"], again["receiveCount"]) == ("bad", 1)


async def test_the_last_lease_can_be_extended_and_acknowledged(api: httpx2.AsyncClient) -> None:
    await api.put("/v1/queues/q", json={"maxReceives": 1})
    await send(api, "q", 1, 2)
    first, second = await receive(api, "q", 2)
    assert (await change_lease(api, "q", first["receipt"], 3600)).status_code == 200
    assert (await change_lease(api, "q", second["receipt"], 0)).status_code == 200
    assert await counts(api, "q") == {"inFlight": 1, "dead": 1}
    assert await acknowledge(api, "q", [first["receipt"]]) == ["acknowledged"]


async def test_a_lease_without_a_timeout_of_its_own_has_the_queues(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    await api.put("/v1/queues/q", json={"visibilityTimeoutSeconds": 7000})
    await send(api, "q", 1)
    await api.post("/v1/queues/q/receive", json={"consumerId": "c"})
    seconds = await database.fetchval("SELECT extract(epoch FROM lease_expires_at - now()) FROM queue_messages")
    assert 6000 < seconds <= 7000


async def test_an_answer_stops_at_two_mebibytes_of_payloads(api: httpx2.AsyncClient) -> None:
    large = "x" * 250_000
    await send(api, "q", *[large] * 20)
    answers = [await receive(api, "q", 80) for _ in range(3)]

    assert [len(messages) for messages in answers] == [9, 9, 2]
    assert sum(len(message["payload"]) for message in answers[0]) < 2 * 1024 * 1024 + len(large)


async def test_a_purge_takes_everything_or_one_state(api: httpx2.AsyncClient) -> None:
    await send(api, "q", 1, 2, 3)
    await send(api, "q", 4, delay_seconds=100)
    (leased,) = await receive(api, "q")
    assert (await api.delete("/v1/queues/q/messages?state=delayed")).json() == {"removed": 1, "complete": True}
    assert await counts(api, "q") == {"visible": 2, "inFlight": 1}
    assert (await api.delete("/v1/queues/q/messages")).json() == {"removed": 3, "complete": True}
    assert await counts(api, "q") == {}
    assert await acknowledge(api, "q", [leased["receipt"]]) == ["lease_lost"]


async def test_more_than_one_step_is_purged_and_redriven(
    api: httpx2.AsyncClient, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "REQUEST_SECONDS", 60)
    await api.put("/v1/queues/q", json={"maxReceives": 1})
    await database.execute("""
        INSERT INTO queue_messages (queue_id, payload, payload_bytes, visible_at, lease_expires_at, receive_count)
        SELECT id, '1', 1, 'infinity', now() - interval '1 second', 1 FROM queues, generate_series(1, 25000)
    """)
    assert await counts(api, "q") == {"dead": 25000}
    assert (await api.post("/v1/queues/q/redrive")).json() == {"redriven": 25000, "complete": True}
    assert await counts(api, "q") == {"visible": 25000}
    assert (await api.delete("/v1/queues/q/messages")).json() == {"removed": 25000, "complete": True}


async def test_sends_and_claims_of_many_at_once_each_get_their_own(api: httpx2.AsyncClient) -> None:
    ids = await asyncio.gather(*(send(api, "q", number) for number in range(40)))
    by_id = {message_id: number for number, (message_id,) in enumerate(ids)}
    received = await asyncio.gather(*(receive(api, "q") for _ in range(40)))
    assert {message["id"]: message["payload"] for (message,) in received} == by_id
    answers = await asyncio.gather(
        *(api.delete(f"/v1/queues/q/messages/{message['receipt']}") for (message,) in received)
    )
    assert {answer.status_code for answer in answers} == {204}
    assert await counts(api, "q") == {}
