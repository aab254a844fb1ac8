"""Whichever route the router takes, its need was found before."""

from __future__ import annotations

import pytest
from fastapi import APIRouter, FastAPI
from starlette.staticfiles import StaticFiles

from shared.access.callers import Need, NeedKind
from shared.access.route_needs import NOWHERE, RouteNeeds, UndeclaredRoute, routes_of


async def nothing() -> None: ...


def kinds(needs: RouteNeeds, method: str, path: str) -> list[NeedKind]:
    return [match.need.kind for match in needs.matches(method, path).each]


def test_a_path_that_fits_several_templates_needs_what_each_does() -> None:
    needs = RouteNeeds({"GET /a/{id}": Need("read"), "GET /a/self": Need("a key"), "DELETE /a/{id}": Need("admin")})
    assert sorted(kinds(needs, "GET", "/a/self")) == ["a key", "read"]
    assert kinds(needs, "GET", "/a/1") == kinds(needs, "HEAD", "/a/1") == ["read"]
    assert kinds(needs, "DELETE", "/a/1") == ["admin"]
    for method, path in (("GET", "/a/x/y"), ("PUT", "/a/1"), ("GET", "/b"), ("GET", "/" + "b" * 5_000)):
        assert needs.matches(method, path) is NOWHERE


def test_parameters_have_their_names_in_the_template_of_their_method() -> None:
    needs = RouteNeeds({"GET /q/{queue}/m/{receipt}": Need("queue"), "POST /q/{name}/m/{id}": Need("admin")})
    [match] = needs.matches("GET", "/q/jobs/m/7").each
    assert match.parameters == {"queue": "jobs", "receipt": "7"}
    [match] = needs.matches("POST", "/q/jobs/m/7").each
    assert match.parameters == {"name": "jobs", "id": "7"}


def test_a_folder_of_files_is_one_route() -> None:
    needs = RouteNeeds({"GET /files/*": Need("nothing")})
    assert kinds(needs, "GET", "/files/a/b.js") == ["nothing"]
    # Without the slash the router leads there.
    assert kinds(needs, "GET", "/files") == ["nothing"]
    assert needs.matches("GET", "/filesystem") is NOWHERE


def test_every_route_has_to_be_declared_however_it_was_added() -> None:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    router = APIRouter(prefix="/v1")
    inner = APIRouter()
    app.add_api_route("/plain", nothing, methods=["GET"])
    router.add_api_route("/things/{id}", nothing, methods=["GET"])
    inner.add_api_route("/inner", nothing, methods=["GET"])
    router.include_router(inner, prefix="/more")
    app.include_router(router)
    app.mount("/files", StaticFiles(directory="."))
    app.add_route("/old", nothing, methods=["POST"])  # type: ignore[arg-type]  # nobody calls it
    every = {"GET /plain", "GET /v1/things/{id}", "GET /v1/more/inner", "GET /files/*", "POST /old"}
    assert set(routes_of(app)) == every
    RouteNeeds(dict.fromkeys(every, Need("read"))).require_all(app)
    for forgotten in every:
        with pytest.raises(UndeclaredRoute, match="Nobody said who may use") as refusal:
            RouteNeeds(dict.fromkeys(every - {forgotten}, Need("read"))).require_all(app)
        assert forgotten in str(refusal.value)
