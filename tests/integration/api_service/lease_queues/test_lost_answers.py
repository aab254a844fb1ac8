"""Each change of a queue is done and its answer lost; asked for again, it is as if it had been asked for once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple

import asyncpg
import httpx2
import pytest

from api_service.settings import ApiSettings
from tests.support.api import running_api
from tests.support.plain_http import plain_client
from tests.support.push_receiver import SECRET
from tests.support.queues import send
from tests.support.tcp_proxy import tcp_proxy
from tests.support.waiting import eventually

QUEUE = "/v1/queues/q"
SUBSCRIPTION = {"url": "https://mailer.invalid/", "secret": SECRET}
Json = dict[str, Any]


class Change(NamedTuple):
    """`path` is below the queue's; `{id}` and `{receipt}` are those of a message that a receiver has.

    `done` is a query that is true once it has happened, and stays so; `repeated` is what the second answer says.
    """

    name: str
    method: str
    path: str
    body: Json | None
    done: str
    status: int
    repeated: Json


ONE_MORE = "SELECT count(*) = 4 FROM queue_messages"
SENT_ONCE = {"ids": 1}
CHANGES = [
    Change("deduplication", "POST", "/messages", {"payload": 1, "deduplicationId": "d"}, ONE_MORE, 201, SENT_ONCE),
    Change(
        "a group, headers and a priority",
        "POST",
        "/messages",
        {"payload": 1, "deduplicationId": "d", "groupId": "g", "priority": 3, "headers": {"a": "b"}},
        "SELECT count(*) = 4 AND count(*) FILTER (WHERE group_id = 'g' AND priority = 3 AND headers->>'a' = 'b') = 1 "
        "FROM queue_messages",
        201,
        SENT_ONCE,
    ),
    Change(
        "a long delay",
        "POST",
        "/messages",
        {"payload": 1, "deduplicationId": "d", "delaySeconds": 7_776_000},
        "SELECT count(*) = 4 AND count(*) FILTER (WHERE visible_at > now() + interval '89 days' "
        "AND lease_expires_at IS NULL) = 1 FROM queue_messages",
        201,
        SENT_ONCE,
    ),
    Change(
        "acknowledgement",
        "DELETE",
        "/messages/{receipt}",
        None,
        "SELECT count(*) = 2 FROM queue_messages",
        409,
        {"code": "lease_lost"},
    ),
    Change(
        "batch extend",
        "POST",
        "/extend",
        {"entries": [{"receipt": "{receipt}", "visibilityTimeoutSeconds": 9000}]},
        "SELECT count(*) = 1 FROM queue_messages WHERE lease_expires_at > now() + interval '8000 seconds'",
        200,
        {"outcomes": 1},
    ),
    Change(
        "giving back",
        "PATCH",
        "/messages/{receipt}",
        {"visibilityTimeoutSeconds": 0},
        "SELECT count(*) = 3 AND count(*) FILTER (WHERE receipt IS NULL AND receive_count = 1) = 1 FROM queue_messages",
        409,
        {"code": "lease_lost"},
    ),
    Change(
        "cancelling one",
        "DELETE",
        "/messages/by-id/{other}",
        None,
        "SELECT count(*) = 2 FROM queue_messages",
        404,
        {"code": "unknown_message"},
    ),
    Change("pause", "PATCH", "", {"paused": True}, "SELECT paused FROM queues", 200, {"paused": True}),
    Change(
        "settings",
        "PATCH",
        "",
        {"retentionSeconds": 900, "deadLetterQueue": "graves", "maxReceives": 7},
        "SELECT retention_seconds = 900 AND dead_letter_queue = 'graves' AND max_receives = 7 FROM queues "
        "WHERE name = 'q'",
        200,
        {"retentionSeconds": 900, "visibilityTimeoutSeconds": 30},
    ),
    Change(
        "redrive by ids",
        "POST",
        "/redrive",
        {"ids": ["{dead}"]},
        "SELECT count(*) = 1 FROM queue_messages WHERE visible_at <= now() AND receive_count = 0",
        200,
        {"redriven": 0, "complete": True},
    ),
    Change(
        "redrive into another queue",
        "POST",
        "/redrive",
        {"to": "graves"},
        "SELECT count(*) = 3 AND count(*) FILTER (WHERE moved_from IS NOT NULL) = 1 FROM queue_messages",
        200,
        {"redriven": 0, "complete": True},
    ),
    Change("purge", "DELETE", "/messages", None, "SELECT count(*) = 0 FROM queue_messages", 200, {"removed": 0}),
    Change(
        "deletion",
        "DELETE",
        "",
        None,
        "SELECT (SELECT count(*) FROM queues) + (SELECT count(*) FROM queue_messages) = 0",
        404,
        {"code": "unknown_queue"},
    ),
    Change(
        "subscription",
        "PUT",
        "/subscription",
        SUBSCRIPTION,
        "SELECT state = 'active' FROM queue_subscriptions",
        200,
        {"url": SUBSCRIPTION["url"], "state": "active"},
    ),
    Change(
        "removal of a subscription",
        "DELETE",
        "/subscription",
        None,
        "SELECT count(*) = 0 FROM queue_subscriptions",
        404,
        {"code": "unknown_subscription"},
    ),
]


async def prepare(api: httpx2.AsyncClient, database: asyncpg.Connection) -> Json:
    """One that a receiver has, one in line, and one that is dead; their ids, and the receipt. And a subscription that
    pushes nothing."""
    held, other, dead = await send(api, "q", "held", "other", "dead")
    order = {"consumerId": "c", "visibilityTimeoutSeconds": 600}
    (message,) = (await api.post(f"{QUEUE}/receive", json=order)).json()["messages"]
    assert message["id"] == held
    await database.execute(
        "UPDATE queue_messages SET visible_at = 'infinity', lease_expires_at = now(), receive_count = 10 WHERE id = $1",
        dead,
    )
    await database.execute(
        "INSERT INTO queue_subscriptions (queue_id, url, secret, state) SELECT id, $1, $2, 'disabled' FROM queues",
        SUBSCRIPTION["url"],
        SECRET,
    )
    return {"receipt": message["receipt"], "other": other, "dead": dead}


def filled(value: Any, known: Json) -> Any:
    match value:
        case str() if value.startswith("{") and value[1:-1] in known:
            return known[value[1:-1]]
        case dict():
            return {name: filled(each, known) for name, each in value.items()}
        case list():
            return [filled(each, known) for each in value]
        case _:
            return value


def is_done(database: asyncpg.Connection, change: Change) -> Callable[[], Any]:
    return lambda: database.fetchval(change.done)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
async def test_change_whose_answer_was_lost_may_be_asked_for_again(
    change: Change, settings: ApiSettings, database: asyncpg.Connection
) -> None:
    async with running_api(settings) as api, tcp_proxy(str(api.base_url)) as proxy:
        known = await prepare(api, database)
        path = QUEUE + change.path.format_map({**known, "id": known["other"]})
        body = None if change.body is None else filled(change.body, known)
        assert not await database.fetchval(change.done), "it would be so without it"

        async with plain_client(proxy.url, timeout=60) as cut_off:
            proxy.stall(answers_only=True)
            asking = asyncio.create_task(cut_off.request(change.method, path, json=body))
            await eventually(is_done(database, change))
            proxy.cut()
            proxy.resume()
            with contextlib.suppress(httpx2.TransportError):
                pytest.fail(f"an answer came: {(await asking).status_code}")

        again = await api.request(change.method, path, json=body)
        assert again.status_code == change.status, again.text
        answer = again.json()
        for name, value in change.repeated.items():
            found = answer[name]
            assert (len(found) if isinstance(found, list) else found) == value
        assert await database.fetchval(change.done)
