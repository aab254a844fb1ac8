"""Dead messages come back by their ids, slowly, or in another queue, where they can go by themselves."""

from __future__ import annotations

import contextlib
from typing import Any

import asyncpg
import httpx2

from api_service.settings import ApiSettings
from deploy.program import free_port
from tests.support.api import running_api
from tests.support.api_process import start_api
from tests.support.plain_http import plain_client
from tests.support.queues import acknowledge, assert_problem, counts, payloads, receive, send
from tests.support.waiting import eventually

NO_BROKER = "amqp://nobody:nothing@127.0.0.1:1/none"


async def make_dead(api: httpx2.AsyncClient, database: asyncpg.Connection, count: int) -> list[int]:
    ids = await send(api, "q", *range(count))
    await database.execute(
        "UPDATE queue_messages SET visible_at = 'infinity', lease_expires_at = now(), receive_count = 10"
    )
    return ids


async def redrive(api: httpx2.AsyncClient, **order: Any) -> Any:
    answer = await api.post("/v1/queues/q/redrive", json=order)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_dead_that_are_named_come_back(api: httpx2.AsyncClient, database: asyncpg.Connection) -> None:
    first, second, third = await make_dead(api, database, 3)
    (alive,) = await send(api, "q", "alive")
    assert await redrive(api, ids=[third, first, third, alive, 10**15]) == {"redriven": 2, "complete": True}
    messages = await receive(api, "q", 10)
    assert payloads(messages) == [0, 2, "alive"]
    assert {message["receiveCount"] for message in messages} == {1}
    assert await redrive(api, ids=[first, third]) == {"redriven": 0, "complete": True}
    assert [each["id"] for each in (await api.get("/v1/queues/q/messages?state=dead")).json()["data"]] == [second]


