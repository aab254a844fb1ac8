"""A browser signs in with a key, and is out when it says so, when its time is over, and when the key is revoked."""

from __future__ import annotations

import asyncpg
import httpx2
import pytest

from api_service.settings import ApiSettings
from tests.support.api import running_api
from tests.support.keys import bearer, guarded_api, make_key
from tests.support.uploads import SMALL_CSV
from tests.support.waiting import eventually


async def sign_in(api: httpx2.AsyncClient, key: str, **form: str) -> httpx2.Response:
    return await api.post("/sign-in", data={"key": key, **form})


async def test_a_session_may_what_its_key_may_and_ends_with_it(settings: ApiSettings) -> None:
    admin = bearer(await make_key(settings, "admin"))
    reader = await make_key(settings, "read", name="reader")
    async with guarded_api(settings) as api:
        away = await api.get("/employees?searchTerm=x")
        assert (away.status_code, away.headers["Location"]) == (303, "/sign-in?then=%2Femployees%3FsearchTerm%3Dx")
        assert (await api.post("/uploads", files={"employee_data": ("a.csv", SMALL_CSV)})).headers[
            "Location"
        ] == "/sign-in"

        signed_in = await sign_in(api, f" {reader}\n", then="/employees?searchTerm=x")
        assert (signed_in.status_code, signed_in.headers["Location"]) == (303, "/employees?searchTerm=x")
        cookie = signed_in.headers["Set-Cookie"]
        assert cookie.startswith("rollcall_session=rs_")
        assert {part.strip() for part in cookie.split(";")[1:]} == {
            "HttpOnly",
            "Max-Age=43200",
            "Path=/",
            "SameSite=strict",
        }
        page = await api.get("/employees")
        assert page.status_code == 200
        # What it may not is not offered, and refused.
        assert 'href="/dead-letters"' in page.text
        for hidden in ('href="/keys"', 'href="/queues"', 'href="/audit"'):
            assert hidden not in page.text
        assert (await api.get("/keys")).status_code == (await api.delete("/v1/employees/1")).status_code == 403
        assert (await api.get("/v1/self")).json()["name"] == "reader"
        # A key that is sent along is meant, and a session's token is no key.
        assert (await api.get("/v1/keys", headers=admin)).status_code == 200
        token = api.cookies["rollcall_session"]
        assert (await api.get("/v1/self", headers=bearer(token))).status_code == 401

        key_id = reader.split("_")[1]
        assert (await api.delete(f"/v1/keys/{key_id}", headers=admin)).status_code == 204
        assert (await api.get("/employees")).headers["Location"] == "/sign-in?then=%2Femployees"
        over = await api.get("/v1/self")
        assert (over.status_code, over.json()["code"]) == (401, "session_over")


async def test_signing_out_ends_the_session_for_all_who_have_its_cookie(
    settings: ApiSettings, database: asyncpg.Connection
) -> None:
    key = await make_key(settings, "read", "upload")
    async with guarded_api(settings) as api, guarded_api(settings) as replica:
        await sign_in(api, key)
        copied = {"Cookie": f"rollcall_session={api.cookies['rollcall_session']}"}

        async def is_known() -> bool:
            return (await replica.get("/v1/self", headers=copied)).status_code == 200

        async def is_over() -> bool:
            return not await is_known()

        await eventually(is_known)
        assert (await api.post("/sign-out", headers={"Sec-Fetch-Site": "cross-site"})).status_code == 403
        assert await is_known()
        out = await api.post("/sign-out")
        assert (out.status_code, out.headers["Location"]) == (303, "/sign-in")
        assert 'rollcall_session=""' in out.headers["Set-Cookie"]
        assert (await api.get("/v1/self", headers=copied)).status_code == 401
        await eventually(is_over)
        # The key itself is as good as before, and begins another. Of one key there is no end of sessions.
        for _ in range(103):
            assert (await sign_in(api, key)).status_code == 303
        assert await database.fetchval("SELECT count(*) FROM key_sessions") == 100
        assert (await api.get("/")).status_code == 200


@pytest.mark.parametrize(
    ("then", "leads"),
    [
        ("/employees", "/employees"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("/x\r\nSet-Cookie: a=b", "/"),
        ("", "/"),
    ],
)
async def test_nobody_is_led_elsewhere(settings: ApiSettings, then: str, leads: str) -> None:
    key = await make_key(settings, "read")
    async with guarded_api(settings) as api:
        assert (await sign_in(api, key, then=then)).headers["Location"] == leads


async def test_what_is_no_key_signs_nobody_in(settings: ApiSettings, database: asyncpg.Connection) -> None:
    good = await make_key(settings, "read")
    queues = await make_key(settings, "queues:jobs", name="worker")
    async with guarded_api(settings) as api:
        for text in ("", "rc_x", good[:-1], f"{good[:20]}{'0' * 45}"):
            refused = await sign_in(api, text)
            assert (refused.status_code, "Set-Cookie" in refused.headers) == (403, False)
        assert text not in refused.text
        assert (
            await api.post("/sign-in", data={"key": good}, headers={"Origin": "http://evil.example"})
        ).status_code == 403
        assert await database.fetchval("SELECT count(*) FROM key_sessions") == 0
        # For a program there is no page but the one that says so.
        assert (await sign_in(api, queues)).headers["Location"] == "/account"
        assert "queues:jobs" in (await api.get("/account")).text
    async with running_api(settings) as api:
        assert (await api.get("/sign-in")).headers["Location"] == "/"
        assert (await api.get("/account")).status_code == 200
