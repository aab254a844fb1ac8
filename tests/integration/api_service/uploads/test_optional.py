"""What an upload says of the fields that its rows may lack, and what the API shows of people who lack them."""

from __future__ import annotations

import json

import asyncpg
import httpx2
import pytest

from tests.support.uploads import send, stored_files

PHONES = b"email,phone\nann@x.example,+1 201 555 0199\n"


async def test_upload_shows_its_optional_fields_and_keeps_them_where_older_releases_see_a_field_that_they_do_not_know(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    answer = await send(api, PHONES, onDuplicate="update", optional="company_name, employee_name", key="k")
    assert answer.status_code == 202, answer.text
    document = answer.json()
    assert document["optional"] == ["employee_name", "company_name"]
    assert document["fields"].keys() == {"email", "mobile_no"}
    assert (await api.get(f"/v1/uploads/{document['id']}")).json()["optional"] == document["optional"]
    row = await database.fetchrow("SELECT field_columns, reader_version FROM uploads")
    assert row is not None
    stored = {"mobile_no": [1], "email": [0], "employee_name?": [], "company_name?": []}
    assert (json.loads(row["field_columns"]), row["reader_version"]) == (stored, 3)
    other = await send(api, PHONES, onDuplicate="update", optional="employee_name,company_name,mobile_no", key="k")
    assert other.json()["code"] == "idempotency_key_reused"
    assert (await send(api)).json()["optional"] == []


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"optional": "employee_name,company_name"}, "invalid_request"),
        ({"optional": "phone", "onDuplicate": "update"}, "invalid_request"),
        ({"optional": "company_name", "onDuplicate": "update"}, "missing_columns"),
    ],
)
async def test_file_that_lacks_what_is_not_optional_is_refused_and_nothing_is_kept(
    fields: dict[str, str], code: str, api: httpx2.AsyncClient, upload_store_url: str
) -> None:
    answer = await send(api, PHONES, **fields)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    if code == "invalid_request":
        assert answer.json()["errors"][0]["location"] == "body.optional"
    assert stored_files(upload_store_url) == []


async def test_people_without_a_company_or_a_mobile_are_listed_found_and_exported(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    await database.execute(
        "INSERT INTO employees (employee_name, email, upload_sequence, row_number, by_update)"
        " VALUES ('Ann Lee', 'ann@x.example', 1, 1, true)"
    )
    for address in ("/v1/employees", "/v1/employees?searchTerm=Ann", "/v1/employees?searchTerm=x.exam"):
        (found,) = (await api.get(address)).json()["data"]
        assert (found["employee_name"], found["company_name"], found["mobile_no"]) == ("Ann Lee", None, None)
    export = (await api.get("/v1/employees.csv")).text
    assert "Ann Lee,,,ann@x.example" in export
    document = (await api.get("/openapi.json")).json()
    properties = document["components"]["schemas"]["EmployeeDocument"]["properties"]
    nullable = {name for name in properties if {"type": "null"} in properties[name].get("anyOf", ())}
    assert {"company_name", "mobile_no"} <= nullable
    assert not {"employee_name", "email"} & nullable