async def test_the_dead_go_to_another_queue_with_where_they_came_from(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    options = {"payload": "special", "priority": 3, "headers": {"a": "b"}, "groupId": "g"}
    (special,) = (await api.post("/v1/queues/q/messages", json=options)).json()["ids"]
    dead = await make_dead(api, database, 1500)
    assert await redrive(api, ids=[special], to="other") == {"redriven": 1, "complete": True}
    (message,) = await receive(api, "other", 10)
    origin = message.pop("movedFrom")
    assert (origin["queue"], origin["id"], origin["receiveCount"]) == ("q", special, 10)
    expected = ("special", 3, {"a": "b"}, "g", 1)
    names = ("payload", "priority", "headers", "groupId", "receiveCount")
    assert tuple(message[name] for name in names) == expected
    assert await redrive(api, to="other") == {"redriven": 1500, "complete": True}
    assert await counts(api, "q") == {}
    moved = await receive(api, "other", 1000) + await receive(api, "other", 1000)
    assert payloads(moved) == [*range(1500)]
    assert moved[0]["id"] > dead[-1]
    listed = (await api.get(f"/v1/queues/other/messages/by-id/{moved[0]['id']}")).json()
    assert listed["movedFrom"]["id"] == dead[0]


async def test_a_slow_redrive_can_be_followed_and_cancelled(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    await make_dead(api, database, 5)
    begun = await api.post("/v1/queues/q/redrive", json={"rate": 2})
    assert begun.status_code == 202
    task = begun.headers["Location"]
    await eventually(lambda: _is(api, task, "succeeded"), seconds=60)
    done = (await api.get(task)).json()
    assert (done["redriven"], done["rate"], done["to"]) == (5, 2, None)
    assert await counts(api, "q") == {"visible": 5}
    # Cancelled, it is what it was.
    assert (await api.delete(task)).json() == done

    await database.execute("DELETE FROM queue_messages")
    await make_dead(api, database, 1000)
    slow = (await api.post("/v1/queues/q/redrive", json={"rate": 1, "to": "other"})).headers["Location"]
    await eventually(lambda: _has_begun(api, slow), seconds=60)
    # Of a thousand a second each: this one cannot have ended.
    assert (await api.get(slow)).json()["state"] == "running"
    cancelled = (await api.delete(slow)).json()
    assert (cancelled["state"], cancelled["to"]) == ("cancelled", "other")
    assert await counts(api, "other") == {"visible": cancelled["redriven"]}
    assert await counts(api, "q") == {"dead": 1000 - cancelled["redriven"]}


async def test_a_slow_redrive_goes_on_after_a_kill_and_counts_each_message_once(
    database_url: str, upload_store_url: str, database: asyncpg.Connection, settings: ApiSettings
) -> None:
    port = free_port()
    process = await start_api(port, database_url, NO_BROKER, upload_store_url, ROLLCALL_LOG_LEVEL="ERROR")
    async with plain_client(f"http://127.0.0.1:{port}", timeout=60) as api:
        await eventually(lambda: _answers(api), seconds=60)
        await make_dead(api, database, 300)
        task = (await api.post("/v1/queues/q/redrive", json={"rate": 50, "to": "other"})).headers["Location"]
        await eventually(lambda: _has_begun(api, task), seconds=60)
    process.kill()
    await process.wait()
    async with running_api(settings) as api:
        await eventually(lambda: _is(api, task, "succeeded"), seconds=60)
        assert (await api.get(task)).json()["redriven"] == 300
        assert sorted(payloads(await receive(api, "other", 1000))) == [*range(300)]
        assert await counts(api, "q") == {}


async def test_what_runs_out_of_receives_moves_to_the_dead_letter_queue(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    made = await api.put("/v1/queues/q", json={"maxReceives": 2, "deadLetterQueue": "q-dead"})
    assert made.json()["deadLetterQueue"] == "q-dead"
    bad, good = await send(api, "q", "bad", "good")
    for _ in range(2):
        (message,) = await receive(api, "q", lease_seconds=1)
        assert message["id"] == bad
        await eventually(lambda: _nobody_works(api), seconds=30)
    await eventually(lambda: _has_visible(api, "q-dead"), seconds=60)
    (moved,) = await receive(api, "q-dead")
    assert (moved["payload"], moved["receiveCount"]) == ("bad", 1)
    assert (moved["movedFrom"]["queue"], moved["movedFrom"]["receiveCount"]) == ("q", 2)
    (kept,) = await receive(api, "q")
    assert kept["id"] == good
    assert await acknowledge(api, "q", [kept["receipt"]]) == ["acknowledged"]
    changed = await api.patch("/v1/queues/q", json={"deadLetterQueue": None})
    assert changed.json()["deadLetterQueue"] is None


async def test_a_redrive_that_cannot_be_is_refused(api: httpx2.AsyncClient, database: asyncpg.Connection) -> None:
    await make_dead(api, database, 1)
    wrong: object
    for wrong in (
        {"ids": []},
        {"ids": [0]},
        {"ids": ["1"]},
        {"ids": [1] * 1001},
        {"rate": 0},
        {"rate": 1001},
        {"ids": [1], "rate": 1},
        {"to": "q"},
        {"to": "a b"},
        {"to": ".."},
        {"limit": 1},
    ):
        assert_problem(await api.post("/v1/queues/q/redrive", json=wrong), 422, "invalid_request")
    for name in ("q", "a\n", 1):
        settings = {"deadLetterQueue": name}
        assert_problem(await api.patch("/v1/queues/q", json=settings), 422, "invalid_request")
        assert_problem(await api.put("/v1/queues/q", json=settings), 422, "invalid_request")
    unknown = "/v1/queues/q/redrives/00000000-0000-0000-0000-000000000000"
    for method in ("GET", "DELETE"):
        assert_problem(await api.request(method, unknown), 404, "unknown_job")
    assert await counts(api, "q") == {"dead": 1}


async def _is(api: httpx2.AsyncClient, task: str, state: str) -> bool:
    return bool((await api.get(task)).json()["state"] == state)


async def _has_begun(api: httpx2.AsyncClient, task: str) -> bool:
    return bool((await api.get(task)).json()["redriven"] > 0)


async def _nobody_works(api: httpx2.AsyncClient) -> bool:
    return "inFlight" not in await counts(api, "q")


async def _has_visible(api: httpx2.AsyncClient, queue: str) -> bool:
    answer = await api.get(f"/v1/queues/{queue}")
    return answer.status_code == 200 and answer.json()["visible"] > 0


async def _answers(api: httpx2.AsyncClient) -> bool:
    with contextlib.suppress(httpx2.HTTPError):
        return (await api.get("/livez")).status_code == 200
    return False
