"""The form of every list, on a list of numbers."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncIterator
from typing import NamedTuple

import httpx2
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api_service.http.pagination import Listing, PagingDep, Total
from api_service.http.problem_handlers import register_problem_handlers

NUMBERS = range(1, 26)


class NumberKey(NamedTuple):
    number: int


def number_list() -> FastAPI:
    app = FastAPI()
    register_problem_handlers(app)

    @app.get("/numbers")
    async def numbers(paging: PagingDep, above: int = 0, guess: bool = False) -> Listing[int]:
        after = paging.after(NumberKey)
        matching = [each for each in NUMBERS if each > above]
        rest = matching[paging.offset :] if after is None else [each for each in matching if each > after.number]
        found = rest[: paging.limit + 1]
        return paging.listing(found, Total(len(matching), is_estimate=guess), key=NumberKey, item=int)

    return app


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=number_list())
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


def links(answer: httpx2.Response) -> dict[str, str]:
    return {relation: target for target, relation in re.findall(r'<([^>]*)>; rel="(\w+)"', answer.headers["Link"])}


async def test_a_list_says_which_part_it_is_and_how_much_there_is(client: httpx2.AsyncClient) -> None:
    body = (await client.get("/numbers")).json()
    assert body.pop("nextCursor")
    assert body == {
        "data": list(range(1, 11)),
        "page": 1,
        "limit": 10,
        "size": 10,
        "totalData": 25,
        "totalPages": 3,
        "totalIsEstimate": False,
    }


@pytest.mark.parametrize("limit", [1, 7, 25, 26, 1000])
async def test_following_the_next_link_meets_every_item_once(client: httpx2.AsyncClient, limit: int) -> None:
    met: list[int] = []
    target: str | None = f"/numbers?limit={limit}"
    while target is not None:
        answer = await client.get(target)
        met += answer.json()["data"]
        target = links(answer).get("next")
    assert met == list(NUMBERS)


@pytest.mark.parametrize("limit", [1, 7, 25, 26, 1000])
async def test_following_the_cursor_meets_every_item_once(client: httpx2.AsyncClient, limit: int) -> None:
    body = (await client.get(f"/numbers?limit={limit}")).json()
    met = body["data"]
    while body["nextCursor"] is not None:
        body = (await client.get("/numbers", params={"limit": limit, "cursor": body["nextCursor"]})).json()
        assert body["page"] is None
        met += body["data"]
    assert met == list(NUMBERS)


async def test_links_name_the_neighbours_and_keep_the_filters(client: httpx2.AsyncClient) -> None:
    assert links(await client.get("/numbers?above=3&limit=5&page=2")) == {
        "first": "/numbers?above=3&limit=5&page=1",
        "prev": "/numbers?above=3&limit=5&page=1",
        "next": "/numbers?above=3&limit=5&page=3",
        "last": "/numbers?above=3&limit=5&page=5",
    }


async def test_with_a_cursor_links_lead_to_the_start_and_on(client: httpx2.AsyncClient) -> None:
    cursor = (await client.get("/numbers?above=3")).json()["nextCursor"]
    answer = await client.get(f"/numbers?above=3&cursor={cursor}")
    next_cursor = answer.json()["nextCursor"]
    assert links(answer) == {
        "first": "/numbers?above=3&limit=10&page=1",
        "next": f"/numbers?above=3&limit=10&cursor={next_cursor}",
    }


async def test_past_the_last_page_is_empty_and_leads_back_to_it(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/numbers?page=900")
    assert (answer.status_code, answer.json()["data"], answer.json()["nextCursor"]) == (200, [], None)
    assert links(answer)["prev"] == "/numbers?limit=10&page=3"
    assert "next" not in links(answer)


async def test_an_empty_list_has_no_pages(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/numbers?above=99")
    assert (answer.json()["size"], answer.json()["totalPages"]) == (0, 0)
    assert links(answer)["last"] == "/numbers?above=99&limit=10&page=1"


async def test_an_estimate_is_no_ground_for_a_link_to_the_last_page(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/numbers?guess=true")
    assert answer.json()["totalIsEstimate"] is True
    assert set(links(answer)) == {"first", "next"}


@pytest.mark.parametrize(
    ("query", "culprit"),
    [
        ("limit=0", "query.limit"),
        ("limit=1001", "query.limit"),
        ("limit=ten", "query.limit"),
        ("page=0", "query.page"),
        ("page=1000000001", "query.page"),
        ("page=1&cursor=x", "query.cursor"),
    ],
)
async def test_what_is_out_of_bounds_is_refused_and_named(client: httpx2.AsyncClient, query: str, culprit: str) -> None:
    answer = await client.get(f"/numbers?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert [error["location"] for error in answer.json()["errors"]] == [culprit]


async def test_a_cursor_is_bound_to_its_filters(client: httpx2.AsyncClient) -> None:
    cursor = (await client.get("/numbers?above=3")).json()["nextCursor"]
    answer = await client.get(f"/numbers?above=4&cursor={cursor}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")


async def test_a_cursor_keeps_its_place_under_another_limit(client: httpx2.AsyncClient) -> None:
    cursor = (await client.get("/numbers?limit=4")).json()["nextCursor"]
    assert (await client.get(f"/numbers?limit=2&cursor={cursor}")).json()["data"] == [5, 6]


@pytest.mark.parametrize("key", [[], ["five"], [5, 6], [-1], [2**63], [5.5], [None], [[5]]])
async def test_a_cursor_with_a_forged_key_is_refused(client: httpx2.AsyncClient, key: list[object]) -> None:
    genuine = (await client.get("/numbers")).json()["nextCursor"]
    digest, *_ = json.loads(base64.urlsafe_b64decode(genuine + "=="))
    forged = base64.urlsafe_b64encode(json.dumps([digest, *key]).encode()).decode().rstrip("=")
    answer = await client.get(f"/numbers?cursor={forged}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")


@settings(derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    cursor=st.one_of(
        st.text(max_size=60), st.binary(max_size=40).map(lambda raw: base64.urlsafe_b64encode(raw).decode())
    )
)
async def test_garbage_is_no_cursor(client: httpx2.AsyncClient, cursor: str) -> None:
    answer = await client.get("/numbers", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")
