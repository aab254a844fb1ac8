"""The settings of a queue, and what /metrics says of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx2

from api_service.settings import ApiSettings
from tests.support.api import running_api
from tests.support.queues import acknowledge, assert_problem, change_lease, counts, payloads, receive, send
from tests.support.waiting import eventually


async def test_a_setting_that_is_not_named_stays(api: httpx2.AsyncClient) -> None:
    assert_problem(await api.patch("/v1/queues/q", json={"maxReceives": 3}), 404, "unknown_queue")
    await api.put("/v1/queues/q", json={"maxReceives": 3, "visibilityTimeoutSeconds": 60})
    for change, expected in (({"maxReceives": 4}, (4, 60)), ({"visibilityTimeoutSeconds": 5}, (4, 5)), ({}, (4, 5))):
        changed = (await api.patch("/v1/queues/q", json=change)).json()
        assert (changed["maxReceives"], changed["visibilityTimeoutSeconds"]) == expected
    for wrong in ({"maxReceives": 0}, {"maxReceives": None}, {"visibilityTimeoutSeconds": 43201}, {"x": 1}):
        assert_problem(await api.patch("/v1/queues/q", json=wrong), 422, "invalid_request")


async def test_a_message_can_be_sent_for_a_time(api: httpx2.AsyncClient, database: asyncpg.Connection) -> None:
    now = datetime.now(UTC)
    soon, past = now + timedelta(hours=1), now - timedelta(days=1)
    body = {
        "messages": [
            {"payload": "in months", "delaySeconds": 90 * 86_400},
            {"payload": "soon", "deliverAt": soon.isoformat()},
            {"payload": "late already", "deliverAt": past.isoformat()},
        ]
    }
    assert (await api.post("/v1/queues/q/messages", json=body)).status_code == 201
    await api.post("/v1/queues/q/messages", json={"payload": "days", "deliverAt": "2100-01-01T00:00:00Z"})
    assert await counts(api, "q") == {"visible": 1, "delayed": 2}
    assert payloads(await receive(api, "q", 10, lease_seconds=3 * 3600)) == ["late already"]
    first, _ = (await api.get("/v1/queues/q/messages?state=delayed")).json()["data"][::-1]
    assert first["payload"] == "soon"
    assert abs(datetime.fromisoformat(first["visibleAt"]) - soon) < timedelta(seconds=1)
    await database.execute(
        "UPDATE queue_messages SET visible_at = now() + interval '1 second' WHERE payload #>> '{}' = 'soon'"
    )
    assert payloads(await receive(api, "q", 10, wait_seconds=20)) == ["soon"]
    (listed,) = (await api.get("/v1/queues/q/messages?state=delayed")).json()["data"]
    due = datetime.fromisoformat(listed["visibleAt"])
    assert timedelta(days=89) < due - now < timedelta(days=91)


async def test_metrics_count_the_messages_of_the_first_queues(settings: ApiSettings) -> None:
    async with running_api(settings.model_copy(update={"queue_metrics": 2}), until="/livez") as api:
        await send(api, "a", 1, 2)
        await send(api, "b", 1, delay_seconds=100)
        await send(api, "c", 1)
        await receive(api, "a")
        said = (await api.get("/metrics")).text
        assert 'rollcall_api_queue_depth{queue="a",state="visible"} 1.0' in said
        assert 'rollcall_api_queue_depth{queue="a",state="in_flight"} 1.0' in said
        assert 'rollcall_api_queue_depth{queue="b",state="delayed"} 1.0' in said
        assert 'rollcall_api_queue_oldest_seconds{queue="a"}' in said
        assert 'rollcall_api_queue_oldest_seconds{queue="b"}' not in said
        assert 'queue="c"' not in said


async def test_receivers_of_a_paused_queue_wait_and_all_else_goes_on(api: httpx2.AsyncClient) -> None:
    await send(api, "q", 1, 2)
    (leased,) = await receive(api, "q")
    assert (await api.patch("/v1/queues/q", json={"paused": True})).json()["paused"] is True
    assert await receive(api, "q", 10) == []
    await send(api, "q", 3)
    assert (await change_lease(api, "q", leased["receipt"], 100)).status_code == 200
    # Settings as a whole do not resume it.
    assert (await api.put("/v1/queues/q", json={})).json()["paused"] is True
    waiting = asyncio.create_task(receive(api, "q", 10, wait_seconds=20))
    assert await acknowledge(api, "q", [leased["receipt"]]) == ["acknowledged"]
    assert await receive(api, "q", 10, wait_seconds=1) == []
    assert not waiting.done()
    begin = asyncio.get_running_loop().time()
    await api.patch("/v1/queues/q", json={"paused": False})
    assert payloads(await waiting) == [2, 3]
    assert asyncio.get_running_loop().time() - begin < 10


async def test_what_is_older_than_a_queue_keeps_it_is_dropped_unless_somebody_works_on_it(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    await send(api, "q", *range(4001))
    await send(api, "other", "kept")
    (leased,) = await receive(api, "q", lease_seconds=3600)
    await database.execute("UPDATE queue_messages SET enqueued_at = now() - interval '1 hour'")
    await send(api, "q", "young")
    # Nothing goes by default, and nothing that is young enough.
    for retention in (None, 7200):
        changed = await api.patch("/v1/queues/q", json={"retentionSeconds": retention})
        assert changed.json()["retentionSeconds"] == retention
    await api.patch("/v1/queues/q", json={"retentionSeconds": 600})
    await eventually(lambda: _visible(api, 1), seconds=30)
    assert await counts(api, "q") == {"visible": 1, "inFlight": 1}
    assert await acknowledge(api, "q", [leased["receipt"]]) == ["acknowledged"]
    assert payloads(await receive(api, "q", 10)) == ["young"]
    assert await counts(api, "other") == {"visible": 1}
    for wrong in (0, -1, "1", 400_000_000):
        assert_problem(await api.patch("/v1/queues/q", json={"retentionSeconds": wrong}), 422, "invalid_request")


async def _visible(api: httpx2.AsyncClient, expected: int) -> bool:
    return (await counts(api, "q")).get("visible") == expected
