"""What an upload says of its header, and where its fields come from."""

from __future__ import annotations

from typing import Any

import asyncpg
import httpx2
import pytest

from tests.support.uploads import insert_upload, send

ROWS = "Lee;Ann;+49 30 5550101;ann@b.example;Acme\nRay;Ben;+49 30 5550102;ben@b.example;Oak\n"


def problem(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), body
    return body


async def test_an_upload_shows_its_header_what_stands_above_it_and_where_each_field_comes_from(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    content = f"sep=;\nMitarbeiterliste;\nNachname;Vorname;Handy;E-Mail;Firma;Telefon\n{ROWS}"
    answer = await send(api, content.encode("utf-8-sig"))
    assert answer.status_code == 202, answer.text
    document = answer.json()
    assert (document["headerLine"], document["preamble"], document["delimiter"]) == (3, ["Mitarbeiterliste;"], ";")
    assert document["fields"] == {
        "employee_name": {"columns": ["Vorname", "Nachname"], "why": "parts_joined"},
        "company_name": {"columns": ["Firma"], "why": "alias"},
        "mobile_no": {"columns": ["Handy"], "why": "alias", "passedOver": ["Telefon"]},
        "email": {"columns": ["E-Mail"], "why": "canonical_name"},
    }
    assert (await api.get(f"/v1/uploads/{document['id']}")).json()["fields"] == document["fields"]
    assert await database.fetchval("SELECT first_row_line FROM uploads WHERE has_header") == 4


async def test_a_file_without_a_header_is_asked_about_and_then_read_as_said(api: httpx2.AsyncClient) -> None:
    refused = problem(await send(api, ROWS.encode()), 422, "no_header")
    assert "columns" in refused["detail"]
    answer = await send(api, ROWS.encode(), columns="last name,first name,mobile_no,email,company_name")
    assert answer.status_code == 202, answer.text
    document = answer.json()
    assert (document["headerLine"], document["preamble"]) == (None, [])
    assert document["fields"]["employee_name"] == {"columns": ["first name", "last name"], "why": "position"}


@pytest.mark.parametrize(
    "fields",
    [
        {"headerLine": "0"},
        {"headerLine": "first"},
        {"headerLine": "1.5"},
        {"headerLine": "٣"},
        {"headerLine": "99999999999"},
        {"headerLine": "2", "header": "absent"},
        {"columns": "email,-", "header": "present"},
        {"columns": "email,-", "headerLine": "2"},
        {"columns": "email,-", "mapping": '{"email": "Mail"}'},
    ],
)
async def test_what_is_no_line_or_contradicts_itself_is_refused(
    api: httpx2.AsyncClient, fields: dict[str, str]
) -> None:
    body = problem(await send(api, ROWS.encode(), **fields), 422, "invalid_request")
    assert body["errors"][0]["location"] in ("body.headerLine", "body.columns")


async def test_unlikely_columns_are_named_with_positions_and_nothing_of_their_contents(api: httpx2.AsyncClient) -> None:
    rows = "".join(f"Ann Lee,Acme,+12015550101,user{number}\n" for number in range(4))
    body = problem(await send(api, f"Name,Company,Phone,Email\n{rows}".encode()), 422, "unlikely_columns")
    [error] = body["errors"]
    assert (error["field"], error["column"]) == ("email", "Email")
    assert "line 2, column 4" in error["detail"]
    assert "user" not in str(body)
    answer = await send(api, f"Name,Company,Phone,Email\n{rows}".encode(), header="present")
    assert answer.status_code == 202


async def test_the_same_request_with_another_header_line_is_another_request(api: httpx2.AsyncClient) -> None:
    content = f"Name;x\nNachname;Vorname;Handy;E-Mail;Firma\n{ROWS}".encode()
    first = await send(api, content, key="once")
    assert (await send(api, content, key="once")).json()["id"] == first.json()["id"]
    problem(await send(api, content, key="once", headerLine="2"), 422, "idempotency_key_reused")


async def test_an_upload_of_before_says_where_its_fields_are_and_not_why(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    upload_id = await insert_upload(database)
    document = (await api.get(f"/v1/uploads/{upload_id}")).json()
    assert (document["headerLine"], document["preamble"]) == (None, [])
    assert document["fields"]["email"] == {"columns": ["email"], "why": None}
