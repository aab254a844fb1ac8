"""A queue's messages come to its endpoint, signed, until it says that it has them."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx2
import pytest

from api_service.settings import ApiSettings
from tests.support.api import running_api
from tests.support.push_receiver import HANG_UP, Push, Receiver, push_receiver, status
from tests.support.queues import assert_problem, counts, receive, send
from tests.support.waiting import eventually


async def subscribe(api: httpx2.AsyncClient, receiver: Receiver, queue: str = "q", **settings: Any) -> None:
    (await api.put(f"/v1/queues/{queue}", json=settings)).raise_for_status()
    answer = await api.put(f"/v1/queues/{queue}/subscription", json=receiver.subscription)
    assert answer.status_code == 200, answer.text


async def subscription(api: httpx2.AsyncClient, queue: str = "q") -> Any:
    answer = await api.get(f"/v1/queues/{queue}/subscription")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def has_noted(api: httpx2.AsyncClient, *, delivered: int, failed: int) -> bool:
    found = await subscription(api)
    return (found["delivered"], found["failed"]) == (delivered, failed)


async def is_empty(api: httpx2.AsyncClient, queue: str = "q") -> bool:
    return await counts(api, queue) == {}


async def make_due(database: asyncpg.Connection) -> None:
    """What backs off is due now, instead of a test that waits for it."""
    await database.execute(
        "UPDATE queue_messages SET visible_at = now(), lease_expires_at = now() WHERE visible_at < 'infinity'"
    )


async def test_message_is_posted_as_it_was_sent_signed_and_acknowledged(
    api: httpx2.AsyncClient, receiver: Receiver
) -> None:
    await subscribe(api, receiver)
    message = {"payload": {"to": "ada@x.example", "n": 1.50}, "groupId": "grün", "headers": {"a": "\x7fé\u2028"}}
    (message_id,) = (await api.post("/v1/queues/q/messages", json={**message, "priority": 3})).json()["ids"]
    await eventually(lambda: is_empty(api))
    (push,) = receiver.pushes
    assert push.target == "/hook?of=test"
    assert push.headers["content-type"] == "application/json"
    assert push.id.endswith(f"_{message_id}")
    assert abs(int(push.headers["webhook-timestamp"]) - datetime.now(UTC).timestamp()) < 60
    described = push.message
    assert datetime.fromisoformat(described.pop("enqueuedAt")) > datetime.now(UTC) - timedelta(minutes=1)
    assert described == {
        "queue": "q",
        "id": message_id,
        "receiveCount": 1,
        "groupId": "grün",
        "priority": 3,
        "headers": {"a": "\x7fé\u2028"},
    }
    await eventually(lambda: has_noted(api, delivered=1, failed=0))
    found = await subscription(api)
    assert (found["state"], found["lastStatus"], found["lastError"], found["failingSince"]) == (
        "active",
        204,
        None,
        None,
    )


async def test_payload_comes_byte_for_byte(api: httpx2.AsyncClient, receiver: Receiver) -> None:
    await subscribe(api, receiver)
    payload = b'{"b": 1.0,  "a": "\\u0000\xc3\xa9", "a": [ ]}'
    headers = {"Content-Type": "application/json"}
    (await api.post("/v1/queues/q/messages", content=b'{"payload": %s}' % payload, headers=headers)).raise_for_status()
    await eventually(lambda: is_empty(api))
    assert [push.body for push in receiver.pushes] == [payload]


async def test_what_was_there_before_the_subscription_is_pushed_too(
    api: httpx2.AsyncClient, receiver: Receiver
) -> None:
    await send(api, "q", *range(30))
    (await api.put("/v1/queues/q/subscription", json=receiver.subscription)).raise_for_status()
    await eventually(lambda: is_empty(api))
    assert sorted(receiver.payloads()) == [*range(30)]


@pytest.mark.usefixtures("late_repeats")
async def test_message_that_failed_comes_again_as_the_same(
    api: httpx2.AsyncClient, receiver: Receiver, database: asyncpg.Connection
) -> None:
    receiver.answers = [status(500), status(200)]
    await subscribe(api, receiver)
    await send(api, "q", "x")
    await eventually(lambda: has_noted(api, delivered=0, failed=1))
    found = await subscription(api)
    assert (found["lastStatus"], found["lastError"]) == (500, None)
    assert found["failingSince"] is not None
    # It waits for its time under its lease, where nobody else gets it.
    assert await counts(api, "q") == {"inFlight": 1}
    await make_due(database)
    await eventually(lambda: is_empty(api))
    first, second = receiver.pushes
    assert (first.id, first.body) == (second.id, second.body)
    assert [push.message["receiveCount"] for push in receiver.pushes] == [1, 2]
    await eventually(lambda: has_noted(api, delivered=1, failed=1))
    assert (await subscription(api))["failingSince"] is None


async def test_message_that_failed_comes_again_by_itself(api: httpx2.AsyncClient, receiver: Receiver) -> None:
    receiver.answers = [status(500), status(200)]
    await subscribe(api, receiver)
    begun = asyncio.get_running_loop().time()
    await send(api, "q", "x")
    await eventually(lambda: is_empty(api))
    assert asyncio.get_running_loop().time() - begun > 2.5
    assert len(receiver.pushes) == 2


@pytest.mark.usefixtures("late_repeats")
@pytest.mark.parametrize(
    ("answer", "last_status", "error"),
    [
        (status(301, location="http://127.0.0.1:1/"), 301, None),
        (status(404), 404, None),
        (status(503), 503, None),
        (HANG_UP, None, "it closed the connection"),
        (b"HTTP/1.1 200", None, "it closed the connection"),
        (b"220 mail.example ESMTP\r\n", None, "what it answers is no HTTP"),
        (b"HTTP/1.1 101 Now\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n", None, "what it answers is no HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 100_000, None, "the head of its answer has no end"),
    ],
    ids=["redirect", "404", "503", "nothing", "half a line", "no HTTP", "upgrade", "head without end"],
)
async def test_whatever_is_no_success_is_told_and_loses_nothing(
    answer: Any, last_status: int | None, error: str | None, api: httpx2.AsyncClient, receiver: Receiver
) -> None:
    await assert_told(api, receiver, answer, last_status, error)


@pytest.mark.usefixtures("late_repeats")
async def test_silence_is_told_and_loses_nothing(settings: ApiSettings, receiver: Receiver) -> None:
    async def never(_: Push) -> bytes:
        await asyncio.Event().wait()
        return b""

    async with running_api(settings.model_copy(update={"push_timeout_seconds": 1})) as api:
        await assert_told(api, receiver, never, None, "it does not answer in time")


async def assert_told(
    api: httpx2.AsyncClient, receiver: Receiver, answer: Any, last_status: int | None, error: str | None
) -> None:
    receiver.answers = [answer]
    await subscribe(api, receiver)
    await send(api, "q", "x")
    await eventually(lambda: has_noted(api, delivered=0, failed=1))
    found = await subscription(api)
    assert (found["lastStatus"], found["lastError"]) == (last_status, error)
    assert await counts(api, "q") == {"inFlight": 1}


@pytest.mark.usefixtures("late_repeats")
async def test_endpoint_that_is_not_there_is_told(api: httpx2.AsyncClient, receiver: Receiver) -> None:
    receiver.url = "http://127.0.0.1:1/"
    await subscribe(api, receiver)
    await send(api, "q", "x")
    await eventually(lambda: has_noted(api, delivered=0, failed=1))
    assert (await subscription(api))["lastError"] == "nothing listens at its host and port"


@pytest.mark.usefixtures("late_repeats")
async def test_redirect_is_not_followed(api: httpx2.AsyncClient, receiver: Receiver) -> None:
    async with push_receiver() as elsewhere:
        receiver.answers = [status(307, location=elsewhere.url)]
        await subscribe(api, receiver)
        await send(api, "q", "x")
        await eventually(lambda: has_noted(api, delivered=0, failed=1))
        assert elsewhere.pushes == []


@pytest.mark.parametrize("ends", [True, False])
async def test_answer_of_any_size_is_a_success_and_thrown_away(
    ends: bool, api: httpx2.AsyncClient, receiver: Receiver
) -> None:
    body = bytes(64 * 1024 * 1024)
    length = f"content-length: {len(body)}\r\n" if ends else ""
    receiver.answers = [f"HTTP/1.1 200 OK\r\n{length}\r\n".encode() + body, status(200)]
    await subscribe(api, receiver)
    await send(api, "q", "x")
    await eventually(lambda: is_empty(api))
    await eventually(lambda: receiver.in_hand == 0)
    # What was taken is what is in buffers on the way.
    assert receiver.bytes_taken < 16 * 1024 * 1024


async def test_interim_answers_are_not_the_answer(api: httpx2.AsyncClient, receiver: Receiver) -> None:
    receiver.answers = [b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + status(200)]
    await subscribe(api, receiver)
    await send(api, "q", "x")
    await eventually(lambda: is_empty(api))


async def test_message_waits_for_as_long_as_the_endpoint_asks_for(
    api: httpx2.AsyncClient, receiver: Receiver, database: asyncpg.Connection
) -> None:
    receiver.answers = [status(429, retry_after="1000")]
    await subscribe(api, receiver)
    await send(api, "q", "x")
    await eventually(lambda: has_noted(api, delivered=0, failed=1))
    await send(api, "q", "y")
    await asyncio.sleep(1.5)
    seconds = await database.fetchval("SELECT max(extract(epoch FROM lease_expires_at - now())) FROM queue_messages")
    assert 900 < seconds <= 1000
    # And nothing else is tried meanwhile.
    assert len(receiver.pushes) == 1
    assert await counts(api, "q") == {"visible": 1, "inFlight": 1}
    # Set anew, it is tried at once.
    receiver.answers = [status(200)]
    await subscribe(api, receiver)
    await make_due(database)
    await eventually(lambda: is_empty(api))


async def test_queue_decides_when_a_message_is_dead(api: httpx2.AsyncClient, receiver: Receiver) -> None:
    receiver.answers = [status(400)]
    await subscribe(api, receiver, maxReceives=1)
    await send(api, "q", "x", "y")
    await eventually(lambda: _counts_are(api, {"dead": 2}))
    assert len(receiver.pushes) == 2
    receiver.answers = [status(200)]
    (await api.post("/v1/queues/q/redrive")).raise_for_status()
    await eventually(lambda: is_empty(api))


async def test_refused_messages_hold_up_no_others(api: httpx2.AsyncClient, receiver: Receiver) -> None:
    async def answer(push: Push) -> bytes:
        return status(422 if push.payload % 2 else 200)

    receiver.answers = [answer]
    await subscribe(api, receiver, maxReceives=1)
    await send(api, "q", *range(200))
    await eventually(lambda: _counts_are(api, {"dead": 100}))
    assert Counter(receiver.payloads()) == Counter(range(200))


async def test_endpoint_that_fails_is_tried_with_few_messages(api: httpx2.AsyncClient, receiver: Receiver) -> None:
    receiver.answers = [status(500)]
    await subscribe(api, receiver, maxReceives=1)
    await send(api, "q", *range(200))
    await eventually(lambda: len(receiver.pushes) >= 4)
    found = await counts(api, "q")
    # Those that were on their way together, and one a pause from then on.
    assert found["dead"] <= 8
    assert found["visible"] >= 190


async def test_endpoint_that_is_gone_is_left_alone(api: httpx2.AsyncClient, receiver: Receiver) -> None:
    receiver.answers = [status(410)]
    await subscribe(api, receiver, maxReceives=1)
    await send(api, "q", "x")
    await eventually(lambda: _state_is(api, "disabled"))
    # As if it had not been handed out.
    await eventually(lambda: _counts_are(api, {"visible": 1}))
    await send(api, "q", "y")
    receiver.answers = [status(200)]
    await asyncio.sleep(1.5)
    assert len(receiver.pushes) == 1
    await subscribe(api, receiver, maxReceives=1)
    await eventually(lambda: is_empty(api))
    assert sorted(receiver.payloads()) == ["x", "x", "y"]


async def test_paused_queue_pushes_nothing(api: httpx2.AsyncClient, receiver: Receiver) -> None:
    await subscribe(api, receiver)
    (await api.patch("/v1/queues/q", json={"paused": True})).raise_for_status()
    await send(api, "q", "x")
    await asyncio.sleep(1.5)
    assert receiver.pushes == []
    (await api.patch("/v1/queues/q", json={"paused": False})).raise_for_status()
    await eventually(lambda: is_empty(api))
    assert receiver.payloads() == ["x"]


async def test_nothing_is_pushed_once_the_subscription_is_removed(api: httpx2.AsyncClient, receiver: Receiver) -> None:
    await subscribe(api, receiver)
    await send(api, "q", "x")
    await eventually(lambda: is_empty(api))
    assert (await api.delete("/v1/queues/q/subscription")).status_code == 204
    await send(api, "q", "y")
    await asyncio.sleep(1.5)
    assert receiver.payloads() == ["x"]
    assert [message["payload"] for message in await receive(api, "q")] == ["y"]
    for answer in (await api.get("/v1/queues/q/subscription"), await api.delete("/v1/queues/q/subscription")):
        assert_problem(answer, 404, "unknown_subscription")


async def test_secret_is_gone_with_its_queue_and_the_next_of_its_name_pushes_nothing(
    api: httpx2.AsyncClient, receiver: Receiver, database: asyncpg.Connection
) -> None:
    await subscribe(api, receiver)
    (await api.delete("/v1/queues/q")).raise_for_status()
    assert await database.fetchval("SELECT count(*) FROM queue_subscriptions") == 0
    await send(api, "q", "x")
    await asyncio.sleep(1.5)
    assert receiver.pushes == []
    assert await counts(api, "q") == {"visible": 1}


@pytest.mark.usefixtures("late_repeats")
async def test_another_endpoint_gets_what_follows(
    api: httpx2.AsyncClient, receiver: Receiver, database: asyncpg.Connection
) -> None:
    receiver.answers = [status(500)]
    await subscribe(api, receiver)
    await send(api, "q", "x")
    await eventually(lambda: has_noted(api, delivered=0, failed=1))
    async with push_receiver() as other:
        other.secret = "whsec_" + "A" * 32
        await subscribe(api, other)
        await make_due(database)
        await eventually(lambda: is_empty(api))
        # To whoever gets it twice it is the same message.
        assert [push.id for push in other.pushes] == [push.id for push in receiver.pushes]
    found = await subscription(api)
    assert (found["url"], found["failingSince"]) == (other.url, None)


@pytest.mark.usefixtures("late_repeats")
async def test_messages_of_a_group_come_in_order_also_where_one_fails(
    api: httpx2.AsyncClient, receiver: Receiver, database: asyncpg.Connection
) -> None:
    receiver.answers = [status(400), status(200)]
    await subscribe(api, receiver)
    messages = [{"payload": number, "groupId": "g"} for number in range(5)]
    (await api.post("/v1/queues/q/messages", json={"messages": messages})).raise_for_status()
    await eventually(lambda: has_noted(api, delivered=0, failed=1))
    assert receiver.payloads() == [0]
    await make_due(database)
    await eventually(lambda: is_empty(api))
    assert receiver.payloads() == [0, 0, 1, 2, 3, 4]


async def test_two_processes_share_the_messages_and_push_each_once(settings: ApiSettings, receiver: Receiver) -> None:
    async def wait_for_both(_: Push) -> bytes:
        # One process has four in hand at most; the other one hears of the subscription with its next sweep.
        await eventually(lambda: receiver.most_in_hand > 4)
        return status(200)

    receiver.answers = [wait_for_both]
    async with running_api(settings) as one, running_api(settings) as two:
        await subscribe(one, receiver)
        await send(two, "q", *range(300))
        await eventually(lambda: is_empty(one), seconds=60)
        assert receiver.most_in_hand > 4
    assert Counter(receiver.payloads()) == Counter(range(300))
    assert {push.message["receiveCount"] for push in receiver.pushes} == {1}


async def test_requests_at_once_are_bounded_and_no_endpoint_waits_for_another(
    api: httpx2.AsyncClient, receiver: Receiver
) -> None:
    go_on = asyncio.Event()

    async def wait(_: Push) -> bytes:
        await go_on.wait()
        return status(200)

    receiver.answers = [wait]
    await subscribe(api, receiver)
    await send(api, "q", *range(10))
    # One of its own, and the three that all share.
    await eventually(lambda: receiver.in_hand == 4)
    async with push_receiver() as other:
        await subscribe(api, other, "other")
        await send(api, "other", *range(10))
        await eventually(lambda: is_empty(api, "other"))
        assert other.most_in_hand == 1
    # What has no place is leased by nobody.
    assert await counts(api, "q") == {"visible": 6, "inFlight": 4}
    go_on.set()
    await eventually(lambda: is_empty(api))
    assert receiver.most_in_hand == 4


async def test_receivers_and_pushes_share_a_queue(api: httpx2.AsyncClient, receiver: Receiver) -> None:
    go_on = asyncio.Event()

    async def wait(_: Push) -> bytes:
        await go_on.wait()
        return status(200)

    receiver.answers = [wait]
    await subscribe(api, receiver)
    await send(api, "q", *range(10))
    await eventually(lambda: receiver.in_hand == 4)
    received = await receive(api, "q", 10)
    assert sorted([message["payload"] for message in received] + receiver.payloads()) == [*range(10)]
    go_on.set()
    await eventually(lambda: _counts_are(api, {"inFlight": 6}))


async def test_subscriptions_are_bounded_and_belong_to_queues_that_there_are(
    settings: ApiSettings, receiver: Receiver
) -> None:
    async with running_api(settings.model_copy(update={"push_subscriptions": 1})) as api:
        await subscribe(api, receiver)
        await send(api, "other", "x")
        for queue, (code_status, code) in {
            "other": (409, "too_many_subscriptions"),
            "none": (404, "unknown_queue"),
        }.items():
            answer = await api.put(f"/v1/queues/{queue}/subscription", json=receiver.subscription)
            assert_problem(answer, code_status, code)
        # To change the one that there is adds none.
        await subscribe(api, receiver)


async def _counts_are(api: httpx2.AsyncClient, expected: dict[str, int]) -> bool:
    return await counts(api, "q") == expected


async def _state_is(api: httpx2.AsyncClient, expected: str) -> bool:
    return bool((await subscription(api))["state"] == expected)
