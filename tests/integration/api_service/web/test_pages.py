"""What all pages keep: their policy, what is kept of them where, and that nobody else's page acts through them."""

from __future__ import annotations

import re

import asyncpg
import httpx2
import pytest

from api_service.web.assets import FOLDER
from shared.rows.fields import FIELD_NAMES
from tests.support.uploads import SMALL_CSV, send

MARKUP = "<script>alert(1)<b onclick=alert(2)>"
KIBIBYTE = 1024


async def test_a_name_is_text_and_a_page_runs_and_loads_nothing_but_our_files(api: httpx2.AsyncClient) -> None:
    header = b"employee_name,company_name,mobile_no,email\n"
    content = header + b"<img src=x onerror=alert(1)>,Fjord,+47 22 55 01 01,a@fjord.example\n"
    draft = (await send(api, content, filename=f"{MARKUP}.csv", start="draft")).json()
    for path in ("/", f"/uploads/{draft['id']}"):
        page = await api.get(path)
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert "<img" not in page.text
        assert "&lt;script&gt;" in page.text
        assert page.headers["Cache-Control"] == "no-store"
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert not re.search(r"<style|\sstyle=|<script>|<b\b", page.text)


async def test_a_column_that_a_draft_knows_by_its_name_is_not_shown_as_unused(api: httpx2.AsyncClient) -> None:
    content = SMALL_CSV.replace(b"mobile_no", b"reach", 1)
    draft = (await send(api, content, start="draft")).json()
    assert draft["problem"]["code"] == "missing_columns"
    page = f"/uploads/{draft['id']}"
    in_doubt = (await api.get(page)).text
    assert ("as it is called" in in_doubt, "not used" in in_doubt) == (True, False)

    # Only the column that was missing has to be chosen.
    names = content.partition(b"\n")[0].decode().split(",")
    chosen = {
        "hasHeader": "1",
        "columnName": names,
        "columnWas": ["" for _ in names],
        "column": ["mobile_no" if name == "reach" else "" for name in names],
    }
    known = (await api.get(page, params=chosen)).text
    assert ("as it is called" in known, "not used" in known) == (False, True)
    assert all(f'<option value="{name}" selected>' in known for name in FIELD_NAMES)


async def test_a_previewed_draft_is_shown_as_the_draft_that_it_is(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    draft = (await send(api, SMALL_CSV, start="draft")).json()
    for status in ("draft", "previewed"):
        await database.execute("UPDATE uploads SET status = $1", status)
        assert "data-draft" in (await api.get(f"/uploads/{draft['id']}")).text
    await api.post(f"/v1/uploads/{draft['id']}/preview")
    assert "data-draft" not in (await api.get(f"/uploads/{draft['id']}")).text


async def test_files_of_the_pages_are_small_and_kept_by_their_digest(api: httpx2.AsyncClient) -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 100 * KIBIBYTE
    page = (await api.get("/")).text
    addresses = re.findall(r'(?:href|src)="(/assets/[^"]+)"', page)
    assert len(addresses) >= 3
    for address in addresses:
        answer = await api.get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]
    # A page of another release gets what there is, and does not keep it.
    assert (await api.get("/assets/000000000000/page.css")).headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
    ],
)
async def test_a_form_of_another_site_does_nothing(api: httpx2.AsyncClient, headers: dict[str, str]) -> None:
    draft = (await send(api, SMALL_CSV, start="draft")).json()
    answer = await api.post(f"/uploads/{draft['id']}/delete", headers=headers)
    assert answer.status_code == 403
    assert "foreign_page" in answer.text
    assert (await api.get(f"/v1/uploads/{draft['id']}")).status_code == 200
    own = {"Sec-Fetch-Site": "same-origin", "Origin": str(api.base_url).rstrip("/")}
    assert (await api.post(f"/uploads/{draft['id']}/delete", headers=own)).status_code == 303
    assert (await api.get(f"/v1/uploads/{draft['id']}")).status_code == 404


async def test_an_error_is_a_page_with_the_apis_own_words(api: httpx2.AsyncClient) -> None:
    unknown = await api.get("/uploads/6f1e2b9e-0000-4000-8000-000000000000")
    assert unknown.status_code == 404
    assert unknown.headers["Content-Type"].startswith("text/html")
    assert "unknown_upload" in unknown.text
    assert (await api.get("/?page=0")).status_code == 422
    empty = await api.post("/uploads", files={"employee_data": ("a.csv", b"")}, data={"start": "draft"})
    assert empty.status_code == 422
    assert "empty_file" in empty.text
