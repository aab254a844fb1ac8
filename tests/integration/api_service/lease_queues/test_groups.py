"""Of a group one message at a time is leased, in the order in which they were sent."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import httpx2

from api_service.settings import ApiSettings
from tests.support.api import running_api
from tests.support.patience import patience
from tests.support.queues import (
    Json,
    acknowledge,
    assert_problem,
    change_lease,
    counts,
    pass_time,
    payloads,
    receive,
    send,
)


async def send_in_groups(api: httpx2.AsyncClient, *messages: tuple[str | None, Any]) -> list[int]:
    body = {"messages": [{"payload": payload, "groupId": group} for group, payload in messages]}
    answer = await api.post("/v1/queues/q/messages", json=body)
    assert answer.status_code == 201, answer.text
    ids: list[int] = answer.json()["ids"]
    return ids


async def end_leases(database: asyncpg.Connection) -> None:
    """As if all times had moved on, which is nothing that triggers are told of."""
    async with database.transaction():
        await database.execute("SET LOCAL session_replication_role = replica")
        await database.execute(
            "UPDATE queue_messages "
            "SET visible_at = CASE WHEN visible_at = 'infinity' THEN visible_at ELSE now() - interval '1 second' END, "
            "lease_expires_at = lease_expires_at - (lease_expires_at - now() + interval '1 second') "
            "WHERE visible_at > now()"
        )


async def finish(api: httpx2.AsyncClient, *messages: Json) -> None:
    outcomes = await acknowledge(api, "q", [message["receipt"] for message in messages])
    assert set(outcomes) == {"acknowledged"}


async def test_a_group_goes_one_by_one_and_the_others_go_on(api: httpx2.AsyncClient) -> None:
    await send_in_groups(api, ("a", "a1"), ("a", "a2"), ("b", "b1"), (None, "free"), ("a", "a3"), ("b", "b2"))
    await send_in_groups(api, ("a", "a4"))
    a1, b1, free = await receive(api, "q", 10)
    assert payloads([a1, b1, free]) == ["a1", "b1", "free"]
    assert [message.get("groupId") for message in (a1, b1, free)] == ["a", "b", None]
    assert await receive(api, "q", 10) == []
    assert await counts(api, "q") == {"inFlight": 3, "blocked": 4}
    await finish(api, b1, free)
    (b2,) = await receive(api, "q", 10)
    assert b2["payload"] == "b2"
    for expected in ("a2", "a3", "a4"):
        await finish(api, a1)
        (a1,) = await receive(api, "q", 10)
        assert a1["payload"] == expected
    await finish(api, a1, b2)
    # Of an empty group the next is there at once.
    await send_in_groups(api, ("a", "a5"))
    assert payloads(await receive(api, "q", 10)) == ["a5"]


async def test_an_expired_and_a_returned_message_keep_their_place(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    await send_in_groups(api, *[("a", number) for number in range(3)])
    (first,) = await receive(api, "q", 10)
    await end_leases(database)
    (again,) = await receive(api, "q", 10)
    assert again["id"] == first["id"]
    await change_lease(api, "q", again["receipt"], 0)
    (third,) = await receive(api, "q", 10)
    assert (third["id"], third["receiveCount"]) == (first["id"], 3)
    await finish(api, third)
    assert payloads(await receive(api, "q", 10)) == [1]


async def test_the_next_one_waits_for_the_end_of_a_last_lease_whenever_that_is(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    await api.put("/v1/queues/q", json={"maxReceives": 1})
    await send_in_groups(api, ("a", 1), ("a", 2))
    (first,) = await receive(api, "q", lease_seconds=60)
    await send_in_groups(api, ("a", 3))
    assert await counts(api, "q") == {"inFlight": 1, "blocked": 2}
    # Longer than it was: nothing comes when the time that it had is over.
    await change_lease(api, "q", first["receipt"], 3600)
    await pass_time(database, 61)
    assert await receive(api, "q", 10, wait_seconds=2) == []
    await end_leases(database)
    (second,) = await receive(api, "q", 10)
    assert second["payload"] == 2
    assert await counts(api, "q") == {"inFlight": 1, "blocked": 1, "dead": 1}
    # Given back from its last lease it is dead, and done with before its time.
    await change_lease(api, "q", second["receipt"], 0)
    (third,) = await receive(api, "q", 10)
    assert third["payload"] == 3
    await send_in_groups(api, ("a", 4))
    await finish(api, third)
    assert payloads(await receive(api, "q", 10)) == [4]
    # A message behind nothing but a last lease waits for that as well.
    await send_in_groups(api, ("a", 5))
    assert await counts(api, "q") == {"inFlight": 1, "blocked": 1, "dead": 2}
    await end_leases(database)
    assert payloads(await receive(api, "q", 10)) == [5]


async def test_the_dead_come_back_to_their_place_once_nobody_is_at_work(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    await api.put("/v1/queues/q", json={"maxReceives": 1})
    await send_in_groups(api, *[("a", number) for number in range(4)])
    for _ in range(2):
        await receive(api, "q")
        await end_leases(database)
    await api.put("/v1/queues/q", json={"maxReceives": 10})
    assert await counts(api, "q") == {"visible": 1, "blocked": 1, "dead": 2}
    # Before what nobody has yet.
    assert (await api.post("/v1/queues/q/redrive")).json()["redriven"] == 2
    assert await counts(api, "q") == {"visible": 1, "blocked": 3}
    (first,) = await receive(api, "q", 10)
    assert first["payload"] == 0
    await api.patch("/v1/queues/q", json={"maxReceives": 1})
    await finish(api, first)
    (second,) = await receive(api, "q", 10)
    await end_leases(database)
    (third,) = await receive(api, "q", 10)
    assert payloads([second, third]) == [1, 2]
    # Behind what somebody has, for the last time as well.
    assert (await api.post("/v1/queues/q/redrive")).json()["redriven"] == 1
    assert await receive(api, "q", 10) == []
    assert await counts(api, "q") == {"inFlight": 1, "blocked": 2}
    await finish(api, third)
    assert payloads(await receive(api, "q", 10)) == [1]


async def test_cancelled_and_purged_messages_hold_nobody_up(api: httpx2.AsyncClient) -> None:
    first, second, third, *_ = await send_in_groups(api, *[("a", number) for number in range(6)])
    for message_id in (second, first):
        assert (await api.delete(f"/v1/queues/q/messages/by-id/{message_id}")).status_code == 204
    assert (await api.get(f"/v1/queues/q/messages/by-id/{third}")).json()["state"] == "visible"
    # What opens because of a purge is not what was asked for.
    assert (await api.delete("/v1/queues/q/messages?state=visible")).json()["removed"] == 1
    assert payloads(await receive(api, "q", 10)) == [3]
    assert (await api.delete("/v1/queues/q/messages?state=blocked")).json()["removed"] == 2
    assert (await api.delete("/v1/queues/q/messages")).json()["removed"] == 1
    await send_in_groups(api, ("a", 6))
    assert payloads(await receive(api, "q", 10)) == [6]


async def test_a_message_of_a_group_has_no_delay(api: httpx2.AsyncClient) -> None:
    for wrong in (
        {"groupId": "a", "delaySeconds": 1},
        {"groupId": "a", "deliverAt": "2026-01-01T00:00:00Z"},
        {"groupId": ""},
        {"groupId": "x" * 129},
        {"groupId": "a\n"},
        {"groupId": 1},
    ):
        body = {"payload": 1, **wrong}
        assert_problem(await api.post("/v1/queues/q/messages", json=body), 422, "invalid_request")
    await send_in_groups(api, ("x" * 128, 1), (" ü ", 2))
    assert payloads(await receive(api, "q", 10)) == [1, 2]


async def test_what_is_acknowledged_while_more_is_sent_leaves_nobody_blocked(settings: ApiSettings) -> None:
    """Sends that see their group busy, and acknowledgements that see nobody behind them, of two processes at once."""
    async with running_api(settings) as one, running_api(settings) as other:
        seen: dict[str, list[int]] = {group: [] for group in "abc"}

        async def work(api: httpx2.AsyncClient) -> None:
            while sum(map(len, seen.values())) < 180:
                messages = await receive(api, "q", 3, wait_seconds=1)
                for message in messages:
                    seen[message["groupId"]].append(message["payload"])
                if messages:
                    await finish(api, *messages)

        async def produce(api: httpx2.AsyncClient, group: str) -> None:
            for number in range(60):
                await send_in_groups(api, (group, number))

        await asyncio.wait_for(
            asyncio.gather(
                *(work(api) for api in (one, other, one)),
                *(produce(api, group) for api, group in ((one, "a"), (other, "b"), (one, "c"))),
            ),
            timeout=120 * patience(),
        )
        assert seen == {group: list(range(60)) for group in "abc"}
        assert await counts(one, "q") == {}
        await send(one, "q", "still goes")
        assert payloads(await receive(one, "q")) == ["still goes"]


async def test_a_process_of_a_release_without_groups_keeps_them(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    """Release 0.2.0 claims, acknowledges and redrives by these conditions and columns, and knows no others."""
    await send_in_groups(api, *[("a", number) for number in range(4)])
    claim = """
        UPDATE queue_messages SET visible_at = $1, lease_expires_at = now() + interval '1 minute',
            receipt = gen_random_uuid(), receive_count = receive_count + 1
        WHERE visible_at IS NULL OR visible_at <= now() RETURNING CAST(payload AS text)
    """
    later, last = "now() + interval '1 minute'", "'infinity'"
    finish_all = "DELETE FROM queue_messages WHERE receipt IS NOT NULL AND lease_expires_at > clock_timestamp()"

    async def claimed(visible_at: str) -> list[str]:
        return [row["payload"] for row in await database.fetch(claim.replace("$1", visible_at))]

    assert await claimed(later) == ["0"]
    assert await claimed(later) == []
    await database.execute(finish_all)
    assert await claimed(last) == ["1"]
    assert await claimed(last) == []
    await end_leases(database)
    assert await claimed(later) == ["2"]
    await database.execute("""
        UPDATE queue_messages SET visible_at = now(), lease_expires_at = NULL, receipt = NULL, receive_count = 0
        WHERE visible_at = 'infinity' AND lease_expires_at <= now()
    """)
    assert await claimed(later) == []
    for left in ("1", "3"):
        await database.execute(finish_all)
        assert await claimed(later) == [left]


async def test_a_message_without_a_group_is_asked_for_nothing_else(database: asyncpg.Connection) -> None:
    """Whatever a trigger's condition says is read in each statement, whether the messages have groups or not."""
    triggers = await database.fetch(
        "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = 'queue_messages'::regclass AND NOT tgisinternal"
    )
    conditions = [definition.partition(" WHEN (")[2].partition(") EXECUTE")[0] for (definition,) in triggers]
    assert sorted(conditions) == ["(new.group_id IS NOT NULL)"] * 2 + ["(old.group_id IS NOT NULL)"]
