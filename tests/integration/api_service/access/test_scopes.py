"""Every operation with each scope, and without: nothing is reached without the scope that it is for."""

from __future__ import annotations

from typing import Any

import httpx2

from api_service.settings import ApiSettings
from tests.support.addresses import PATH_VALUES
from tests.support.keys import bearer, guarded_api, make_key
from tests.support.scopes import ANY_KEY, LOOKS_AT_UPLOADS, MAY, OLDER_CLIENTS, OPEN, QUEUES, READS, UPLOADS


async def test_every_operation_with_each_scope_and_without(settings: ApiSettings) -> None:
    keys = {scope: await make_key(settings, scope, name=scope[:4]) for scope in (*MAY, "admin")}
    admin = bearer(keys["admin"])
    async with guarded_api(settings) as api:
        operations = await _operations(api, admin)
        assert set(operations) >= OPEN | ANY_KEY | READS | LOOKS_AT_UPLOADS | UPLOADS | QUEUES | OLDER_CLIENTS
        for name, (method, address) in operations.items():
            answer = await _ask(api, method, address, {})
            assert (answer == 401) is (name not in OPEN), (name, answer)
            for scope, may in MAY.items():
                status = await _ask(api, method, address, bearer(keys[scope]))
                assert (status == 403) is (name not in OPEN | ANY_KEY | may), (name, scope, status)
                assert status < 500 or status == 503, (name, scope, status)
            assert await _ask(api, method, address, admin) not in (401, 403), name


async def _operations(api: httpx2.AsyncClient, admin: dict[str, str]) -> dict[str, tuple[str, str]]:
    document: dict[str, Any] = (await api.get("/openapi.json", headers=admin)).json()
    values = {**PATH_VALUES, "queue": "default"}
    return {
        operation["operationId"]: (method.upper(), path.format_map(values))
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }


async def _ask(api: httpx2.AsyncClient, method: str, address: str, headers: dict[str, str]) -> int:
    """A body that is none, so that what is let through does nothing much."""
    sent = {"Content-Type": "application/json", **headers}
    return (await api.request(method, address, content=b"[]", headers=sent)).status_code


async def test_a_page_shows_nothing_that_the_key_may_not_see(settings: ApiSettings) -> None:
    reader = bearer(await make_key(settings, "read", name="reader"))
    sender = bearer(await make_key(settings, "upload", name="sender"))
    async with guarded_api(settings) as api:
        assert (await api.get("/employees")).headers["Location"].startswith("/sign-in?")
        assert (await api.get("/employees", headers=reader)).status_code == 200
        assert (await api.get("/employees", headers=sender)).status_code == 403
        assert (await api.post("/employees/1/delete", headers=reader)).status_code == 403


async def test_dead_messages_move_to_no_queue_that_the_key_does_not_reach(settings: ApiSettings) -> None:
    one = bearer(await make_key(settings, "queues:one", name="one"))
    both = bearer(await make_key(settings, "queues:one", "queues:two", name="both"))
    async with guarded_api(settings) as api:
        for headers, allowed in ((one, False), (both, True)):
            answers = [
                await api.put("/v1/queues/one", json={"deadLetterQueue": "two"}, headers=headers),
                await api.patch("/v1/queues/one", json={"deadLetterQueue": "two"}, headers=headers),
                await api.post("/v1/queues/one/redrive", json={"to": "two"}, headers=headers),
                await api.post("/v1/queues/one/redrive", json={"to": "two", "rate": 1}, headers=headers),
            ]
            refused = [answer.status_code == 403 for answer in answers]
            assert refused == [not allowed] * 4
        assert answers[-1].status_code == 202
