"""A method that an address does not take is refused with all that it takes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI

from api_service.app import create_app
from tests.support.addresses import PATH_VALUES
from tests.support.api import api_settings


@pytest.fixture
def app() -> FastAPI:
    return create_app(api_settings("postgresql://a:b@localhost/c", "amqp://a:b@localhost/c", "file:///nowhere"))


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://127.0.0.1") as client:
        yield client


async def test_every_address_names_exactly_its_documented_methods(app: FastAPI, client: httpx2.AsyncClient) -> None:
    named = {}
    for path in (paths := app.openapi()["paths"]):
        for method in ("TRACE", "OPTIONS", "HEAD"):
            answer = await client.request(method, path.format_map(PATH_VALUES))
            assert answer.status_code == 405, (method, path)
            named[method, path] = answer.headers["Allow"]
    documented = {
        (method, path): ", ".join(sorted(documented.upper() for documented in paths[path])) for method, path in named
    }
    assert named == documented
    assert documented["TRACE", "/v1/queues/{queue}/messages"] == "DELETE, GET, POST"


async def test_the_problem_says_the_same_as_the_header(client: httpx2.AsyncClient) -> None:
    answer = await client.put("/v1/dead-letters")
    assert answer.json()["code"] == "method_not_allowed"
    assert answer.json()["detail"] == "Methods of this address: DELETE, GET."


@pytest.mark.parametrize("path", ["/openapi.json", "/docs/assets/swagger-ui.css"])
async def test_files_are_read_and_asked_after(client: httpx2.AsyncClient, path: str) -> None:
    answer = await client.post(path)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert (await client.head(path)).status_code == 200
