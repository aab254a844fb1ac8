"""Every refusal of the producer over HTTP is a problem document that quotes no value that was sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from producer_service.problems import register_problem_handlers
from producer_service.requests.routes import request_router
from producer_service.requests.single_requests import Answer, SingleRequests
from shared.service.problem_document import ProblemDocument

ADDRESS = "/v1/requests"
JSON = {"Content-Type": "application/json"}


class _FailingRequests(SingleRequests):
    def __init__(self) -> None:
        pass

    async def ask_all(self, messages: object) -> list[Answer]:
        raise RuntimeError("secret")


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI()
    register_problem_handlers(app)
    app.include_router(request_router(_FailingRequests()))
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://producer") as client:
        yield client


def problem(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """The body, once it is known to be a whole problem of this code."""
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    body: dict[str, Any] = answer.json()
    ProblemDocument.model_validate(body)
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code)
    assert body["type"] == f"/guide/codes#{code}"
    assert body["title"]
    assert body["detail"]
    assert "secret" not in answer.text
    return body


async def test_unknown_address_is_a_404_that_says_where_the_addresses_are(client: httpx2.AsyncClient) -> None:
    body = problem(await client.get("/v1/nothing"), 404, "not_found")

    assert (body["instance"], "/docs" in body["detail"]) == ("/v1/nothing", True)


async def test_wrong_method_is_a_405_that_names_the_right_one(client: httpx2.AsyncClient) -> None:
    answer = await client.get(ADDRESS)

    assert "POST" in problem(answer, 405, "method_not_allowed")["detail"]
    assert answer.headers["Allow"] == "POST"


@pytest.mark.parametrize("body", [b'{"messages": ["\xff"]}', b"[" * 100_000], ids=["not UTF-8", "nested too deep"])
async def test_body_that_cannot_be_read_is_an_invalid_request(client: httpx2.AsyncClient, body: bytes) -> None:
    problem(await client.post(ADDRESS, content=body, headers=JSON), 422, "invalid_request")


@pytest.mark.parametrize("body", [b'{"messages": ["secret"', b'{"messages": [{"email": ["secret"]}]}', b"{}"])
async def test_body_of_another_form_is_an_invalid_request_that_says_where(
    client: httpx2.AsyncClient, body: bytes
) -> None:
    errors = problem(await client.post(ADDRESS, content=body, headers=JSON), 422, "invalid_request")["errors"]

    assert all(each["location"].startswith("body") and each["detail"] for each in errors)


async def test_body_without_its_content_type_is_told_which_to_send(client: httpx2.AsyncClient) -> None:
    answer = await client.post(ADDRESS, content=b'{"messages": ["hello"]}')

    assert "application/json" in problem(answer, 422, "invalid_request")["detail"]


async def test_bug_is_a_500_whose_text_stays_in_the_service(client: httpx2.AsyncClient) -> None:
    problem(await client.post(ADDRESS, json={"messages": ["hello"]}), 500, "internal_error")
