"""Who did what is there when it is done, whatever came of it, and nobody changes it."""

from __future__ import annotations

import asyncio
import json

import asyncpg
import httpx2
import pytest
from prometheus_client import REGISTRY

from api_service.settings import ApiSettings
from tests.support.keys import bearer, guarded_api, make_key
from tests.support.queues import assert_problem
from tests.support.uploads import send
from tests.support.waiting import eventually, somebody_waits_for_a_lock

PLAIN = ("action", "caller", "status", "outcome")


async def entries(api: httpx2.AsyncClient, admin: dict[str, str], query: str = "") -> list[dict[str, object]]:
    """Newest first."""
    listed = (await api.get(f"/v1/audit?limit=100{query}", headers=admin)).raise_for_status()
    return list(listed.json()["data"])


async def test_what_was_done_and_what_was_refused_is_noted_with_who_and_on_what(
    settings: ApiSettings, database: asyncpg.Connection
) -> None:
    admin = bearer(boss := await make_key(settings, "admin", name="boss"))
    sender = bearer(await make_key(settings, "upload", name="payroll"))
    async with guarded_api(settings) as api:
        api.headers.update(sender)
        address = (await send(api, start="draft")).headers["Location"]
        await api.get(address)
        await api.get("/v1/employees?searchTerm=asha", headers=admin)
        await api.delete("/v1/employees/17", headers={"X-Request-ID": "mine"})
        await api.delete("/v1/employees/asha%40example.com", headers=admin)
        await api.post(f"{address}/undo")
        await api.get("/v1/employees.csv?searchTerm=asha", headers=admin)
        del api.headers["Authorization"]
        await api.delete("/v1/employees/18")
        found = await entries(api, admin)
        assert [tuple(entry[name] for name in (*PLAIN, "object")) for entry in reversed(found)] == [
            ("upload.create", "payroll", 202, "done", address),
            ("employee.delete", "payroll", 403, "refused", "/v1/employees/17"),
            # What somebody typed is no part of it.
            ("employee.delete", "boss", 422, "refused", "/v1/employees/{employee_id}"),
            ("upload.undo", "payroll", 409, "refused", f"{address}/undo"),
            ("employees.export", "boss", 200, "done", "/v1/employees.csv"),
        ]
        assert found[3]["requestId"] == "mine"
        assert {entry["address"] for entry in found} == {"127.0.0.1"}
        assert found[0]["keyId"] == boss.split("_")[1]
        assert "asha" not in json.dumps(found)

        assert len(await entries(api, admin, "&caller=payroll")) == 3
        assert [entry["status"] for entry in await entries(api, admin, "&caller=payroll&action=upload.undo")] == [409]
        lines = (await api.get("/v1/audit.jsonl", headers=admin)).text.splitlines()
        assert [json.loads(line) for line in lines] == list(reversed(found))
        rest = (await api.get(f"/v1/audit.jsonl?after={json.loads(lines[3])['id']}", headers=admin)).text.splitlines()
        # Who took the audit away is in it, too.
        assert [json.loads(line)["action"] for line in rest] == ["employees.export", "audit.export"]
        for reader in ("/v1/audit", "/v1/audit.jsonl", "/audit"):
            assert (await api.get(reader, headers=sender)).status_code == 403


async def test_entry_is_committed_before_the_answer_and_one_after_the_other(
    settings: ApiSettings, database: asyncpg.Connection
) -> None:
    admin = bearer(await make_key(settings, "admin"))
    async with guarded_api(settings) as api:
        asked = [api.put(f"/v1/queues/q{number}", json={}, headers=admin) for number in range(20)]
        for answered in asyncio.as_completed(asked):
            request_id = (await answered).headers["X-Request-ID"]
            assert await database.fetchval("SELECT count(*) FROM audit_entries WHERE request_id = $1", request_id) == 1
        # Nobody who goes on after an id misses a smaller one.
        await database.execute("SELECT pg_advisory_lock(7265110007)")
        waiting = asyncio.create_task(api.put("/v1/queues/late", json={}, headers=admin))
        await eventually(lambda: somebody_waits_for_a_lock(database))
        assert not waiting.done()
        await database.execute("SELECT pg_advisory_unlock(7265110007)")
        assert (await waiting).status_code == 200


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entries SET caller = 'somebody else'",
        "DELETE FROM audit_entries WHERE at > now() - interval '29 days'",
        "TRUNCATE audit_entries",
    ],
)
async def test_nobody_changes_an_entry(database: asyncpg.Connection, statement: str) -> None:
    for age in ("0 days", "28 days", "31 days"):
        await database.execute(
            "INSERT INTO audit_entries (at, action, object, status, outcome)"
            f" VALUES (now() - interval '{age}', 'a', 'b', 1, 'c')"
        )
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.execute(statement)
    assert await database.fetchval("SELECT count(*) FROM audit_entries") == 3


async def test_a_database_that_takes_no_entry_keeps_nobody_from_his_answer(
    settings: ApiSettings, database: asyncpg.Connection
) -> None:
    admin = bearer(await make_key(settings, "admin"))
    async with guarded_api(settings) as api:
        await database.execute("ALTER TABLE audit_entries ADD CHECK (action <> 'queue.configure') NOT VALID")
        before = REGISTRY.get_sample_value("rollcall_api_audit_entries_lost_total") or 0.0
        assert (await api.put("/v1/queues/q", json={}, headers=admin)).status_code == 200
        metrics = (await api.get("/metrics", headers=admin)).text
        assert f"rollcall_api_audit_entries_lost_total {before + 1}\n" in metrics
        assert_problem(await api.get("/v1/audit?caller=%00", headers=admin), 422, "invalid_request")
