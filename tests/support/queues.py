"""The calls of lease queues over HTTP, as tests make them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg
import httpx2

Json = dict[str, Any]


async def send(api: httpx2.AsyncClient, queue: str, *payloads: Any, delay_seconds: int = 0) -> list[int]:
    messages = [{"payload": payload, "delaySeconds": delay_seconds} for payload in payloads]
    ids: list[int] = []
    for first in range(0, len(messages), 1000):
        answer = await api.post(f"/v1/queues/{queue}/messages", json={"messages": messages[first : first + 1000]})
        assert answer.status_code == 201, answer.text
        ids += answer.json()["ids"]
    return ids


async def receive(
    api: httpx2.AsyncClient, queue: str, limit: int = 1, *, lease_seconds: int = 30, wait_seconds: int = 0
) -> list[Json]:
    order = {"consumerId": "c", "limit": limit, "visibilityTimeoutSeconds": lease_seconds, "waitSeconds": wait_seconds}
    answer = await api.post(f"/v1/queues/{queue}/receive", json=order)
    assert answer.status_code == 200, answer.text
    messages: list[Json] = answer.json()["messages"]
    return messages


async def acknowledge(api: httpx2.AsyncClient, queue: str, receipts: Sequence[str]) -> list[str]:
    """The outcomes, in the order of the receipts."""
    answer = await api.post(f"/v1/queues/{queue}/acknowledge", json={"receipts": list(receipts)})
    assert answer.status_code == 200, answer.text
    outcomes = answer.json()["outcomes"]
    assert [each["receipt"] for each in outcomes] == list(receipts)
    return [each["outcome"] for each in outcomes]


async def change_lease(api: httpx2.AsyncClient, queue: str, receipt: str, seconds: int) -> httpx2.Response:
    return await api.patch(f"/v1/queues/{queue}/messages/{receipt}", json={"visibilityTimeoutSeconds": seconds})


async def pass_time(database: asyncpg.Connection, seconds: int) -> None:
    """As if it had, for all messages: so a lease's first end can pass without a test that has to extend it before.

    All times move together, which is nothing that triggers are told of. Nothing may become due by it: receivers do not
    look again at times that have passed.
    """
    async with database.transaction():
        await database.execute("SET LOCAL session_replication_role = replica")
        await database.execute(
            "UPDATE queue_messages SET visible_at = visible_at - make_interval(secs => $1),"
            " lease_expires_at = lease_expires_at - make_interval(secs => $1)",
            seconds,
        )


async def counts(api: httpx2.AsyncClient, queue: str) -> dict[str, int]:
    """Of messages by state; states without any are left out."""
    answer = await api.get(f"/v1/queues/{queue}")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    return {state: found[state] for state in ("visible", "inFlight", "delayed", "blocked", "dead") if found[state]}


def payloads(messages: Sequence[Json]) -> list[Any]:
    return [message["payload"] for message in messages]


def assert_problem(answer: httpx2.Response, status: int, code: str) -> None:
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    body = answer.json()
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code), body
    assert body["detail"]
