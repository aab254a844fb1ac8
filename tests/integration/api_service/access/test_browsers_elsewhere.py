"""A page of another site achieves nothing with its visitor's browser, keys or not."""

from __future__ import annotations

import httpx2
import pytest

from api_service.settings import ApiSettings
from tests.support.api import running_api
from tests.support.keys import bearer, guarded_api, make_key
from tests.support.queues import assert_problem
from tests.support.uploads import send

ELSEWHERE = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:9"},
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
]


async def test_nothing_is_changed_from_elsewhere(api: httpx2.AsyncClient) -> None:
    await api.post("/v1/queues/default/messages", json={"payload": 1})
    draft = (await send(api, start="draft")).headers["Location"]
    file = {"employee_data": ("a.csv", b"x")}
    for headers in ELSEWHERE:
        answers = [
            await api.post("/v1/employee-data-upload", files=file, headers=headers),
            await api.delete(draft, headers=headers),
            await api.post("/v1/dead-letters/redrive", json={"all": True}, headers=headers),
            await api.post("/v1/queues/default/receive", json={"consumerId": "x"}, headers=headers),
            await api.put("/v1/queues/other", json={}, headers=headers),
            await api.post("/message/new", json={"payload": 1}, headers=headers),
            await api.delete("/v1/employees/1", headers=headers),
        ]
        for answer in answers:
            assert_problem(answer, 403, "foreign_page")
        if "Sec-Fetch-Site" in headers:
            # An image on any page sends these.
            assert_problem(await api.get("/message/next", headers=headers), 403, "foreign_page")
            assert_problem(await api.get("/v1/consumer?cid=1", headers=headers), 403, "foreign_page")
    # What it cannot read it may ask for: a link from elsewhere leads here.
    assert (await api.get(draft, headers=ELSEWHERE[0])).status_code == 200
    counts = (await api.get("/v1/queues/default")).json()
    assert (counts["visible"], counts["inFlight"]) == (1, 0)
    assert (await api.get("/v1/queues/other")).status_code == 404
    assert [upload["id"] for upload in (await api.get("/v1/uploads")).json()["data"]] == [draft.rpartition("/")[2]]


async def test_a_name_that_is_made_to_point_here_is_refused(settings: ApiSettings) -> None:
    named = settings.model_copy(update={"allowed_hosts": "rollcall.example, other.example"})
    async with running_api(named) as api:
        for host in ("evil.example", "evil.example:8000", "x.rollcall.example"):
            for path in ("/v1/employees", "/", "/v1/self", "/nothing"):
                answer = await api.get(path, headers={"Host": host})
                assert answer.status_code == 421, (host, path)
        assert_problem(await api.get("/v1/employees", headers={"Host": "evil.example"}), 421, "unknown_host")
        for host in ("rollcall.example", "other.example:80", "localhost", "10.0.0.1:8000"):
            assert (await api.get("/v1/employees", headers={"Host": host})).status_code == 200
        # A machine asks whether it lives by whatever name it has for it.
        for probe in ("/livez", "/readyz"):
            assert (await api.get(probe, headers={"Host": "api_service:8000"})).status_code == 200


async def test_origins_are_allowed_by_name_alone(settings: ApiSettings) -> None:
    preflight = {
        "Origin": "https://tools.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    reader = bearer(await make_key(settings, "read"))
    async with guarded_api(settings.model_copy(update={"allowed_origins": "https://tools.example"})) as api:
        allowed = await api.options("/v1/keys", headers=preflight)
        assert allowed.status_code == 200
        assert allowed.headers["Access-Control-Allow-Origin"] == "https://tools.example"
        assert "Access-Control-Allow-Credentials" not in allowed.headers
        own = {"Origin": "https://tools.example", "Sec-Fetch-Site": "cross-site", **reader}
        # It is heard, and told what its key may not.
        assert_problem(await api.post("/v1/keys", json={}, headers=own), 403, "scope_missing")
        assert (await api.get("/v1/employees", headers=own)).headers["Access-Control-Allow-Origin"] == own["Origin"]
        other = {**preflight, "Origin": "https://evil.example"}
        assert "Access-Control-Allow-Origin" not in (await api.options("/v1/keys", headers=other)).headers
    async with guarded_api(settings) as api:
        closed = await api.options("/v1/keys", headers={**preflight, **reader})
        assert (closed.status_code, "Access-Control-Allow-Origin" in closed.headers) == (405, False)


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_what_a_form_can_send_is_no_json(api: httpx2.AsyncClient, media_type: str) -> None:
    body = b'{"payload": 1}'
    for method, address in (
        ("POST", "/v1/publish"),
        ("POST", "/message/new"),
        ("PUT", "/v1/queues/q"),
        ("DELETE", "/v1/dead-letters"),
        ("POST", "/v1/keys"),
    ):
        answer = await api.request(method, address, content=body, headers={"Content-Type": media_type})
        assert_problem(answer, 415, "json_needed")
