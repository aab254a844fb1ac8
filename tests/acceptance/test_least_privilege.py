"""Everything that Rollcall does, it does with a role and a broker user for each service that may do nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from migrations.roles.privileges import SERVICES
from shared.rows.fields import FIELD_NAMES
from tests.acceptance.conftest import MixedUpload
from tests.support.chunks import row
from tests.support.own_broker_users import own_broker_users
from tests.support.own_roles import own_roles
from tests.support.servers import Servers
from tests.support.services import Services
from tests.support.system import UPLOAD, System
from tests.support.uploads import HEADER
from tests.support.waiting import eventually

GOOD = b"Asha,Initech,9876543210,asha@example.com\n"
BAD = b"Bad,Initech,1,bad@example.com\n"


@pytest.fixture
async def restricted(services: Services, servers: Servers, database_url: str, amqp_url: str) -> AsyncIterator[Services]:
    """Services that connect each as itself, and sign their messages, as the network overlay has them."""
    async with own_roles(database_url) as roles, own_broker_users(servers, amqp_url) as users:
        for service in SERVICES:
            services.own_of[f"{service}_service"] = {  # type: ignore[index]
                "ROLLCALL_DATABASE_URL": roles[service],
                "ROLLCALL_AMQP_URL": users[service],
                "ROLLCALL_AMQP_DECLARES": "own",
                "ROLLCALL_MESSAGE_KEY": "k" * 32,
            }
        yield services
        for each in services.all:
            each.kill()


async def send(system: System, content: bytes, **options: str) -> dict[str, Any]:
    answer = await system.client.post(UPLOAD, files={"employee_data": ("a.csv", content)}, data=options)
    assert answer.status_code in (201, 202), answer.text
    upload: dict[str, Any] = answer.json()
    return upload


async def test_everything_goes_on_with_a_role_for_each_service(
    restricted: Services, system: System, mixed: MixedUpload
) -> None:
    await restricted.start_all()
    upload = await system.until_finished(await system.upload(mixed.file, mixed.mode))
    assert await system.differences(upload, mixed.expected, keep_letters=True) == []
    await _correct_redrive_and_delete(system, upload)
    await _undo(system, str(upload["id"]))
    await _preview_and_start(system)
    await _mark_leavers(system)
    await _everything_else(system, restricted)
    logs = restricted.logs()
    assert "InsufficientPrivilege" not in logs
    assert "42501" not in logs
    assert "permission denied" not in logs
    assert "ACCESS_REFUSED" not in logs
    assert "lets this user not" not in logs
    assert "not tidied" not in logs


async def _correct_redrive_and_delete(system: System, upload: dict[str, Any]) -> None:
    client, upload_id = system.client, upload["id"]
    rejects = (await client.get(f"/v1/uploads/{upload_id}/rejects", params={"limit": 100})).json()["data"]
    invalid = next(each for each in rejects if each["code"] == "invalid_email")
    mended = {"cells": {"email": "mended@example.com"}}
    answer = await client.patch(f"/v1/uploads/{upload_id}/rejects/{invalid['rowNumber']}", json=mended)
    assert answer.status_code == 200 or answer.json()["code"] == "still_rejected", answer.text
    report = await client.get(f"/v1/uploads/{upload_id}/rejects.csv")
    answer = await client.post(
        f"/v1/uploads/{upload_id}/corrections", files={"employee_data": ("rejects.csv", report.content)}
    )
    assert answer.status_code < 500, answer.text
    await _until_job_is_over(system, await client.post("/v1/dead-letters/redrive", json={"uploadId": upload_id}))
    await _until_job_is_over(system, await client.request("DELETE", "/v1/dead-letters", json={"uploadId": upload_id}))


async def _until_job_is_over(system: System, answer: Any) -> None:
    assert answer.status_code == 202, answer.text

    async def is_over() -> bool:
        job = (await system.client.get(answer.headers["Location"])).raise_for_status().json()
        return bool(job["state"] == "succeeded")

    await eventually(is_over, seconds=60)


async def _undo(system: System, upload_id: str) -> None:
    answer = await system.client.post(f"/v1/uploads/{upload_id}/undo")
    assert answer.status_code == 202, answer.text

    async def is_undone() -> bool:
        return bool((await system.state(upload_id))["status"] == "undone")

    await eventually(is_undone, seconds=60)
    (await system.client.get(f"/v1/uploads/{upload_id}/rows", params={"outcome": "kept"})).raise_for_status()


async def _preview_and_start(system: System) -> None:
    leaving = {"onDuplicate": "update", "absent": "deactivate", "absentScope": "all", "absentAtMost": "100%"}
    for options in ({"onDuplicate": "reject"}, leaving):
        draft = await send(system, HEADER + GOOD + BAD + GOOD, start="draft", **options)
        address = f"/v1/uploads/{draft['id']}"
        (await system.client.get(f"{address}/sample")).raise_for_status()
        assert (await system.client.post(f"{address}/preview")).status_code == 202
        await system.until_previewed(draft["id"])
        (await system.client.get(f"{address}/results.csv")).raise_for_status()
        (await system.client.get(f"{address}/rows", params={"outcome": "deactivated"})).raise_for_status()
        started = await system.client.post(f"{address}/start", json={"ifUnchanged": True})
        assert started.status_code in (200, 202), started.text
        await system.until_finished(draft["id"])


async def _mark_leavers(system: System) -> None:
    await system.until_finished(
        (await send(system, HEADER + GOOD.replace(b"asha@", b"bo@"), onDuplicate="update"))["id"]
    )
    upload = await send(
        system, HEADER + GOOD, onDuplicate="update", absent="deactivate", absentScope="all", absentAtMost="100%"
    )
    finished = await system.until_finished(upload["id"])
    assert finished["deactivated"] >= 1, finished
    await _undo(system, upload["id"])


async def _everything_else(system: System, services: Services) -> None:
    client = system.client
    employees = (await client.get("/v1/employees", params={"searchTerm": "asha"})).raise_for_status().json()["data"]
    (await client.get("/v1/employees.csv")).raise_for_status()
    (await client.get(f"/v1/employees/{employees[0]['id']}")).raise_for_status()
    assert (await client.delete(f"/v1/employees/{employees[0]['id']}")).status_code == 204
    for address in ("/v1/status", "/v1/uploads", "/v1/dead-letters", "/metrics", "/readyz", "/", "/queues"):
        assert (await client.get(address)).status_code < 400, address
    single = dict(zip(FIELD_NAMES, row("cy@x.example"), strict=True))
    answer = await client.post(f"{services.producer.url}/v1/requests", json={"messages": ["hello", single]})
    assert answer.json()["responses"][1]["response"]["outcome"] == "inserted", answer.text
    assert (await client.post("/v1/queues/q/messages", json={"messages": [{"payload": "one"}]})).status_code == 201
    received = await client.post("/v1/queues/q/receive", json={"consumerId": "c"})
    (message,) = received.raise_for_status().json()["messages"]
    (await client.delete(f"/v1/queues/q/messages/{message['receipt']}")).raise_for_status()
    upload = await send(system, HEADER + GOOD.replace(b"asha@", b"di@"))
    await system.until_finished(upload["id"])
    deleted = await client.delete(f"/v1/uploads/{upload['id']}", params={"confirm": "employees-stay"})
    assert deleted.status_code == 204, deleted.text
    draft = await send(system, HEADER + GOOD, start="draft")
    assert (await client.delete(f"/v1/uploads/{draft['id']}")).status_code < 400
