"""A body that is not as described is told what it lacks, whoever reads it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import msgspec
import pytest
from fastapi import FastAPI, Request
from pydantic import BaseModel

from api_service.http.json_request import read_json
from api_service.http.memory import ApiMemory
from api_service.http.problem_handlers import register_problem_handlers


class ModelBody(BaseModel):
    number: int


class StructBody(msgspec.Struct):
    number: int


def number_taker() -> FastAPI:
    app = FastAPI()
    register_problem_handlers(app)
    app.state.memory = ApiMemory()

    @app.post("/model")
    async def by_model(body: ModelBody) -> int:
        return body.number

    @app.post("/struct")
    async def by_struct(request: Request) -> int:
        return (await read_json(request, StructBody, max_bytes=100, timeout_seconds=5)).number

    return app


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=number_taker())
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


@pytest.mark.parametrize("path", ["/model", "/struct"])
@pytest.mark.parametrize("content_type", [None, "application/x-www-form-urlencoded"])
async def test_a_body_that_is_no_json_is_told_the_header(
    client: httpx2.AsyncClient, path: str, content_type: str | None
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    answer = await client.post(path, content=b"number=1", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.json()["detail"] == (
        "Correct what is wrong with body. Send JSON, with the header Content-Type: application/json."
    )


@pytest.mark.parametrize("path", ["/model", "/struct"])
@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "application/a+json"])
async def test_json_with_its_header_is_told_only_what_is_wrong_with_it(
    client: httpx2.AsyncClient, path: str, content_type: str
) -> None:
    answer = await client.post(path, content=b'{"number": "x"}', headers={"Content-Type": content_type})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert "Content-Type" not in answer.json()["detail"]


@pytest.mark.parametrize("content", [b'{"number": 1' + b" " * 100 + b"}", b"x" * 101])
async def test_a_body_may_be_so_large_and_no_larger(client: httpx2.AsyncClient, content: bytes) -> None:
    answer = await client.post("/struct", content=content)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
