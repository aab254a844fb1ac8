"""Keys are made, shown, used and revoked over HTTP, and by the command that makes the first."""

from __future__ import annotations

import asyncio
import re
import sys
from datetime import UTC, datetime, timedelta

import asyncpg

from api_service.settings import ApiSettings
from tests.support.api import running_api
from tests.support.keys import bearer, guarded_api, make_key, until_known
from tests.support.patience import patience
from tests.support.queues import assert_problem
from tests.support.servers import CHECKOUT
from tests.support.uploads import send
from tests.support.waiting import eventually


async def test_life_of_a_key_in_two_replicas(settings: ApiSettings) -> None:
    admin = bearer(await make_key(settings, "admin", name="boss"))
    async with guarded_api(settings) as one, guarded_api(settings) as two:
        wanted = {"name": "payroll", "scopes": ["read", "queues:jobs-*"]}
        created = await one.post("/v1/keys", json=wanted, headers=admin)
        assert created.status_code == 201, created.text
        document = created.json()
        text = document.pop("key")
        assert document.pop("aws") is None
        assert re.fullmatch(r"rc_\w{12}_\w{49}", text)
        assert created.headers["Location"] == f"/v1/keys/{document['id']}"
        assert created.headers["Cache-Control"] == "no-store"
        assert (document["name"], document["scopes"], document["createdBy"]) == (*wanted.values(), "boss")

        # Good at once where it was made, and in the other within a moment.
        own = (await one.get("/v1/self", headers=bearer(text))).json()
        assert own == {
            "authentication": True,
            "id": document["id"],
            "name": "payroll",
            "scopes": sorted(wanted["scopes"]),
        }
        await until_known(two, text)

        shown = (await two.get(created.headers["Location"], headers=admin)).json()
        assert {**shown, "lastUsedAt": None} == document
        listed = (await two.get("/v1/keys", headers=admin)).json()
        assert [key["name"] for key in listed["data"]] == ["payroll", "boss"]
        assert text not in str(listed)
        page = (await two.get("/v1/keys?limit=1", headers=admin)).json()
        rest = (await two.get(f"/v1/keys?limit=1&cursor={page['nextCursor']}", headers=admin)).json()
        assert [key["name"] for key in (*page["data"], *rest["data"])] == ["payroll", "boss"]

        assert (await two.delete(created.headers["Location"], headers=admin)).status_code == 204
        assert_problem(await two.get("/v1/employees", headers=bearer(text)), 401, "key_not_valid")

        async def is_refused_by_the_other() -> bool:
            return (await one.get("/v1/employees", headers=bearer(text))).status_code == 401

        await eventually(is_refused_by_the_other)
        again = await one.delete(created.headers["Location"], headers=admin)
        revoked = (await one.get(created.headers["Location"], headers=admin)).json()
        assert (again.status_code, revoked["revokedAt"] is not None) == (204, True)
        assert_problem(await one.delete("/v1/keys/000000000000", headers=admin), 404, "unknown_key")


async def test_what_is_no_good_key_is_told_what_is_wrong(settings: ApiSettings, database: asyncpg.Connection) -> None:
    admin = await make_key(settings, "admin")
    async with guarded_api(settings) as api:
        missing = await api.get("/v1/employees")
        assert_problem(missing, 401, "key_needed")
        assert missing.headers["WWW-Authenticate"].startswith("Bearer ")
        cut = await api.get("/v1/employees", headers=bearer(admin[:-3]))
        assert_problem(cut, 401, "key_not_valid")
        assert "mistyped" in cut.json()["detail"]
        twice = [("Authorization", f"Bearer {admin}"), ("Authorization", f"Bearer {admin}")]
        for headers in ({"Authorization": "Basic YTpi"}, {"Authorization": admin}, twice, {"Authorization": ""}):
            assert (await api.get("/v1/employees", headers=headers)).status_code == 401
        assert (await api.get("/v1/employees", headers={"authorization": f"bearer  {admin}"})).status_code == 200

        # Whoever has no key learns no address, and no method of one.
        for method, address in (("GET", "/v1/nothing"), ("PUT", "/v1/employees"), ("GET", "/v1/uploads/")):
            assert_problem(await api.request(method, address), 401, "key_needed")
        assert_problem(await api.get("/v1/nothing", headers=bearer(admin)), 404, "not_found")

        for wanted in (
            {"name": "", "scopes": ["read"]},
            {"name": "x", "scopes": []},
            {"name": "x", "scopes": ["root"]},
            {"name": "x", "scopes": ["read"], "expires": "never"},
            {"name": "x\n", "scopes": ["read"]},
            {"name": "x", "scopes": ["read"], "expiresAt": "2020-01-01T00:00:00Z"},
            {"name": "x", "scopes": ["read"], "expiresAt": "2040-01-01T00:00:00"},
        ):
            assert_problem(await api.post("/v1/keys", json=wanted, headers=bearer(admin)), 422, "invalid_request")
        assert await database.fetchval("SELECT count(*) FROM api_keys") == 1


