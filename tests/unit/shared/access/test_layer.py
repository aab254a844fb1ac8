"""What the layer lets through, for connections that a test on one machine does not have."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from shared.access.callers import ANYBODY, SCOPE_KEY, Need
from shared.access.layer import AccessLayer
from shared.access.limits import KeyLimits
from shared.access.route_needs import RouteNeeds

NEEDS = RouteNeeds(
    {
        "GET /data": Need("read"),
        "GET /livez": Need("nothing"),
        "GET /q": Need("queue", changes=True),
        "POST /data": Need("read"),
        "POST /{any}": Need("nothing", takes_json=False),
    }
)


async def asked(
    path: str,
    *,
    method: str = "GET",
    server: tuple[str, int | None],
    published: bool = False,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Any:
    """The code of the refusal, or the scope that reached the application. Authentication is off."""
    reached: list[Scope] = []
    sent: list[Message] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append(scope)

    async def receive() -> Message:
        raise AssertionError("nothing of a body is read")

    async def send(message: Message) -> None:
        sent.append(message)

    layer = AccessLayer(
        application,
        needs=NEEDS,
        keys=None,
        limits=KeyLimits(requests=1, uploads=1),
        is_published_on_loopback=published,
    )
    given = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "headers": given, "server": server, "query_string": b""}
    await layer(scope, receive, send)
    return reached[0] if reached else json.loads(sent[1]["body"])["code"]


@pytest.mark.parametrize("path", ["/data", "/livez", "/nothing"])
async def test_without_keys_nobody_is_answered_who_comes_from_another_machine(path: str) -> None:
    assert await asked(path, server=("10.0.0.5", 8000)) == "not_on_loopback"
    assert (await asked(path, server=("127.0.0.1", 8000)))["path"] == path
    assert (await asked(path, server=("/run/rollcall.sock", None)))["path"] == path
    # As a container is asked, whose port is published on loopback alone.
    assert (await asked(path, server=("172.17.0.2", 8000), published=True))["path"] == path


async def test_what_is_let_through_says_whose_it_is() -> None:
    assert (await asked("/data", server=("127.0.0.1", 8000)))[SCOPE_KEY] == ANYBODY


async def test_an_image_elsewhere_leases_nothing_and_a_link_leads_here() -> None:
    elsewhere = {"host": "localhost:8000", "sec-fetch-site": "cross-site"}
    assert await asked("/q", server=("127.0.0.1", 8000), headers=elsewhere) == "foreign_page"
    assert (await asked("/data", server=("127.0.0.1", 8000), headers=elsewhere))["path"] == "/data"


async def test_a_foreign_name_is_refused_but_for_probes() -> None:
    assert await asked("/data", server=("127.0.0.1", 8000), headers={"host": "evil.example"}) == "unknown_host"
    assert await asked("/nothing", server=("127.0.0.1", 8000), headers={"host": "evil.example"}) == "unknown_host"
    assert (await asked("/livez", server=("127.0.0.1", 8000), headers={"host": "api_service:8000"}))["path"] == "/livez"


async def test_json_is_demanded_where_one_of_the_routes_that_it_fits_takes_it() -> None:
    text = {"content-type": "text/plain", "content-length": "2"}
    here = ("127.0.0.1", 8000)
    assert await asked("/data", method="POST", server=here, headers=text) == "json_needed"
    assert (await asked("/other", method="POST", server=here, headers=text))["path"] == "/other"


async def test_nothing_speaks_websockets() -> None:
    layer = AccessLayer(
        lambda *_: None,  # type: ignore[arg-type]  # it is not reached
        needs=NEEDS,
        keys=None,
        limits=KeyLimits(requests=1, uploads=1),
    )
    with pytest.raises(RuntimeError):
        await layer({"type": "websocket", "path": "/livez"}, None, None)  # type: ignore[arg-type]
