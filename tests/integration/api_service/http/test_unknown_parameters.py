"""What an address does not know in its query is refused, whichever address it is, before anything is done."""

from __future__ import annotations

import asyncpg
import httpx2
import pytest

from api_service.app import create_app
from api_service.settings import ApiSettings
from tests.support.addresses import PATH_VALUES
from tests.support.uploads import SMALL_CSV, UPLOAD, send, stored_files


async def test_every_address_refuses_a_parameter_that_it_does_not_know_and_names_it(
    api: httpx2.AsyncClient, settings: ApiSettings, database: asyncpg.Connection
) -> None:
    document = create_app(settings).openapi()
    asked = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            address = path.format_map(PATH_VALUES)
            answer = await api.request(method, f"{address}?limitt=5", headers={"Content-Type": "application/json"})
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), (method, address)
            assert answer.headers["Content-Type"] == "application/problem+json"
            (error,) = answer.json()["errors"]
            assert error["location"] == "query.limitt"
            for parameter in operation.get("parameters", ()):
                assert (parameter["name"] in error["detail"]) >= (parameter["in"] == "query"), (method, address)
            assert "422" in operation["responses"]
            asked += 1
    assert asked > 30
    assert await database.fetchval("SELECT count(*) FROM queues") == 0


@pytest.mark.parametrize("address", ["/docs", "/redoc", "/openapi.json"])
async def test_pages_of_the_description_do_too(api: httpx2.AsyncClient, address: str) -> None:
    assert (await api.get(address)).status_code == 200
    assert (await api.get(f"{address}?theme=dark")).status_code == 422


async def test_parameter_that_comes_twice_is_refused(api: httpx2.AsyncClient) -> None:
    answer = await api.get("/v1/employees?limit=5&limit=7")
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"location": "query.limit", "detail": "Give it once"}]


async def test_known_parameters_are_taken_as_before(api: httpx2.AsyncClient) -> None:
    for address in ("/v1/employees?limit=5&page=2&searchTerm=an", "/v1/uploads?status=queued", "/v1/employees?"):
        assert (await api.get(address)).status_code == 200, address


async def test_option_in_the_query_of_an_upload_is_refused_and_nothing_is_kept(
    api: httpx2.AsyncClient, database: asyncpg.Connection, upload_store_url: str
) -> None:
    answer = await api.post(f"{UPLOAD}?onDuplicate=update", files={"employee_data": ("a.csv", SMALL_CSV)})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["location"] == "query.onDuplicate"
    assert await database.fetchval("SELECT count(*) FROM uploads") == 0
    assert stored_files(upload_store_url) == []


async def test_form_field_that_is_not_known_is_named_and_so_are_those_that_are(api: httpx2.AsyncClient) -> None:
    answer = await send(api, ondupliacte="skip")
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["location"] == "body.ondupliacte"
    assert "onDuplicate" in error["detail"]
    assert "employee_data" in error["detail"]


async def test_form_field_that_comes_twice_is_refused(api: httpx2.AsyncClient, database: asyncpg.Connection) -> None:
    fields = {"onDuplicate": ["skip", "update"]}
    answer = await api.post(UPLOAD, files={"employee_data": ("a.csv", SMALL_CSV)}, data=fields)
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"location": "body.onDuplicate", "detail": "give it once"}]
    assert await database.fetchval("SELECT count(*) FROM uploads") == 0
