"""What goes past FastAPI's routing is answered, refused, counted and logged like everything else."""

from __future__ import annotations

import json

import httpx2
import pytest
from prometheus_client import REGISTRY

from api_service.lease_queues.lease_queues import LeaseQueues
from api_service.settings import ApiSettings
from tests.support.api import running_api
from tests.support.queues import assert_problem, payloads, receive, send

RECEIPT = f"1-{'0' * 32}"
MESSAGES = "/v1/queues/{queue}/messages"


def answered(method: str, route: str, status: int) -> float:
    labels = {"method": method, "route": route, "status": str(status)}
    return REGISTRY.get_sample_value("rollcall_api_requests_total", labels) or 0


async def test_answers_and_refusals_are_counted_by_the_declared_route(api: httpx2.AsyncClient) -> None:
    requests = [
        ("POST", MESSAGES, 201, {"payload": 1}),
        ("POST", MESSAGES, 422, {"payload": 1, "delaySeconds": -1}),
        ("DELETE", f"{MESSAGES}/{{receipt}}", 409, None),
    ]
    for method, route, status, body in requests:
        before = answered(method, route, status)
        answer = await api.request(method, route.format(queue="q", receipt=RECEIPT), json=body)
        assert (answer.status_code, answered(method, route, status)) == (status, before + 1)


async def test_lines_of_the_log_have_the_route_and_the_clients_request_id(
    settings: ApiSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running_api(settings) as api:
        answer = await api.post("/v1/queues/q/messages", json={"payload": 1}, headers={"X-Request-ID": "mine-1"})

    assert answer.headers["X-Request-ID"] == "mine-1"
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (line,) = [line for line in lines if line.get("request_id") == "mine-1"]
    assert (line["route"], line["status"]) == (MESSAGES, 201)


async def test_an_encoded_name_is_the_queue_that_it_spells(api: httpx2.AsyncClient) -> None:
    assert (await api.post("/v1/queues/%65mails/messages", json={"payload": 1})).status_code == 201
    assert (await api.post("/v1/queues/e%2Fmails/messages", json={"payload": 2})).status_code == 404
    assert payloads(await receive(api, "emails", 10)) == [1]


async def test_other_methods_are_refused_with_those_that_there_are(api: httpx2.AsyncClient) -> None:
    for method in ("OPTIONS", "PUT"):
        answer = await api.request(method, "/v1/queues/q/receive")
        assert_problem(answer, 405, "method_not_allowed")
        assert answer.headers["Allow"] == "POST"


async def test_a_failure_of_ours_is_a_500_that_says_nothing_of_it(
    api: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await send(api, "q", 1)

    async def fail(*_: object) -> None:
        raise KeyError("secret")

    monkeypatch.setattr(LeaseQueues, "acknowledge", fail)
    answer = await api.delete(f"/v1/queues/q/messages/{RECEIPT}")
    assert_problem(answer, 500, "internal_error")
    assert "secret" not in answer.text
