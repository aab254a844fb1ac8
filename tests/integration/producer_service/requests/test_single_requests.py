"""Each message is a request of its own, and its answer comes in its place; a missing answer makes the whole a 504."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from producer_service.problems import register_problem_handlers
from producer_service.requester import Requester
from producer_service.requests import single_requests
from producer_service.requests.routes import request_router
from producer_service.requests.single_requests import SingleRequests
from producer_service.settings import ProducerSettings
from shared.amqp.topology import REQUESTS_QUEUE
from tests.support.broker import Broker, close_connections_named
from tests.support.patience import patience
from tests.support.pipeline import consumer_settings, running, running_consumer
from tests.support.servers import Servers
from tests.support.waiting import eventually

ADA = {
    "employee_name": "Ada Calloway",
    "company_name": "Blue Heron",
    "mobile_no": "+44 20 7946 0018",
    "email": "ada@blueheron.example",
}


@contextlib.asynccontextmanager
async def asking(settings: ProducerSettings, seconds: float = 20) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the producer's requests, wired as its app wires them; so long, on a quiet machine, it waits."""
    requester = Requester(settings)
    app = FastAPI()
    register_problem_handlers(app)
    app.include_router(request_router(SingleRequests(requester, timeout_seconds=seconds * patience())))
    transport = httpx2.ASGITransport(app)
    async with (
        running(requester.replies),
        httpx2.AsyncClient(transport=transport, base_url="http://producer") as client,
    ):
        yield client
    await requester.close()


async def test_texts_and_employees_are_answered_in_the_order_sent(
    settings: ProducerSettings, engine: AsyncEngine, database_url: str, amqp_url: str
) -> None:
    messages = [*(f"message {number}" for number in range(100)), ADA, ADA | {"email": "not one"}]
    async with running_consumer(engine, consumer_settings(database_url, amqp_url)), asking(settings) as client:
        answer = await client.post("/v1/requests", json={"messages": messages})

    assert answer.status_code == 200
    responses = answer.json()["responses"]
    assert [each["response"] for each in responses[:100]] == [
        f"Consumer processed message {number}" for number in range(100)
    ]
    assert responses[100]["response"] == {"outcome": "inserted"}
    assert responses[101]["response"]["code"] == "invalid_email"
    assert len({each["correlationId"] for each in responses}) == len(messages)
    assert all(each["latencyMs"] > 0 for each in responses)


async def test_each_message_is_a_durable_request_of_its_own(settings: ProducerSettings, broker: Broker) -> None:
    async with asking(settings) as client:
        asked = asyncio.create_task(client.post("/v1/requests", json={"messages": ["one", "two", "three"]}))
        requests = await broker.take(REQUESTS_QUEUE, 3)
        asked.cancel()
        await asyncio.wait({asked})

    assert {message.delivery_mode for message in requests} == {2}
    assert len({message.correlation_id for message in requests}) == 3


@pytest.mark.fault(28)
async def test_requests_of_all_clients_together_leave_room_for_uploads(
    settings: ProducerSettings,
    engine: AsyncEngine,
    database_url: str,
    amqp_url: str,
    broker: Broker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(single_requests, "WINDOW_REQUESTS", 4)
    messages = [f"message {number}" for number in range(9)]
    async with asking(settings) as client:
        clients = [asyncio.create_task(client.post("/v1/requests", json={"messages": messages})) for _ in range(2)]
        await eventually(lambda: broker.has_ready(REQUESTS_QUEUE, 4))
        # Time enough for a fifth one, if it were sent.
        await asyncio.sleep(0.2)
        assert await broker.has_ready(REQUESTS_QUEUE, 4)
        # Each answer makes room for another one.
        async with running_consumer(engine, consumer_settings(database_url, amqp_url)):
            answers = await asyncio.gather(*clients)
    assert [answer.status_code for answer in answers] == [200, 200]


async def test_unanswered_messages_are_a_504_that_keeps_the_answers_of_the_others(
    settings: ProducerSettings, engine: AsyncEngine, database_url: str, amqp_url: str
) -> None:
    answers_once = consumer_settings(
        database_url,
        amqp_url,
        failpoints='{"consumer.before_transaction": {"action": "raise", "after": 1, "times": 99}}',
    )
    async with running_consumer(engine, answers_once), asking(settings, seconds=3) as client:
        answer = await client.post("/v1/requests", json={"messages": ["a", "b"]})

    problem = answer.json()
    assert answer.status_code == 504
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["code"], problem["instance"]) == ("no_reply", "/v1/requests")
    assert [each["response"] for each in problem["responses"]] in (
        ["Consumer processed a", None],
        [None, "Consumer processed b"],
    )


async def test_answers_survive_the_loss_of_the_callback_queue(
    settings: ProducerSettings,
    engine: AsyncEngine,
    database_url: str,
    amqp_url: str,
    servers: Servers,
    broker: Broker,
) -> None:
    async with asking(settings) as client:
        asked = asyncio.create_task(client.post("/v1/requests", json={"messages": ["before", ADA]}))
        await eventually(lambda: broker.has_ready(REQUESTS_QUEUE, 2))
        # Nobody has answered yet, and the queue that they would answer to goes.
        await close_connections_named(servers, amqp_url, "rollcall producer replies")
        async with running_consumer(engine, consumer_settings(database_url, amqp_url)):
            answer = await asked

    assert answer.status_code == 200
    # The employee was asked for twice, with one correlation id: one insert, one outcome.
    assert [each["response"] for each in answer.json()["responses"]] == [
        "Consumer processed before",
        {"outcome": "inserted"},
    ]


@pytest.mark.parametrize("media_type", [None, "application/x-www-form-urlencoded", "text/plain"])
async def test_a_body_that_is_not_sent_as_json_is_told_how(settings: ProducerSettings, media_type: str | None) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    async with asking(settings) as client:
        answer = await client.post("/v1/requests", content=b'{"messages": ["hello"]}', headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert "Content-Type: application/json" in answer.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        {"messages": []},
        {"messages": ["x"] * 1001},
        {"messages": [3]},
        {"messages": [{"employee_name": "Ada"}]},
        {"messages": [ADA | {"salary": "1"}]},
        {},
    ],
)
async def test_bad_bodies_are_refused_as_a_problem_that_quotes_nothing(
    settings: ProducerSettings, body: dict[str, object]
) -> None:
    async with asking(settings) as client:
        answer = await client.post("/v1/requests", json=body)

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "invalid_request")
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["errors"]
    assert "Ada" not in answer.text
