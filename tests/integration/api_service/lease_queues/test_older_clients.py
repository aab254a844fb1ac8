"""The addresses of the two older queue servers, asked as their documents ask, with curl."""

from __future__ import annotations

import json
from typing import Any

import asyncpg
import httpx2

from tests.support.curl import curl
from tests.support.queues import assert_problem


def json_body(payload: Any) -> list[str]:
    return ["-X", "POST", "-H", "Content-Type: application/json", "-d", json.dumps({"payload": payload})]


async def end_leases(database: asyncpg.Connection) -> None:
    await database.execute("UPDATE queue_messages SET visible_at = now(), lease_expires_at = now()")


async def test_publish_consume_delete(api: httpx2.AsyncClient) -> None:
    # "Publish message to the queue. returns unique id of the published message"
    status, published = await curl(api, *json_body("a message"), "/v1/publish")
    message_id = published["messageId"]
    assert (status, published) == (201, {"messageId": message_id})
    assert isinstance(message_id, int)
    await curl(api, *json_body({"n": 2}), "/v1/publish")
    # "Consumer retrieves messages from the queue depending on the limit of messages for consumer."
    status, consumed = await curl(api, "/v1/consumer?cid=7&limit=1")
    assert (status, consumed) == (200, {"messages": [{"id": message_id, "payload": "a message"}]})
    # "ensuring message is processed by only one consumer at a any given time"
    _, others = await curl(api, "/v1/consumer?cid=8&limit=10")
    assert [message["payload"] for message in others["messages"]] == [{"n": 2}]
    # "Deletes processed message in the queue. returns "true" or "false""
    assert await curl(api, "-X", "DELETE", f"/v1/consumer?cid=8&id={message_id}") == (200, False)
    assert await curl(api, "-X", "DELETE", f"/v1/consumer?cid=7&id={message_id}") == (200, True)
    assert await curl(api, "-X", "DELETE", f"/v1/consumer?cid=7&id={message_id}") == (200, False)
    assert await curl(api, "/v1/consumer?cid=7&limit=10") == (200, {"messages": []})


async def test_a_message_that_is_not_deleted_in_time_is_unlocked_and_its_late_consumer_refused(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    _, published = await curl(api, *json_body(1), "/v1/publish")
    message_id = published["messageId"]
    await curl(api, "/v1/consumer?cid=7&limit=1")
    await end_leases(database)
    assert await curl(api, "-X", "DELETE", f"/v1/consumer?cid=7&id={message_id}") == (200, False)
    _, again = await curl(api, "/v1/consumer?cid=8&limit=1")
    assert again["messages"][0]["id"] == message_id
    assert await curl(api, "-X", "DELETE", f"/v1/consumer?cid=7&id={message_id}") == (200, False)
    assert await curl(api, "-X", "DELETE", f"/v1/consumer?cid=8&id={message_id}") == (200, True)


async def test_new_next_done_info(api: httpx2.AsyncClient) -> None:
    # "A producer can add a new message to queue by POSTing to /message/new with a payload field in the request body."
    status, added = await curl(api, *json_body("yada yada yada"), "/message/new")
    assert (status, list(added)) == (201, ["id"])
    # "A consumer can GET /message/next to retrieve the next message that needs to be processed."
    following = await curl(api, "/message/next")
    assert following == (200, {"id": added["id"], "payload": "yada yada yada"})
    assert await curl(api, "/message/next") == (204, None)
    # "If the consumer does POST to /message/:id/status/done before the timeout expires, the message is removed"
    assert await curl(api, "-X", "POST", f"/message/{added['id']}/status/done") == (204, None)
    status, problem = await curl(api, "-X", "POST", f"/message/{added['id']}/status/done")
    assert (status, problem["code"]) == (409, "lease_lost")
    # "In order to see the entire state of the queue, navigate to /info in a browser."
    page = await api.get("/info")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default" in page.text


async def test_a_message_that_is_not_done_in_time_is_back_at_the_front(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    for payload in ("first", "second"):
        await curl(api, *json_body(payload), "/message/new")
    first = await api.get("/message/next")
    done = f"/message/{first.json()['id']}/status/done"
    await end_leases(database)
    assert_problem(await api.post(done), 409, "lease_lost")
    again = await api.get("/message/next")
    assert again.json() == first.json() == {"id": first.json()["id"], "payload": "first"}
    # With the receipt the late one is told from the one that has the message now.
    late, current = ({"X-Receipt": answer.headers["X-Receipt"]} for answer in (first, again))
    assert_problem(await api.post(done, headers=late), 409, "lease_lost")
    assert (await api.post(done, headers=current)).status_code == 204


async def test_wrong_requests_are_refused(api: httpx2.AsyncClient) -> None:
    for path in ("/v1/consumer?limit=1", "/v1/consumer?cid=1&limit=0", "/v1/consumer?cid=1&limit=1001"):
        assert_problem(await api.get(path), 422, "invalid_request")
    for path in ("/v1/consumer?cid=1", "/v1/consumer?cid=1&id=x", f"/v1/consumer?cid=1&id={2**63}"):
        assert_problem(await api.delete(path), 422, "invalid_request")
    assert_problem(await api.post("/v1/publish", json={}), 422, "invalid_request")
    assert_problem(await api.post("/message/x/status/done"), 422, "invalid_request")