async def test_a_key_ends_at_its_time(settings: ApiSettings) -> None:
    admin = bearer(await make_key(settings, "admin"))
    async with guarded_api(settings) as api:
        ends = datetime.now(UTC) + timedelta(seconds=3 * patience())
        wanted = {"name": "guest", "scopes": ["read"], "expiresAt": ends.isoformat()}
        text = (await api.post("/v1/keys", json=wanted, headers=admin)).json()["key"]
        assert (await api.get("/v1/employees", headers=bearer(text))).status_code == 200

        async def is_over() -> bool:
            return (await api.get("/v1/employees", headers=bearer(text))).status_code == 401

        await eventually(is_over)


async def test_uploads_are_those_of_their_sender(settings: ApiSettings) -> None:
    keys = {name: await make_key(settings, "upload", name=name) for name in ("payroll", "sales")}
    newer = bearer(await make_key(settings, "upload", name="payroll"))
    payroll, sales = bearer(keys["payroll"]), bearer(keys["sales"])
    reader = bearer(await make_key(settings, "read", "upload", name="reader"))
    admin = bearer(await make_key(settings, "admin"))
    async with guarded_api(settings) as api:
        api.headers.update(payroll)
        draft = await send(api, start="draft", key="november")
        assert draft.status_code == 202
        address = draft.headers["Location"]
        # The key that replaces the first is the same caller.
        assert (await api.get(address, headers=newer)).status_code == 200
        for method, path in (("GET", ""), ("GET", "/file"), ("GET", "/rejects"), ("GET", "/events"), ("DELETE", "")):
            refused = await api.request(method, f"{address}{path}", headers=sales)
            assert_problem(refused, 403, "others_upload")
        # Who may read sees all uploads, and changes only their own.
        assert (await api.get(address, headers=reader)).status_code == 200
        assert_problem(await api.post(f"{address}/cancel", headers=reader), 403, "others_upload")
        assert_problem(await api.patch(address, headers=reader, json={}), 403, "others_upload")
        # Nobody is given another's upload for having guessed its idempotency key and its content.
        api.headers.update(sales)
        assert_problem(await send(api, start="draft", key="november"), 422, "idempotency_key_reused")
        api.headers.update(newer)
        assert (await send(api, start="draft", key="november")).headers["Location"] == address
        assert (await api.post(f"{address}/cancel", headers=newer)).status_code == 202
        assert (await api.delete(address, headers=admin)).status_code == 204
        assert_problem(await api.get(address, headers=sales), 404, "unknown_upload")
        assert_problem(await api.get("/v1/uploads/x", headers=sales), 422, "invalid_request")


async def test_without_authentication_no_key_is_made_that_would_be_good_with_it(settings: ApiSettings) -> None:
    async with running_api(settings) as api:
        refused = await api.post("/v1/keys", json={"name": "x", "scopes": ["admin"]})
        assert_problem(refused, 409, "authentication_off")
        own = (await api.get("/v1/self")).json()
        assert own == {"authentication": False, "id": None, "name": None, "scopes": ["admin"]}


async def test_command_makes_the_first_key_once(settings: ApiSettings, database_url: str) -> None:
    async def command(*arguments: str, url: str = database_url) -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "api_service.access.create_key", *arguments),
            cwd=CHECKOUT,
            env={"ROLLCALL_DATABASE_URL": url, "ROLLCALL_LOG_LEVEL": "INFO"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said, complained = await asyncio.wait_for(process.communicate(), 60 * patience())
        assert process.returncode is not None
        return process.returncode, said.decode(), complained.decode()

    status, text, _ = await command("--only-first")
    assert status == 0
    assert await command("--only-first") == (0, "", "")
    status, other, _ = await command("--name", "prometheus", "--scope", "metrics")
    assert status == 0
    async with guarded_api(settings) as api:
        assert (await api.get("/v1/self", headers=bearer(text.strip()))).json()["scopes"] == ["admin"]
        assert (await api.get("/metrics", headers=bearer(other.strip()))).status_code == 200
        assert_problem(await api.get("/v1/status", headers=bearer(other.strip())), 403, "scope_missing")
    status, said, complained = await command("--scope", "root")
    assert (status, said) == (1, "")
    assert "No such scope: root" in complained
    status, _, complained = await command(url="")
    assert status == 1
    assert "ROLLCALL_DATABASE_URL" in complained
