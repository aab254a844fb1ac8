"""Every way to be refused by a lease queue, and the settings and listings that are not."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote

import asyncpg
import httpx2
import pytest

from api_service.settings import ApiSettings
from tests.support.api import running_api
from tests.support.curl import curl
from tests.support.queues import acknowledge, assert_problem, change_lease, counts, payloads, receive, send
from tests.support.tcp_proxy import tcp_proxy

RECEIPT = f"1-{'0' * 32}"
QUARTER_MEBIBYTE = 256 * 1024


NO_MESSAGES = [
    b"",
    b"{}",
    b"[]",
    b"tru",
    b'{"payload": 1, "messages": [{"payload": 1}]}',
    b'{"messages": []}',
    b'{"messages": [{}]}',
    b'{"payload": 1, "delaySeconds": -1}',
    b'{"payload": 1, "delaySeconds": 7776001}',
    b'{"payload": 1, "deliverAt": "2030-01-01T00:00:00"}',
    b'{"payload": 1, "deliverAt": "9999-01-01T00:00:00Z"}',
    b'{"payload": 1, "deliverAt": 1}',
    b'{"payload": 1, "delaySeconds": 1, "deliverAt": "2026-01-01T00:00:00Z"}',
    b'{"messages": [{"payload": 1}], "deliverAt": "2026-01-01T00:00:00Z"}',
    b'{"payload": 1, "delay": 1}',
    b'{"payload": "\xff"}',
    b'{"payload": "\\ud800"}',
    b'{"messages": [{"payload": 1}], "delaySeconds": 1}',
    b'{"payload": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"messages": [' + b",".join([b'{"payload": 1}'] * 1001) + b"]}",
]

JSON = {"Content-Type": "application/json"}


async def test_a_body_that_is_no_message_is_refused_and_nothing_is_sent(api: httpx2.AsyncClient) -> None:
    await send(api, "q", "before")
    for body in NO_MESSAGES:
        answer = await api.post("/v1/queues/q/messages", content=body, headers={"Content-Type": "application/json"})
        assert_problem(answer, 422, "invalid_request")
    assert payloads(await receive(api, "q", 10)) == ["before"]


@pytest.mark.parametrize("media_type", [None, "application/x-www-form-urlencoded", "text/plain", "multipart/form-data"])
async def test_a_body_that_does_not_say_that_it_is_json_is_told_how_to_be_sent(
    api: httpx2.AsyncClient, media_type: str | None
) -> None:
    """A form of any page can send such a body, and whatever JSON it likes in it."""
    headers = {"Content-Type": media_type} if media_type else {}
    answer = await api.post("/v1/queues/q/messages", content=b'{"payload": 1}', headers=headers)
    assert_problem(answer, 415, "json_needed")
    assert "Content-Type: application/json" in answer.json()["detail"]
    own = {"Content-Type": "application/vnd.rollcall+json; charset=utf-8"}
    assert (await api.post("/v1/queues/q/messages", content=b'{"payload": 1}', headers=own)).status_code == 201


BAD_ORDERS: list[dict[str, Any]] = [
    {},
    {"consumerId": ""},
    {"consumerId": "a\u0000b"},
    {"consumerId": "c\n"},
    {"consumerId": "c", "limit": 0},
    {"consumerId": "c", "limit": 1001},
    {"consumerId": "c", "visibilityTimeoutSeconds": 0},
    {"consumerId": "c", "visibilityTimeoutSeconds": 43201},
    {"consumerId": "c", "waitSeconds": 21},
    {"consumerId": "c", "wait": 1},
]


async def test_an_order_beyond_the_limits_is_refused(api: httpx2.AsyncClient) -> None:
    for order in BAD_ORDERS:
        assert_problem(await api.post("/v1/queues/q/receive", json=order), 422, "invalid_request")


async def test_the_largest_order_is_taken(api: httpx2.AsyncClient) -> None:
    await send(api, "q", *range(1000))
    order = {"consumerId": "c", "limit": 1000, "visibilityTimeoutSeconds": 43200, "waitSeconds": 20}
    messages = (await api.post("/v1/queues/q/receive", json=order)).json()["messages"]
    assert payloads(messages) == list(range(1000))
    receipts = [message["receipt"] for message in messages]
    outcomes = (await api.post("/v1/queues/q/acknowledge", json={"receipts": receipts})).json()["outcomes"]
    assert {each["outcome"] for each in outcomes} == {"acknowledged"}


NO_RECEIPTS = ("1", "0-" + "0" * 32, "1-" + "g" * 32, "1" * 19 + "-" + "0" * 32, f"{RECEIPT}%0A", "%0A")


async def test_what_is_no_receipt_is_refused(api: httpx2.AsyncClient) -> None:
    for receipt in NO_RECEIPTS:
        address = f"/v1/queues/q/messages/{receipt}"
        assert_problem(await api.delete(address), 422, "invalid_request")
        assert_problem(await api.patch(address, json={"visibilityTimeoutSeconds": 1}), 422, "invalid_request")


async def test_what_is_no_receipt_among_others_has_its_own_outcome(api: httpx2.AsyncClient) -> None:
    await send(api, "q", 1)
    ((good,),) = [[message["receipt"] for message in await receive(api, "q")]]
    wrong = [unquote(each) for each in NO_RECEIPTS]
    assert await acknowledge(api, "q", [f"{good}\n", *wrong, good, RECEIPT]) == [
        "invalid_receipt",
        *["invalid_receipt"] * len(wrong),
        "acknowledged",
        "lease_lost",
    ]
    assert await acknowledge(api, "q", wrong) == ["invalid_receipt"] * len(wrong)


async def test_half_a_surrogate_pair_is_called_that(api: httpx2.AsyncClient) -> None:
    for address, body in (
        ("/v1/queues/q/messages", b'{"payload": "\\ud800"}'),
        ("/v1/queues/q/receive", b'{"consumerId": "\\ud800"}'),
        ("/v1/queues/q/acknowledge", b'{"receipts": ["\\udc00"]}'),
    ):
        answer = await api.post(address, content=body, headers={"Content-Type": "application/json"})
        assert_problem(answer, 422, "invalid_request")
        (error,) = answer.json()["errors"]
        assert "surrogate" in error["detail"]
        assert "truncated" not in error["detail"]


async def test_what_a_request_says_beside_what_is_known_is_not_ignored(api: httpx2.AsyncClient) -> None:
    await api.put("/v1/queues/q", json={"maxReceives": 1})
    await send(api, "q", 1)
    (message,) = await receive(api, "q")
    await change_lease(api, "q", message["receipt"], 0)
    receipt_address = f"/v1/queues/q/messages/{message['receipt']}"
    for method, address, body in (
        ("POST", "/v1/queues/q/redrive", {"messages": [message["id"]]}),
        ("DELETE", "/v1/queues/q/messages", {"state": "delayed"}),
        ("POST", "/v1/queues/q/redrive?ids=1", None),
        ("DELETE", "/v1/queues/q/messages?status=delayed", None),
        ("DELETE", "/v1/queues/q/messages?state=delayed&state=dead", None),
        ("POST", "/v1/queues/q/messages?delaySeconds=1", {"payload": 1}),
        ("POST", "/v1/queues/q/receive?limit=3", {"consumerId": "c"}),
        ("DELETE", f"{receipt_address}?x=1", None),
        ("PATCH", f"{receipt_address}?x=1", {"visibilityTimeoutSeconds": 1}),
        ("GET", "/v1/queues/q/messages?offset=3", None),
        ("GET", "/v1/queues?name=q", None),
    ):
        answer = await api.request(method, address, json=body)
        assert_problem(answer, 422, "invalid_request")
    for address in ("/v1/queues/q/messages", "/v1/publish", "/message/new"):
        answer = await api.post(address, json={"payload": 1}, headers={"idempotency-key": "k"})
        assert_problem(answer, 422, "invalid_request")
    assert await counts(api, "q") == {"dead": 1}
    assert (await api.post("/v1/queues/q/redrive", json={})).json() == {"redriven": 1, "complete": True}


async def test_names_that_clients_take_out_of_addresses_are_refused(api: httpx2.AsyncClient) -> None:
    for name in (".", ".."):
        status, body = await curl(api, "--path-as-is", "--json", '{"payload": 1}', f"/v1/queues/{name}/messages")
        assert (status, body["code"]) == (422, "invalid_request")
    for name in ("...", ".a", "..a", "a.", "-"):
        await send(api, name, 1)


async def test_a_lease_change_beyond_the_limits_is_refused(api: httpx2.AsyncClient) -> None:
    for body in ({}, {"visibilityTimeoutSeconds": -1}, {"visibilityTimeoutSeconds": 43201}):
        assert_problem(await api.patch(f"/v1/queues/q/messages/{RECEIPT}", json=body), 422, "invalid_request")


async def test_a_payload_over_a_quarter_mebibyte_is_refused_and_nothing_is_sent(api: httpx2.AsyncClient) -> None:
    fits, too_large = "x" * (QUARTER_MEBIBYTE - 2), "x" * (QUARTER_MEBIBYTE - 1)
    body = {"messages": [{"payload": fits}, {"payload": too_large}]}
    assert_problem(await api.post("/v1/queues/q/messages", json=body), 413, "too_large")
    assert_problem(await api.post("/message/new", json={"payload": too_large}), 413, "too_large")
    assert await receive(api, "q", 10) == []
    await send(api, "q", fits)
    assert payloads(await receive(api, "q", 10)) == [fits]


async def test_a_body_over_the_limit_is_refused_with_and_without_its_length(settings: ApiSettings) -> None:
    small = settings.model_copy(update={"queue_max_body_bytes": 1000})

    async def in_pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 100

    async with running_api(small) as api:
        assert_problem(await api.post("/v1/queues/q/messages", content=b" " * 1001, headers=JSON), 413, "too_large")
        assert_problem(await api.post("/v1/queues/q/messages", content=in_pieces(), headers=JSON), 413, "too_large")


async def test_a_body_that_does_not_come_is_given_up(settings: ApiSettings) -> None:
    impatient = settings.model_copy(update={"body_timeout_seconds": 0.2})
    async with running_api(impatient) as api:

        async def never() -> AsyncIterator[bytes]:
            yield b"{"
            await asyncio.sleep(5)

        assert_problem(await api.post("/v1/queues/q/messages", content=never(), headers=JSON), 408, "body_timeout")


async def test_a_name_of_other_characters_is_refused(api: httpx2.AsyncClient) -> None:
    for name in ("a b", "ü", "x" * 81, "a%00b"):
        assert_problem(await api.post(f"/v1/queues/{name}/messages", json={"payload": 1}), 422, "invalid_request")


async def test_a_queue_that_nobody_has_used_is_unknown_and_empty(api: httpx2.AsyncClient) -> None:
    assert_problem(await api.get("/v1/queues/q"), 404, "unknown_queue")
    assert_problem(await api.get("/v1/queues/q/messages"), 404, "unknown_queue")
    assert_problem(await api.post("/v1/queues/q/redrive"), 404, "unknown_queue")
    assert_problem(await api.delete("/v1/queues/q/messages"), 404, "unknown_queue")
    assert_problem(await api.delete(f"/v1/queues/q/messages/{RECEIPT}"), 409, "lease_lost")
    assert await receive(api, "q") == []
    assert_problem(await api.get("/v1/queues/q"), 404, "unknown_queue")


async def test_settings_make_a_queue_and_change_it(api: httpx2.AsyncClient) -> None:
    made = (await api.put("/v1/queues/q", json={"maxReceives": 3, "visibilityTimeoutSeconds": 60})).json()
    assert (made["name"], made["maxReceives"], made["visibilityTimeoutSeconds"]) == ("q", 3, 60)
    assert made["oldestAgeSeconds"] is None
    changed = (await api.put("/v1/queues/q", json={})).json()
    assert (changed["maxReceives"], changed["visibilityTimeoutSeconds"]) == (10, 30)
    for wrong in ({"maxReceives": 0}, {"visibilityTimeoutSeconds": 0}, {"visibilityTimeoutSeconds": 43201}, {"x": 1}):
        assert_problem(await api.put("/v1/queues/q", json=wrong), 422, "invalid_request")


async def test_queues_and_messages_are_listed_page_by_page(api: httpx2.AsyncClient) -> None:
    for name in ("c", "a", "b"):
        await send(api, name, 1)
    first = (await api.get("/v1/queues?limit=2")).json()
    assert ([each["name"] for each in first["data"]], first["totalData"]) == (["a", "b"], 3)
    rest = (await api.get(f"/v1/queues?limit=2&cursor={first['nextCursor']}")).json()
    assert [each["name"] for each in rest["data"]] == ["c"]

    await send(api, "a", 2, 3)
    answer = await api.get("/v1/queues/a/messages?limit=2&state=visible")
    listed = answer.json()
    assert (payloads(listed["data"]), listed["totalData"]) == ([1, 2], 3)
    assert 'rel="next"' in answer.headers["Link"]
    more = (await api.get(f"/v1/queues/a/messages?limit=2&state=visible&cursor={listed['nextCursor']}")).json()
    assert payloads(more["data"]) == [3]
    assert_problem(await api.get("/v1/queues/a/messages?cursor=x"), 422, "invalid_cursor")
    assert_problem(await api.get("/v1/queues/a/messages?state=x"), 422, "invalid_request")
    assert (await api.get("/v1/queues/a")).json()["oldestAgeSeconds"] > 0


async def test_a_page_of_messages_has_at_most_four_mebibytes_of_payloads(api: httpx2.AsyncClient) -> None:
    for _ in range(2):
        await send(api, "q", *["x" * (QUARTER_MEBIBYTE - 2)] * 10)
    first = await api.get("/v1/queues/q/messages?limit=100")
    assert len(first.content) < 4.1 * 1024 * 1024
    assert (first.json()["size"], first.json()["totalData"]) == (16, 20)
    # By the link as well, though the page was asked for by its number.
    (link,) = re.findall(r'<([^>]*)>; rel="next"', first.headers["Link"])
    rest = (await api.get(link)).json()
    assert (rest["size"], rest["nextCursor"]) == (4, None)
    ids = [message["id"] for page in (first.json(), rest) for message in page["data"]]
    assert ids == sorted(set(ids))
    assert (await api.get("/v1/queues/q/messages?limit=1")).json()["size"] == 1


async def test_a_database_that_is_away_is_a_503_and_comes_back(settings: ApiSettings) -> None:
    async with tcp_proxy(settings.database_url.get_secret_value()) as proxy:
        behind = ApiSettings.model_validate({**settings.model_dump(), "database_url": proxy.url})
        async with running_api(behind) as api:
            await send(api, "q", 1)
            proxy.cut()
            answers = [
                await api.post("/v1/queues/q/messages", json={"payload": 2}),
                await api.post("/v1/queues/q/receive", json={"consumerId": "c", "waitSeconds": 1}),
                await api.delete(f"/v1/queues/q/messages/{RECEIPT}"),
            ]
            for answer in answers:
                assert_problem(answer, 503, "database_unavailable")
                assert int(answer.headers["Retry-After"]) > 0
            await proxy.open()
            assert payloads(await receive(api, "q", 10)) == [1]


async def test_a_queue_locked_for_too_long_is_a_503(settings: ApiSettings, database: asyncpg.Connection) -> None:
    hasty = settings.model_copy(update={"lock_timeout_seconds": 0.2})
    async with running_api(hasty) as api, database.transaction():
        await database.execute("LOCK TABLE queue_messages IN ACCESS EXCLUSIVE MODE")
        assert_problem(await api.post("/v1/queues/q/messages", json={"payload": 2}), 503, "database_busy")
