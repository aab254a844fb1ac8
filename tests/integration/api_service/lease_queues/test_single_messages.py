"""One message by its id: looked at, and taken back unless somebody works on it."""

from __future__ import annotations

import asyncpg
import httpx2

from tests.support.queues import assert_problem, counts, payloads, receive, send


def by_id(queue: str, message_id: int) -> str:
    return f"/v1/queues/{queue}/messages/by-id/{message_id}"


async def test_a_message_is_shown_as_the_listing_shows_it(api: httpx2.AsyncClient) -> None:
    first, second = await send(api, "q", {"a": 1.0}, 2)
    await receive(api, "q")
    listed = {each["id"]: each for each in (await api.get("/v1/queues/q/messages")).json()["data"]}
    for message_id, state in ((first, "inFlight"), (second, "visible")):
        shown = await api.get(by_id("q", message_id))
        assert shown.json() == listed[message_id]
        assert shown.json()["state"] == state
    assert await counts(api, "q") == {"inFlight": 1, "visible": 1}


async def test_what_nobody_holds_is_cancelled_in_every_state(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    await api.put("/v1/queues/q", json={"maxReceives": 1})
    (dead,) = await send(api, "q", "dead")
    await receive(api, "q")
    await database.execute("UPDATE queue_messages SET lease_expires_at = now()")
    visible, kept = await send(api, "q", "visible", "kept")
    (delayed,) = await send(api, "q", "delayed", delay_seconds=100)
    assert await counts(api, "q") == {"dead": 1, "visible": 2, "delayed": 1}
    for message_id in (dead, visible, delayed):
        assert (await api.delete(by_id("q", message_id))).status_code == 204
        assert_problem(await api.delete(by_id("q", message_id)), 404, "unknown_message")
        assert_problem(await api.get(by_id("q", message_id)), 404, "unknown_message")
    assert payloads(await receive(api, "q", 10)) == ["kept"]
    assert_problem(await api.delete(by_id("q", kept)), 409, "message_leased")
    assert await counts(api, "q") == {"inFlight": 1}


async def test_what_is_elsewhere_or_no_id_is_refused(api: httpx2.AsyncClient) -> None:
    (there,) = await send(api, "other", 1)
    assert_problem(await api.get(by_id("q", there)), 404, "unknown_queue")
    await send(api, "q", 1)
    for method in ("GET", "DELETE"):
        assert_problem(await api.request(method, by_id("q", there)), 404, "unknown_message")
        for wrong in ("0", "-1", "x", "1.5", str(1 << 63)):
            assert_problem(await api.request(method, f"/v1/queues/q/messages/by-id/{wrong}"), 422, "invalid_request")
    assert await counts(api, "other") == {"visible": 1}
