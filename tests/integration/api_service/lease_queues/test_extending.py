"""Many leases are extended at once, each with its own outcome."""

from __future__ import annotations

import asyncpg
import httpx2

from tests.support.queues import acknowledge, assert_problem, counts, pass_time, receive, send

NO_RECEIPT = f"1-{'0' * 32}"


async def extend(api: httpx2.AsyncClient, *entries: tuple[str, int]) -> list[tuple[str, bool]]:
    """The outcomes in order, and whether each says when the lease ends."""
    body = {"entries": [{"receipt": receipt, "visibilityTimeoutSeconds": seconds} for receipt, seconds in entries]}
    answer = await api.post("/v1/queues/q/extend", json=body)
    assert answer.status_code == 200, answer.text
    outcomes = answer.json()["outcomes"]
    assert [each["receipt"] for each in outcomes] == [receipt for receipt, _ in entries]
    return [(each["outcome"], each["leaseExpiresAt"] is not None) for each in outcomes]


async def test_each_lease_of_many_is_changed_or_says_why_not(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    await send(api, "q", *range(4))
    first, second, third, done = [message["receipt"] for message in await receive(api, "q", 4, lease_seconds=60)]
    await acknowledge(api, "q", [done])
    assert await extend(api, (third, 0), (done, 9), ("no", 9), (first, 3600), (NO_RECEIPT, 9), (second, 3600)) == [
        ("extended", True),
        ("lease_lost", False),
        ("invalid_receipt", False),
        ("extended", True),
        ("lease_lost", False),
        ("extended", True),
    ]
    assert await counts(api, "q") == {"visible": 1, "inFlight": 2}
    (again,) = await receive(api, "q", 10, lease_seconds=3600)
    assert again["receiveCount"] == 2
    # The time of the first leases is over, and the longer ones hold.
    await pass_time(database, 61)
    assert await receive(api, "q", 10, wait_seconds=2) == []


async def test_of_several_entries_of_one_lease_the_last_counts(api: httpx2.AsyncClient) -> None:
    await send(api, "q", 1)
    (message,) = await receive(api, "q")
    receipt = message["receipt"]
    assert await extend(api, (receipt, 0), (receipt, 100)) == [("extended", True)] * 2
    assert await counts(api, "q") == {"inFlight": 1}


async def test_a_change_of_many_beyond_the_limits_changes_none(api: httpx2.AsyncClient) -> None:
    await send(api, "q", 1)
    (message,) = await receive(api, "q")
    good = {"receipt": message["receipt"], "visibilityTimeoutSeconds": 0}
    for entries in ([], [good] * 1001, [good, {**good, "visibilityTimeoutSeconds": 43201}], [good, {"receipt": "x"}]):
        assert_problem(await api.post("/v1/queues/q/extend", json={"entries": entries}), 422, "invalid_request")
    assert await counts(api, "q") == {"inFlight": 1}
    many = [(message["receipt"], 50)] * 1000
    assert await extend(api, *many) == [("extended", True)] * 1000
