"""Erasing a person by hand: from the employee's page over what there is to the certificate, without a script."""

from __future__ import annotations

import asyncpg
import httpx2
import pytest

from api_service.settings import ApiSettings
from tests.support.api import api_settings
from tests.support.erasures import KEY, until_erased
from tests.support.uploads import insert_rejects, insert_upload

EMAIL = "ada+cole@heron.example"


@pytest.fixture
def settings(database_url: str, amqp_url: str, upload_store_url: str) -> ApiSettings:
    given = {"erasure_key": KEY, "management_url": "http://localhost:15672"}
    return api_settings(database_url, amqp_url, upload_store_url, **given)


async def test_person_is_erased_from_their_page_and_allowed_again(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    employee_id = await database.fetchval(
        "INSERT INTO employees (employee_name, company_name, mobile_no, email, upload_sequence, row_number, by_update)"
        " VALUES ('Ada Cole', 'Heron', '+493055501', $1, 0, 0, false) RETURNING id",
        EMAIL,
    )
    await database.execute("UPDATE employee_totals SET total = total + 1 WHERE slot = 0")
    upload_id = await insert_upload(database, status="partially_succeeded")
    await database.execute("UPDATE uploads SET finished_at = now(), file_deleted_at = now()")
    await insert_rejects(database, upload_id, [(1, ["Ada", "", "", EMAIL]), (2, ["Bo", "", "", "bo@heron.example"])])
    page = (await api.get(f"/employees/{employee_id}")).text
    assert 'action="/erasures/find"' in page
    assert f'value="{EMAIL}"' in page

    looked = await api.post("/erasures/find", data={"email": EMAIL})

    assert looked.status_code == 200
    assert EMAIL in looked.text
    assert 'class="number">1</td>' in looked.text
    foreseen = (await api.post("/v1/erasure-search", json={"email": EMAIL.upper()})).json()
    assert (foreseen["found"]["employees"], foreseen["found"]["rejectedRows"]) == (1, 1)
    assert foreseen["filesToSearch"] == 0
    assert await database.fetchval("SELECT count(*) FROM suppressions") == 0

    ordered = await api.post("/erasures/order", data={"email": EMAIL})

    assert ordered.status_code == 303
    address = ordered.headers["Location"]
    await until_erased(api, {"id": address.rpartition("/")[2]})
    certificate = (await api.get(address)).text
    assert "Certificate of an erasure" in certificate
    assert EMAIL not in certificate
    assert "refused as erased person" in certificate
    assert address in (await api.get("/erasures")).text
    assert (await api.get(f"/employees/{employee_id}")).status_code == 404

    allowed = await api.post(f"{address}/allow", follow_redirects=True)

    assert allowed.status_code == 200
    assert "refused as erased person" not in allowed.text


async def test_what_is_no_email_is_refused_on_a_page(api: httpx2.AsyncClient) -> None:
    refused = await api.post("/erasures/find", data={"email": "ada"})

    assert refused.status_code == 422
    assert "must be one email address" in refused.text


async def test_system_page_shows_what_is_kept_and_due_and_leads_to_the_broker(
    api: httpx2.AsyncClient,
) -> None:
    page = (await api.get("/system")).text

    assert "What is kept" in page
    assert "ROLLCALL_API_DEAD_LETTER_RETENTION_DAYS" in page
    assert 'href="http://localhost:15672"' in page
